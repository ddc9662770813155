"""Making and renaming projects. Deleting one starts at its endpoints (`endpoints.services`)."""

from datetime import datetime

from studio.audit.services import record
from studio.errors import Conflict
from studio.projects import selectors
from studio.projects.models import Project
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor, Facts, clean_name, clean_text, leading_role, require
from studio.unit import unit_of_work


@unit_of_work
def create_project(
    *, actor: Actor, tenant: Tenant, name: str, description: str = "", now: datetime
) -> Project:
    """A project of the actor in the tenant. Raises `Invalid` and `Conflict` at `name`."""
    facts = Facts(tenant=tenant.pk)
    require(actor, "project.create", facts, thing="tenant")
    name = clean_name("name", name)
    description = clean_text("description", description, 500)
    if actor.id is None:
        raise Conflict("A project belongs to a person; the platform itself cannot own one.")
    if Project.objects.filter(tenant=tenant, name__iexact=name, deleted_at__isnull=True).exists():
        raise Conflict(
            f"There is a project {name!r} in this tenant already.", {"name": "This name is taken."}
        )
    project = Project.objects.create(
        tenant=tenant, owner_id=actor.id, name=name, description=description, created_at=now, updated_at=now
    )
    role = leading_role(actor, facts)
    record(actor, "create", "project", project.pk, name, tenant=tenant.pk, role=role)
    return project


@unit_of_work
def edit_project(*, actor: Actor, project: Project, name: str, description: str, now: datetime) -> Project:
    facts = selectors.facts(actor, project)
    require(actor, "project.edit", facts, thing="project")
    name = clean_name("name", name)
    description = clean_text("description", description, 500)
    others = Project.objects.filter(tenant=project.tenant_id, name__iexact=name, deleted_at__isnull=True)
    if others.exclude(pk=project.pk).exists():
        raise Conflict(
            f"There is a project {name!r} in this tenant already.", {"name": "This name is taken."}
        )
    changes: dict[str, object] = {
        "name": [project.name, name],
        "description": [project.description, description],
    }
    Project.objects.filter(pk=project.pk).update(name=name, description=description, updated_at=now)
    role = leading_role(actor, facts)
    record(actor, "edit", "project", project.pk, name, tenant=project.tenant_id, role=role, changes=changes)
    project.refresh_from_db()
    return project
