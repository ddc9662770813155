"""Moving endpoints and projects, and giving them and models to another owner."""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from endpoints import selectors
from endpoints.moves import services
from studio.hub import selectors as hub
from studio.json_api import ApiRequest, Body
from studio.json_docs import changes
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants.models import Tenant
from studio.tenants.selectors import tenant_named

router = Router(tags=["ownership"])


class NewHome(Body):
    project: str = Field(description="Name or id of the project it moves to.", examples=["translate"])


class NewTenant(Body):
    tenant: str = Field(description="Name or id of the tenant it moves to.", examples=["research"])


class NewOwner(Body):
    owner: str = Field(description="Name or id of an active user of its tenant.", examples=["mila"])


class Belongs(Schema):
    """Where it stands now, and whose it is. `project_id` and `project_name` are null but for an endpoint."""

    id: str
    name: str
    owner: str
    project_id: str | None
    project_name: str | None
    tenant_id: str
    tenant_name: str


@router.post("/endpoints/{endpoint}/move", response=changes(Belongs), summary="Move an endpoint to a project")
def move_endpoint(
    request: ApiRequest, endpoint: str, body: NewHome, project: str | None = None
) -> dict[str, Any]:
    """Nothing restarts and its API keys stay; the project's part of its URLs changes at once."""
    actor = request.auth
    home = projects.named(actor, project) if project else None
    found = selectors.named(actor, endpoint, home)
    target = projects.named(actor, body.project)
    moved = services.move_endpoint(actor=actor, endpoint=found, project=target, now=request.now)
    return _belongs(moved, moved.owner.username, moved.project.tenant, moved.project)


@router.post(
    "/endpoints/{endpoint}/transfer", response=changes(Belongs), summary="Give an endpoint to another owner"
)
def transfer_endpoint(
    request: ApiRequest, endpoint: str, body: NewOwner, project: str | None = None
) -> dict[str, Any]:
    home = projects.named(request.auth, project) if project else None
    found = selectors.named(request.auth, endpoint, home)
    after = services.transfer_endpoint(actor=request.auth, endpoint=found, owner=body.owner, now=request.now)
    return _belongs(after, after.owner.username, after.project.tenant, after.project)


@router.post("/projects/{project}/move", response=changes(Belongs), summary="Move a project to a tenant")
def move_project(request: ApiRequest, project: str, body: NewTenant) -> dict[str, Any]:
    """With its endpoints, whose URLs, API keys and owners stay. For whoever may act in both tenants."""
    found = projects.named(request.auth, project)
    tenant = tenant_named(request.auth, body.tenant)
    moved = services.move_project(actor=request.auth, project=found, tenant=tenant, now=request.now)
    return _belongs(moved, moved.owner.username, moved.tenant)


@router.post(
    "/projects/{project}/transfer", response=changes(Belongs), summary="Give a project to another owner"
)
def transfer_project(request: ApiRequest, project: str, body: NewOwner) -> dict[str, Any]:
    """The endpoints in it keep their owners."""
    found = projects.named(request.auth, project)
    after = services.transfer_project(actor=request.auth, project=found, owner=body.owner, now=request.now)
    return _belongs(after, after.owner.username, after.tenant)


@router.post("/models/{model}/transfer", response=changes(Belongs), summary="Give a model to another owner")
def transfer_model(request: ApiRequest, model: str, body: NewOwner) -> dict[str, Any]:
    found = hub.model_named(request.auth, model)
    after = services.transfer_model(actor=request.auth, model=found, owner=body.owner, now=request.now)
    assert after.owner is not None
    assert after.tenant is not None
    return _belongs(after, after.owner.username, after.tenant)


def _belongs(thing: Any, owner: str, tenant: Tenant, project: Project | None = None) -> dict[str, Any]:
    return {
        "id": str(thing.pk),
        "name": thing.name,
        "owner": owner,
        "project_id": str(project.pk) if project else None,
        "project_name": project.name if project else None,
        "tenant_id": str(tenant.pk),
        "tenant_name": tenant.name,
    }
