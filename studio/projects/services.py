"""Making and renaming projects. Deleting one starts at its endpoints (`endpoints.services`)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from studio.audit.services import record
from studio.errors import Conflict
from studio.projects import selectors
from studio.projects.models import Project
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor, Facts, clean_name, clean_text, leading_role, require
from studio.tenants.selectors import check_open
from studio.unit import unit_of_work


class Changed(Conflict):
    """Somebody changed the project since the moment that an edit names."""


@unit_of_work
def create_project(
    *, actor: Actor, tenant: Tenant, name: str, description: str = "", now: datetime
) -> Project:
    """A project of the actor in the tenant. Raises `Invalid` and `Conflict` at `name`."""
    facts = Facts(tenant=tenant.pk)
    require(actor, "project.create", facts, thing="tenant")
    check_open(tenant)
    name = clean_name("name", name)
    description = clean_text("description", description, 500)
    if actor.id is None:
        raise Conflict("A project belongs to a person; the platform itself cannot own one.")
    _check_name_free(tenant.pk, name)
    project = Project.objects.create(
        tenant=tenant, owner_id=actor.id, name=name, description=description, created_at=now, updated_at=now
    )
    _record(actor, "create", project, name, {"description": description} if description else {})
    return project


@unit_of_work
def edit_project(
    *,
    actor: Actor,
    project: Project,
    name: str | None = None,
    description: str | None = None,
    seen: str = "",
    now: datetime,
) -> Project:
    """What is None stays. `seen`: refuse if the project was changed since that moment."""
    facts = selectors.facts(actor, project)
    require(actor, "project.edit", facts, thing="project")
    project = _locked(project)
    if seen and seen != project.updated_at.astimezone(UTC).isoformat(timespec="microseconds"):
        raise Changed("Somebody changed this project meanwhile; look at it again and repeat your change.")
    wanted = {
        "name": project.name if name is None else clean_name("name", name),
        "description": project.description
        if description is None
        else clean_text("description", description, 500),
    }
    changes: dict[str, object] = {
        field: [getattr(project, field), value]
        for field, value in wanted.items()
        if value != getattr(project, field)
    }
    if not changes:
        return project
    _check_name_free(project.tenant_id, wanted["name"], but=project)
    Project.objects.filter(pk=project.pk).update(**wanted, updated_at=now)
    _record(actor, "edit", project, wanted["name"], changes)
    project.refresh_from_db()
    return project


@unit_of_work
def close_project(*, actor: Actor, project: Project, endpoints: Sequence[str], now: datetime) -> None:
    """Mark it deleted; its name is free. Called by `endpoints.services` only, once its endpoints are deleted."""
    require(actor, "project.delete", selectors.facts(actor, project), thing="project")
    Project.objects.filter(pk=project.pk).update(deleted_at=now, updated_at=now)
    changes: dict[str, object] = {"deleted": [False, True], "endpoints": [list(endpoints), []]}
    _record(actor, "delete", project, project.name, changes)


def _locked(project: Project) -> Project:
    """The row as it is now, locked. Raises `Conflict` for one that is deleted."""
    rows = Project.objects.select_for_update(of=("self",), no_key=True).select_related("owner", "tenant")
    found = rows.get(pk=project.pk)
    if found.deleted_at:
        raise Conflict(f"Project {found.name} is deleted.")
    return found


def _check_name_free(tenant: UUID, name: str, but: Project | None = None) -> None:
    others = Project.objects.filter(tenant=tenant, name__iexact=name, deleted_at__isnull=True)
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise Conflict(
            f"There is a project {name!r} in this tenant already.", {"name": "This name is taken."}
        )


def _record(actor: Actor, verb: str, project: Project, name: str, changes: dict[str, object]) -> None:
    role = leading_role(actor, selectors.facts(actor, project))
    record(actor, verb, "project", project.pk, name, tenant=project.tenant_id, role=role, changes=changes)
