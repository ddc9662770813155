"""`/api/endpoints`: every verb the Endpoint window has, and `/api/plan`, which asks without doing."""

import json
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query, Router

from apikeys.api import key_json, keys_json
from apikeys.selectors import shown_once
from endpoints import selectors, services, statuses
from endpoints.listing import narrow, newest, newest_in_project, with_keys
from endpoints.models import Endpoint
from endpoints.rules import STATUSES, status_in_json
from endpoints.selectors import EndpointView, InstanceView
from endpoints.shapes import (
    Changes,
    EditPlanOut,
    EndpointOut,
    Endpoints,
    Hyperparams,
    NewEndpoint,
    PlanOut,
    Restoring,
    Wish,
)
from endpoints.specs import Edit, Plan, Spec, read_spec
from scheduler import selectors as machines
from scheduler.room import surely_fits
from studio.errors import invalid_field
from studio.hub import selectors as hub
from studio.hub.models import ModelVersion
from studio.json_api import ApiRequest, moment
from studio.json_docs import changes, creates, looks
from studio.paging import PAGE, kept_page, page
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.repeating import REPEATABLE, may_repeat
from studio.tenants.rules import Actor

router = Router(tags=["endpoints"])

SpecVersion = Annotated[int | None, Query(description="Refused with 409 unless it is still the present one.")]

INSUFFICIENT = (
    "Insufficient RDUs in a single node: {waiting} of {all} instances will be Awaiting RDU until RDUs become "
    "available in a single node; contact your administrator. {reason}"
)


@router.get("/endpoints", response=looks(Endpoints), summary="List endpoints")
def list_endpoints(
    request: ApiRequest,
    project: str | None = None,
    name: str | None = None,
    status: str | None = None,
    arch: str | None = None,
    model: str | None = None,
    deleted: bool = False,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Endpoints of the active tenant that you can see, or of one project, newest first.

    Keys are masked; of each endpoint the First Key and the ten newest. With `deleted`: those that were deleted in the
    last 24 hours and can be restored.
    """
    actor = request.auth
    place = projects.named(actor, project) if project else None
    if deleted or (name, status, arch, model) != (None, None, None, None):
        rows = _filtered(actor, _listed(request, place, deleted), name, arch, model)
        having = None if status is None else partial(statuses.having, status=_status_word(status))
        found, following = page(narrow(rows), cursor, limit, having)
    elif place:
        found, following = kept_page(newest_in_project, cursor, limit, actor, place.pk)
    else:
        found, following = kept_page(newest, cursor, limit, actor)
    views = selectors.views(with_keys(found), whole=True)
    return {
        "endpoints": [masked(view, request.now) for view in views],
        "next": following,
    }


@router.post(
    "/endpoints", response=creates(EndpointOut), summary="Create an endpoint", openapi_extra=REPEATABLE
)
@may_repeat
def create_endpoint(request: ApiRequest, body: NewEndpoint) -> dict[str, Any]:
    """Returns at once; `status` then tells how far it is. `warnings` says what will have to wait for RDUs."""
    actor = request.auth
    project = projects.named(actor, body.project)
    spec = _spec(actor, body, body.endpoint_name, body.description)
    endpoint = services.create_endpoint(actor=actor, project=project, spec=spec, now=request.now)
    warnings = {"warnings": _warnings_of_new(actor, endpoint)}
    if shown_once(endpoint):
        request.kept = masked(selectors.view(endpoint), request.now) | warnings
    return _with_keys(request, endpoint) | warnings


@router.post("/plan", response=looks(PlanOut), summary="Plan an endpoint without creating it")
def plan_endpoint(request: ApiRequest, body: Wish) -> dict[str, Any]:
    """Where each instance would land now, and what would wait and why. Nothing is changed."""
    tenant = projects.named(request.auth, body.project).tenant_id
    plan = read_spec(request.auth, _spec(request.auth, body))
    return _plan(plan.version, plan.option.generation_id, _preview(request.auth, plan, tenant))


@router.get("/endpoints/{endpoint}", response=looks(EndpointOut), summary="An endpoint")
def endpoint_info(request: ApiRequest, endpoint: str, project: str | None = None) -> dict[str, Any]:
    """A name that several projects have needs `project`. Key values are for those who may manage keys."""
    where = projects.named(request.auth, project) if project else None
    return _with_keys(request, selectors.named(request.auth, endpoint, where, only_told=True))


@router.patch("/endpoints/{endpoint}", response=changes(EndpointOut), summary="Change an endpoint")
def update_endpoint(
    request: ApiRequest, endpoint: str, body: Changes, project: str | None = None
) -> dict[str, Any]:
    """A description touches nothing that runs, instances add or drain the difference, all else rolls.

    `warnings` says what will have to wait for RDUs.
    """
    found = _named(request.auth, endpoint, project)
    edit = _edit(body)
    prospect = services.foresee_edit(actor=request.auth, endpoint=found, edit=edit)
    warnings = _warnings(services.preview_edit(actor=request.auth, prospect=prospect))
    changed = services.update_endpoint(actor=request.auth, endpoint=found, edit=edit, now=request.now)
    return masked(selectors.view(changed), request.now) | {"warnings": warnings}


@router.post(
    "/endpoints/{endpoint}/plan", response=looks(EditPlanOut, 409), summary="Plan a change without making it"
)
def plan_change(
    request: ApiRequest, endpoint: str, body: Changes, project: str | None = None
) -> dict[str, Any]:
    """How a change would be applied: what goes on, begins and ends, where it lands, what would wait."""
    found = _named(request.auth, endpoint, project)
    prospect = services.foresee_edit(actor=request.auth, endpoint=found, edit=_edit(body))
    preview = services.preview_edit(actor=request.auth, prospect=prospect)
    after, forecast = prospect.after, prospect.forecast
    counts = {name: getattr(forecast, name) for name in ("effect", "sentence", "kept", "opens", "ends")}
    return _plan(after.model_version, after.generation_id, preview) | counts


@router.post("/endpoints/{endpoint}/stop", response=changes(EndpointOut), summary="Stop an endpoint")
def stop_endpoint(
    request: ApiRequest, endpoint: str, project: str | None = None, spec_version: SpecVersion = None
) -> dict[str, Any]:
    """Requests under way are finished, then the RDUs are free. The wish is kept for a restart."""
    found = _named(request.auth, endpoint, project)
    stopped = services.stop_endpoint(actor=request.auth, endpoint=found, seen=spec_version, now=request.now)
    return masked(selectors.view(stopped), request.now)


@router.post("/endpoints/{endpoint}/restart", response=changes(EndpointOut), summary="Restart an endpoint")
def restart_endpoint(
    request: ApiRequest, endpoint: str, project: str | None = None, spec_version: SpecVersion = None
) -> dict[str, Any]:
    """A stopped or failed one starts; the instances of a running one are replaced in turn."""
    found = _named(request.auth, endpoint, project)
    restarted = services.restart_endpoint(
        actor=request.auth, endpoint=found, seen=spec_version, now=request.now
    )
    return masked(selectors.view(restarted), request.now)


@router.delete("/endpoints/{endpoint}", response=changes(EndpointOut), summary="Delete an endpoint")
def delete_endpoint(
    request: ApiRequest, endpoint: str, project: str | None = None, spec_version: SpecVersion = None
) -> dict[str, Any]:
    found = _named(request.auth, endpoint, project)
    deleted = services.delete_endpoint(actor=request.auth, endpoint=found, seen=spec_version, now=request.now)
    return masked(selectors.view(deleted), request.now)


@router.post("/endpoints/{endpoint}/restore", response=changes(EndpointOut), summary="Restore an endpoint")
def restore_endpoint(
    request: ApiRequest, endpoint: str, body: Restoring | None = None, project: str | None = None
) -> dict[str, Any]:
    """Within 24 hours of its deletion, with its API keys and settings, as Stopped."""
    actor = request.auth
    place = projects.named(actor, project) if project else None
    found = selectors.deleted_named(actor, endpoint, request.now, place)
    name = body.endpoint_name if body else ""
    restored = services.restore_endpoint(actor=actor, endpoint=found, name=name, now=request.now)
    return masked(selectors.view(restored), request.now)


# ----- translating in -------------------------------------------------------------------------------------


def _named(actor: Actor, endpoint: str, project: str | None) -> Endpoint:
    return selectors.named(actor, endpoint, projects.named(actor, project) if project else None)


def _listed(request: ApiRequest, place: Project | None, deleted: bool) -> QuerySet[Endpoint]:
    actor = request.auth
    if deleted:
        return selectors.recently_deleted(actor, request.now, place)
    return selectors.in_project(actor, place) if place else selectors.in_tenant(actor)


def _filtered(
    actor: Actor, rows: QuerySet[Endpoint], name: str | None, arch: str | None, model: str | None
) -> QuerySet[Endpoint]:
    if name is not None:
        rows = rows.filter(name__iexact=name)
    if arch is not None:
        rows = rows.filter(generation__code__iexact=arch)
    if model is not None:
        rows = rows.filter(model_version__model=hub.model_named(actor, model))
    return rows


def _spec(actor: Actor, wish: Wish, name: str = "", description: str = "") -> Spec:
    return Spec(
        name=name,
        description=description,
        model=wish.model_checkpoint,
        model_version=wish.model_version,
        arch=wish.rdu_arch or "",
        instances=wish.instances,
        parameters=_parameters(wish.hyperparams or {}),
    )


def _edit(body: Changes) -> Edit:
    return Edit(
        description=body.description,
        model=body.model_checkpoint,
        model_version=body.model_version,
        arch=body.rdu_arch,
        instances=body.instances,
        parameters=None if body.hyperparams is None else _parameters(body.hyperparams),
        spec_version=body.spec_version,
    )


def _parameters(given: Hyperparams) -> dict[str, Any]:
    try:
        parameters = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        raise invalid_field("hyperparams", "hyperparams is a string that is not JSON.") from None
    if not isinstance(parameters, dict):
        raise invalid_field("hyperparams", "hyperparams must be a JSON object.")
    return parameters


def _status_word(spelling: str) -> str:
    """The status that a spelling means: `AwaitingRDU` and `Awaiting RDU` are one."""
    by_spelling = {word.replace(" ", "").lower(): word for word, _ in STATUSES}
    word = by_spelling.get(spelling.replace(" ", "").lower())
    if word is None:
        names = ", ".join(status_in_json(each) for each in by_spelling.values())
        raise invalid_field("status", f"There is no status {spelling!r}; there are: {names}.")
    return word


# ----- translating out ------------------------------------------------------------------------------------


def _with_keys(request: ApiRequest, endpoint: Endpoint) -> dict[str, Any]:
    return _endpoint(selectors.view(endpoint), keys_json(request, endpoint))


def masked(view: EndpointView, now: datetime) -> dict[str, Any]:
    """The endpoint with its keys masked: those that a list brought along, or all."""
    found = getattr(view.endpoint, "listed_keys", None)
    keys = list(view.endpoint.api_keys.all()) if found is None else found
    keys.sort(key=lambda key: (key.is_first, -key.created_at.timestamp()))
    return _endpoint(view, [key_json(key, now) for key in keys])


def _endpoint(view: EndpointView, keys: list[dict[str, Any]]) -> dict[str, Any]:
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
        "api_key": keys[-1]["api_key"] if keys else "",
        "api_keys": keys,
        "hyperparams": endpoint.parameters,
        "owner": endpoint.owner.username,
        "spec_version": endpoint.spec_version,
        "time_created": moment(endpoint.created_at),
        "time_updated": moment(endpoint.updated_at),
        "time_deleted": moment(endpoint.deleted_at) if endpoint.deleted_at else None,
    }


def _waiting(instance: InstanceView) -> dict[str, Any]:
    return {
        "instance": instance.ordinal,
        "reason": instance.code,
        "sentence": instance.reason,
        "position": instance.position,
    }


def _preview(actor: Actor, plan: Plan, tenant: UUID) -> machines.Preview:
    return machines.preview(
        actor,
        generation=plan.option.generation_id,
        min_width=plan.min_width,
        rdus=plan.rdus,
        instances=plan.instances,
        tenant=tenant,
    )


def _warnings_of_new(actor: Actor, endpoint: Endpoint) -> list[str]:
    """Of one that was created just now. Where there is plenty of room, as nearly always, nothing is planned."""
    wanted = endpoint.instances if endpoint.desired == Endpoint.Desired.RUNNING else 0
    arch, width, rdus = endpoint.generation_id, endpoint.min_width, endpoint.rdus
    own, tenant = endpoint.pk, endpoint.project.tenant_id
    if surely_fits(tenant=tenant, generation=arch, min_width=width, rdus=rdus, instances=wanted, without=own):
        return []
    return _warnings(
        machines.preview(
            actor,
            generation=arch,
            min_width=width,
            rdus=rdus,
            instances=wanted,
            endpoint=own,
            tenant=tenant,
        )
    )


def _plan(version: ModelVersion, arch: str, preview: machines.Preview) -> dict[str, Any]:
    landings = [(number, node.name) for node in preview.nodes for number in node.lands]
    return {
        "model_name": version.model.name,
        "model_version": str(version.number),
        "arch": arch,
        "rdus_per_instance": preview.rdus,
        "rdus_required": preview.rdus_in_all,
        "rdus_total": preview.capacity.total,
        "rdus_available": preview.capacity.free,
        "widest_free": preview.capacity.widest,
        "placed": [{"instance": number, "node": node} for number, node in sorted(landings)],
        "waiting": [{"instance": number, "sentence": sentence} for number, sentence in preview.waits],
        "warnings": _warnings(preview),
    }


def _warnings(preview: machines.Preview) -> list[str]:
    if not preview.waits:
        return []
    sentence = preview.waits[0][1]
    return [INSUFFICIENT.format(waiting=len(preview.waits), all=preview.instances, reason=sentence)]
