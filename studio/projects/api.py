"""`/api/projects`"""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from endpoints import services as wishes
from studio.json_api import ApiRequest, Body, moment
from studio.json_docs import changes, creates, looks
from studio.paging import PAGE, page
from studio.projects import selectors, services
from studio.projects.models import Project
from studio.repeating import REPEATABLE, may_repeat
from studio.tenants.selectors import active_tenant

router = Router(tags=["projects"])


class NewProject(Body):
    name: str = Field(examples=["translate"])
    description: str = ""


class ProjectChanges(Body):
    """What is to change; what is absent stays."""

    name: str | None = None
    description: str | None = None
    time_updated: str = Field("", description="Refused with 409 unless it is still the present one.")


class ProjectOut(Schema):
    id: str
    name: str
    description: str
    status: str
    tenant_id: str
    tenant_name: str
    metadata: dict[str, str]
    time_created: str
    time_updated: str


class DeletedEndpoint(Schema):
    id: str
    name: str


class DeletedProject(ProjectOut):
    endpoints: list[DeletedEndpoint]


class Projects(Schema):
    projects: list[ProjectOut]
    next: str | None


@router.get("/projects", response=looks(Projects), summary="List projects")
def list_projects(
    request: ApiRequest, name: str | None = None, cursor: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """Projects of the active tenant that you can see, and those of others that are open to all tenants."""
    rows = selectors.visible(request.auth)
    if name is not None:
        rows = rows.filter(name__iexact=name)
    found, following = page(rows, cursor, limit)
    return {"projects": [_project(row) for row in found], "next": following}


@router.post("/projects", response=creates(ProjectOut), summary="Create a project", openapi_extra=REPEATABLE)
@may_repeat
def create_project(request: ApiRequest, body: NewProject) -> dict[str, Any]:
    project = services.create_project(
        actor=request.auth,
        tenant=active_tenant(request.auth),
        name=body.name,
        description=body.description,
        now=request.now,
    )
    return _project(project)


@router.get("/projects/{project}", response=looks(ProjectOut), summary="A project")
def project_info(request: ApiRequest, project: str) -> dict[str, Any]:
    return _project(selectors.named(request.auth, project))


@router.patch("/projects/{project}", response=changes(ProjectOut), summary="Change a project")
def update_project(request: ApiRequest, project: str, body: ProjectChanges) -> dict[str, Any]:
    changed = services.edit_project(
        actor=request.auth,
        project=selectors.named(request.auth, project),
        name=body.name,
        description=body.description,
        seen=body.time_updated,
        now=request.now,
    )
    return _project(changed)


@router.delete("/projects/{project}", response=changes(DeletedProject), summary="Delete a project")
def delete_project(request: ApiRequest, project: str) -> dict[str, Any]:
    """With all its endpoints, which the answer names. Neither can be restored."""
    found = selectors.named(request.auth, project)
    gone = wishes.delete_project(actor=request.auth, project=found, now=request.now)
    return _project(found) | {
        "status": "Deleted",
        "endpoints": [{"id": str(each.pk), "name": each.name} for each in gone],
    }


def _project(project: Project) -> dict[str, Any]:
    return {
        "id": str(project.pk),
        "name": project.name,
        "description": project.description,
        "status": "Available",
        "tenant_id": str(project.tenant_id),
        "tenant_name": project.tenant.name,
        "metadata": {"owner": project.owner.username},
        "time_created": moment(project.created_at),
        "time_updated": moment(project.updated_at),
    }
