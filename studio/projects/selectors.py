"""Reading projects: only what the actor may see."""

from uuid import UUID

from django.db.models import Case, Q, QuerySet, When

from studio.errors import NotFound
from studio.projects.models import Project
from studio.sharing.selectors import ASKED_BY, facts_of, shared_with
from studio.statements import WORD, statement
from studio.tenants.rules import ALL_TENANTS, Actor, Facts, Role


def facts(actor: Actor, project: Project) -> Facts:
    owners = frozenset({project.owner_id})
    return facts_of(actor, project.tenant_id, owners, (Project, project.pk, project.general_access))


def open_to(actor: Actor, prefix: str = "") -> Q:
    """The condition that a project (at `prefix`, e.g. "project__") may be seen by the actor."""
    if actor.is_org_admin:
        return Q()
    administered = [tenant for tenant, role in actor.tenants.items() if role == "tenant_admin"]
    members = Q(**{f"{prefix}tenant__in": list(actor.tenants)})
    shared = members & Q(**{f"{prefix}general_access__in": ["tenant_viewer", "tenant_editor"]})
    return (
        Q(**{f"{prefix}owner": actor.id})
        | Q(**{f"{prefix}tenant__in": administered})
        | Q(**{f"{prefix}general_access": ALL_TENANTS})
        | shared
        | shared_with(actor, Project, prefix)
    )


def visible(actor: Actor) -> QuerySet[Project]:
    """Projects of the active tenant, and those of others that are open to all or shared with the actor, by name."""
    here = Q(tenant=actor.tenant) | Q(general_access=ALL_TENANTS) | shared_with(actor, Project)
    return (
        Project.objects.filter(here, open_to(actor), deleted_at__isnull=True)
        .select_related("owner", "tenant")
        .order_by("name", "id")
    )


@statement(actor=ASKED_BY, most=WORD)
def listed(actor: Actor, most: int | None) -> QuerySet[Project]:
    return visible(actor)[:most]


@statement(actor=ASKED_BY)
def seen(actor: Actor, pks: list[UUID]) -> QuerySet[Project, tuple[UUID, str]]:
    """Those of these that are among the visible ones, with their names."""
    return visible(actor).filter(pk__in=pks).order_by().values_list("pk", "name")


def creatable(actor: Actor) -> QuerySet[Project]:
    """Those of `visible` in which the actor may create: `endpoint.create` of the permission table, as a queryset."""
    if actor.is_org_admin:
        return visible(actor)
    administered = [tenant for tenant, role in actor.tenants.items() if role == "tenant_admin"]
    edited = Q(tenant__in=list(actor.tenants), general_access="tenant_editor")
    edited |= shared_with(actor, Project, role=Role.EDITOR)
    return visible(actor).filter(Q(owner=actor.id) | Q(tenant__in=administered) | edited)


def named(actor: Actor, name_or_id: str) -> Project:
    """By id in any tenant the actor may see into, by name in the active one or shared with them. Raises `NotFound`."""
    found: Project | None
    try:
        found = next(iter(_with_id(actor, UUID(name_or_id))), None)
    except ValueError:
        home = Q(tenant=actor.tenant) | shared_with(actor, Project)
        own_first = Case(When(tenant=actor.tenant, then=0), default=1)
        found = visible(actor).filter(home, name__iexact=name_or_id).order_by(own_first, "id").first()
    if found is None:
        raise NotFound(f"There is no project {name_or_id!r}.", {"project": "unknown project"})
    return found


@statement(actor=ASKED_BY)
def _with_id(actor: Actor, pk: UUID) -> QuerySet[Project]:
    there = Project.objects.filter(open_to(actor), pk=pk, deleted_at__isnull=True)
    return there.select_related("owner", "tenant").order_by()
