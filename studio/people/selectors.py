"""Reading tenants and people as their administrators do."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet

from endpoints.models import Endpoint
from studio.errors import NotFound
from studio.hub.models import Model
from studio.people.rules import TENANT_ADMIN, Person, is_changeable
from studio.projects.models import Project
from studio.sharing.selectors import TABLES
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import Actor, Facts, may, require
from studio.tenants.selectors import administers


@dataclass(frozen=True, slots=True)
class Counts:
    """What stands in a tenant."""

    members: int = 0
    projects: int = 0
    endpoints: int = 0  # that are not deleted


def administered(actor: Actor) -> QuerySet[Tenant]:
    """The tenants whose people the actor manages, archived ones too, by name."""
    tenants = Tenant.objects.order_by("name", "id")
    if actor.is_org_admin:
        return tenants
    return tenants.filter(pk__in=[pk for pk, role in actor.tenants.items() if role == TENANT_ADMIN])


def require_admin(actor: Actor) -> None:
    """Raises `Forbidden` with the sentence for whom *Users* and *Tenant management* are not."""
    if not administers(actor):
        require(actor, "user.manage", Facts(tenant=actor.tenant), thing="page")


def tenant_named(actor: Actor, name_or_id: str) -> Tenant:
    """One that the actor administers or belongs to, archived ones too. Raises `NotFound`."""
    wanted = Q(name__iexact=name_or_id)
    with suppress(ValueError):
        wanted |= Q(pk=UUID(name_or_id))
    found = Tenant.objects.filter(wanted).first()
    if found is None or not may(actor, "tenant.see", Facts(tenant=found.pk)):
        raise NotFound(f"There is no tenant {name_or_id!r}.", {"tenant": "unknown tenant"})
    return found


def counts(tenants: Iterable[Tenant]) -> dict[UUID, Counts]:
    """Three queries, however many tenants there are."""
    ids = [tenant.pk for tenant in tenants]
    people = Membership.objects.filter(tenant__in=ids, user__is_active=True).order_by()
    members = dict(people.values_list("tenant").annotate(Count("pk")))
    present = Project.objects.filter(tenant__in=ids, deleted_at=None).order_by()
    projects = dict(present.values_list("tenant").annotate(Count("pk")))
    kept = Endpoint.objects.filter(project__tenant__in=ids).exclude(desired=Endpoint.Desired.DELETED)
    endpoints = dict(kept.order_by().values_list("project__tenant").annotate(Count("pk")))
    return {pk: Counts(members.get(pk, 0), projects.get(pk, 0), endpoints.get(pk, 0)) for pk in ids}


# ----- people ---------------------------------------------------------------------------------------------


def users(actor: Actor) -> QuerySet[User]:
    """Those whom the actor manages, by name, each with the memberships that the actor may know of (`known`)."""
    require_admin(actor)
    tenants = administered(actor)
    people = User.objects.order_by("username", "id")
    if not actor.is_org_admin:
        people = people.filter(pk__in=Membership.objects.filter(tenant__in=tenants).values("user"))
    known = Membership.objects.filter(tenant__in=tenants).select_related("tenant").order_by("tenant__name")
    return people.prefetch_related(Prefetch("memberships", known, to_attr="known"))


def user_named(actor: Actor, name_or_id: str) -> User:
    """Raises `NotFound` for somebody who is not there, or not the actor's to manage."""
    wanted = Q(username__iexact=name_or_id)
    with suppress(ValueError):
        wanted |= Q(pk=UUID(name_or_id))
    found = users(actor).filter(wanted).first()
    if found is None:
        raise NotFound(f"There is no user {name_or_id!r}.", {"user": "unknown user"})
    return found


def searched(people: QuerySet[User], words: str, tenant: Tenant | None) -> QuerySet[User]:
    if tenant is not None:
        people = people.filter(memberships__tenant=tenant)
    for word in words.split():
        people = people.filter(username__icontains=word)
    return people


def person(user: User) -> Person:
    """Somebody with all their roles."""
    roles = dict(Membership.objects.filter(user=user).values_list("tenant_id", "role"))
    return Person(user.username, roles, user.is_org_admin, user.is_staff)


def may_change_roles(actor: Actor, user: User) -> bool:
    """As the menu knows it: whether there is a role of theirs that the actor may change."""
    if actor.is_org_admin:
        return True
    known = {each.tenant_id: each.role for each in getattr(user, "known", [])}
    theirs = any(is_changeable(actor, tenant, known.get(tenant, "")) for tenant in actor.tenants)
    return theirs and not (user.is_org_admin or user.is_staff)


def may_deactivate(actor: Actor, user: User) -> bool:
    """As the menu knows it; the service looks again, at tenants that a TenantAdmin may not know of."""
    if actor.id == user.pk:
        return False
    roles = {each.role for each in getattr(user, "known", [])}
    return actor.is_org_admin or not (user.is_org_admin or user.is_staff or TENANT_ADMIN in roles)


def may_reset_password(actor: Actor, user: User) -> bool:
    """As the menu knows it; the service looks again, as above."""
    is_theirs = actor.is_operator or not (actor.is_org_admin and user.is_staff)
    return user.is_active and is_theirs and may_deactivate(actor, user)


def reaches_beyond(user: User, tenants: Iterable[UUID]) -> bool:
    """Whether they own something outside of these tenants, or were given something there."""
    here = list(tenants)
    for kind, at in ((Project, "tenant"), (Endpoint, "project__tenant"), (Model, "tenant")):
        own = kind._default_manager.filter(owner=user).exclude(**{f"{at}__in": here})
        given = TABLES[kind][0].objects.filter(user=user).exclude(**{f"content_object__{at}__in": here})
        if own.exists() or given.exists():
            return True
    return False


def colleagues(tenant: UUID) -> QuerySet[User]:
    """Who may own something in the tenant: its active members, by name."""
    return User.objects.filter(is_active=True, memberships__tenant=tenant).order_by("username", "id")
