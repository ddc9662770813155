"""`/api/projects`"""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from studio.json_api import PAGE, ApiRequest, Body, answers, moment, page
from studio.projects import selectors, services
from studio.projects.models import Project
from studio.tenants.selectors import active_tenant

router = Router(tags=["projects"])


class NewProject(Body):
    name: str = Field(examples=["translate"])
    description: str = ""


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


class Projects(Schema):
    projects: list[ProjectOut]
    next: str | None


@router.get("/projects", response=answers(Projects), summary="List projects")
def list_projects(
    request: ApiRequest, name: str | None = None, cursor: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """Projects of the active tenant that you can see, and those of others that are open to all tenants."""
    rows = selectors.visible(request.auth)
    if name is not None:
        rows = rows.filter(name__iexact=name)
    found, following = page(rows, cursor, limit)
    return {"projects": [_project(row) for row in found], "next": following}


@router.post("/projects", response=answers(ProjectOut), summary="Create a project")
def create_project(request: ApiRequest, body: NewProject) -> dict[str, Any]:
    project = services.create_project(
        actor=request.auth,
        tenant=active_tenant(request.auth),
        name=body.name,
        description=body.description,
        now=request.now,
    )
    return _project(project)


@router.get("/projects/{project}", response=answers(ProjectOut), summary="A project")
def project_info(request: ApiRequest, project: str) -> dict[str, Any]:
    return _project(selectors.named(request.auth, project))


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
