"""`/api/endpoints`: every verb the Endpoint window has, and `/api/plan`, which asks without doing."""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from apikeys.api import KeyOut, key_json
from endpoints import selectors
from endpoints.rules import status_in_json
from endpoints.selectors import EndpointView, InstanceView
from studio.errors import invalid_field
from studio.hub.selectors import model_named
from studio.json_api import PAGE, ApiRequest, Body, answers, moment, page
from studio.projects import selectors as projects

router = Router(tags=["endpoints"])

Hyperparams = dict[str, Any] | str


class Wish(Body):
    """Model, version, generation and instances: what decides about RDUs."""

    project: str = Field(examples=["demo"], description="Name or id.")
    model_checkpoint: str = Field(examples=["Help"], description="Name or id of a model.")
    model_version: int | str | None = Field(None, description="Without one: the newest.")
    instances: int | str = Field(1, description="0 to 1000; 0 stands for a stopped endpoint.")
    rdu_arch: str | None = Field(None, examples=["SN40L"], description="Without one: the recommended.")
    hyperparams: Hyperparams | None = Field(None, description="An object, or the same as a JSON string.")


class NewEndpoint(Wish):
    endpoint_name: str = Field(examples=["hello"])
    description: str = ""


class Changes(Body):
    """What is to change; what is absent stays."""

    description: str | None = None
    model_checkpoint: str | None = None
    model_version: int | str | None = None
    instances: int | str | None = None
    rdu_arch: str | None = None
    hyperparams: Hyperparams | None = None
    spec_version: int | None = Field(None, description="Refused with 409 unless it is still the present one.")


class Target(Schema):
    model: str


class Waiting(Schema):
    instance: int
    reason: str
    sentence: str
    position: int


class EndpointOut(Schema):
    id: str
    name: str
    description: str
    project_id: str
    project_name: str
    ml_app: str
    model_name: str
    model_version: str
    targets: list[Target]
    arch: str
    instances: int
    instances_ready: int
    instances_wanted: int
    status: str
    status_reason: str
    waiting: list[Waiting]
    warnings: list[str]
    url: str
    stream_url: str
    openai_url: str
    api_key: str
    api_keys: list[KeyOut]
    hyperparams: dict[str, Any]
    owner: str
    spec_version: int
    time_created: str
    time_updated: str


class Endpoints(Schema):
    endpoints: list[EndpointOut]
    next: str | None


@router.get("/endpoints", response=answers(Endpoints), summary="List endpoints")
def list_endpoints(
    request: ApiRequest,
    project: str | None = None,
    name: str | None = None,
    status: str | None = None,
    arch: str | None = None,
    model: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Endpoints of the active tenant that you can see, or of one project, newest first. Keys are masked."""
    actor = request.auth
    rows = (
        selectors.in_project(actor, projects.named(actor, project)) if project else selectors.in_tenant(actor)
    )
    if name is not None:
        rows = rows.filter(name__iexact=name)
    if arch is not None:
        rows = rows.filter(generation__code__iexact=arch)
    if model is not None:
        rows = rows.filter(model_version__model=model_named(actor, model))
    if status is not None:
        rows = selectors.with_status(rows).filter(status_word__in=_words(status))
    found, following = page(rows.prefetch_related("api_keys__owner"), cursor, limit)
    return {"endpoints": [_masked(view) for view in selectors.views(found, whole=True)], "next": following}


def _words(status: str) -> list[str]:
    """The statuses that a spelling means: `AwaitingRDU` and `Awaiting RDU` are one."""
    wanted = status.replace(" ", "").lower()
    words = [word for word, _ in STATUSES if word.replace(" ", "").lower() == wanted]
    if not words:
        names = ", ".join(sorted({status_in_json(word) for word, _ in STATUSES}))
        raise invalid_field("status", f"There is no status {status!r}; there are: {names}.")
    return words


def _masked(view: EndpointView) -> dict[str, Any]:
    keys = sorted(view.endpoint.api_keys.all(), key=lambda key: (key.is_first, -key.created_at.timestamp()))
    return _endpoint(view, [key_json(key) for key in keys], keys[-1].prefix + "-••••" if keys else "")


def _endpoint(view: EndpointView, keys: list[dict[str, Any]], first_key: str) -> dict[str, Any]:
    endpoint = view.endpoint
    model = endpoint.model_version.model
    return {
        "id": str(endpoint.pk),
        "name": endpoint.name,
        "description": endpoint.description,
        "project_id": str(endpoint.project_id),
        "project_name": endpoint.project.name,
        "ml_app": model.app.name,
        "model_name": model.name,
        "model_version": str(endpoint.model_version.number),
        "targets": [{"model": str(model.pk)}],
        "arch": endpoint.generation_id,
        "instances": view.instances_now,
        "instances_ready": view.ready,
        "instances_wanted": endpoint.instances,
        "status": status_in_json(view.status),
        "status_reason": view.reason,
        "waiting": [_waiting(each) for each in view.waiting],
        "warnings": [],
        "url": view.predict_path,
        "stream_url": view.stream_path,
        "openai_url": view.openai_path,
        "api_key": first_key,
        "api_keys": keys,
        "hyperparams": endpoint.parameters,
        "owner": endpoint.owner.username,
        "spec_version": endpoint.spec_version,
        "time_created": moment(endpoint.created_at),
        "time_updated": moment(endpoint.updated_at),
    }


def _waiting(instance: InstanceView) -> dict[str, Any]:
    return {
        "instance": instance.ordinal,
        "reason": instance.code,
        "sentence": instance.reason,
        "position": instance.position,
    }
