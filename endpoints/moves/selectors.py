"""Where something may be moved: places by the name that is typed, of which there may be thousands.

A project is named by itself in the active tenant and as "tenant / project" elsewhere: two tenants may have the same.
"""

from typing import Any
from uuid import UUID

from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Concat

from endpoints.models import Endpoint
from studio.errors import invalid_field
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants import selectors as tenants
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor


def homes_of_endpoint(actor: Actor, endpoint: Endpoint) -> QuerySet[Project, Project]:
    """With `called`, the name to offer."""
    elsewhere = Concat("tenant__name", Value(" / "), "name")
    called = Case(When(tenant=actor.tenant, then=F("name")), default=elsewhere)
    return projects.creatable(actor).exclude(pk=endpoint.project_id).annotate(called=called)


def homes_of_project(actor: Actor, project: Project) -> QuerySet[Tenant, Tenant]:
    """With `called`, the name to offer."""
    return tenants.visible(actor).exclude(pk=project.tenant_id).annotate(called=F("name"))


def home_named(rows: QuerySet[Any], field: str, typed: str) -> Any:
    """The one that is meant: by id, as it is called, or by a name that only one of them has.

    Raises `Invalid` at the field.
    """
    found = _by_id(rows, typed) or rows.filter(called__iexact=typed).first()
    if found is not None:
        return found
    alike = list(rows.filter(name__iexact=typed).values_list("called", flat=True).order_by("called")[:3])
    if len(alike) > 1:
        raise invalid_field(field, f"More than one {field} has that name: {', '.join(alike)}. Say which one.")
    if not alike:
        raise invalid_field(field, f"There is no {field} {typed!r} that you could move it to.")
    return rows.get(called=alike[0])


def _by_id(rows: QuerySet[Any], typed: str) -> Any:
    try:
        return rows.filter(pk=UUID(typed)).first()
    except ValueError:
        return None
