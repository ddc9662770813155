"""Reading tenants and people, for whoever may see them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Q, QuerySet, Value, When

from studio.errors import Conflict, NotFound
from studio.statements import statement
from studio.tenants.models import Membership, Organization, PlatformKey, Tenant, User
from studio.tenants.rules import Actor

Standing = tuple[UUID, str, datetime | None]  # a tenant, the role in it, and since when it is archived


def actor_of(user: User, wanted: str = "", *, address: str = "", request_id: str = "") -> Actor:
    """The actor behind a signed-in user, with the active tenant: the wanted one (id or name) if it is theirs.

    Falls back to the user's default tenant, then to any they are in.
    """
    return actor_with(user, _standing(user.pk), wanted, address=address, request_id=request_id)


@statement()
def _standing(user: UUID) -> QuerySet[Membership, Standing]:
    return Membership.objects.filter(user=user).values_list("tenant_id", "role", "tenant__archived_at")


def actor_with(
    user: User, standing: Sequence[Standing], wanted: str, *, address: str, request_id: str
) -> Actor:
    """The same, of somebody whose standing is read already."""
    actor = Actor(
        id=user.pk,
        name=user.username,
        is_org_admin=user.is_org_admin,
        is_operator=user.is_staff,
        tenants={tenant: role for tenant, role, _ in standing},
        address=address,
        request_id=request_id,
    )
    active = _find(visible(actor), wanted) if wanted else None
    if active is not None:
        return replace(actor, tenant=active.pk)
    present = {tenant for tenant, _, archived_at in standing if archived_at is None}
    if user.default_tenant_id in present:  # as of nearly everybody, and known already
        return replace(actor, tenant=user.default_tenant_id)
    return replace(actor, tenant=_fallback(user, actor))


def as_of_now(actor: Actor) -> Actor | None:
    """The same person with what they are by now, in one query; None for whoever was deactivated meanwhile."""
    if actor.id is None:
        return actor
    rows = User.objects.filter(pk=actor.id, is_active=True).order_by()
    facts = ("is_org_admin", "is_staff", "memberships__tenant", "memberships__role")
    found = list(rows.values_list(*facts))
    if not found:
        return None
    roles = {tenant: role for _, _, tenant, role in found if tenant}
    return replace(actor, is_org_admin=found[0][0], is_operator=found[0][1], tenants=roles)


def visible(actor: Actor) -> QuerySet[Tenant]:
    """The tenants the actor may switch to."""
    return _present(_own(actor))


def switcher(actor: Actor) -> list[Tenant]:
    """The same by name, for the top bar of every page."""
    return _present_by_name(_own(actor))


def _own(actor: Actor) -> list[UUID] | None:
    return None if actor.is_org_admin else list(actor.tenants)


def _present(tenants: list[UUID] | None) -> QuerySet[Tenant]:
    found = Tenant.objects.filter(archived_at__isnull=True)
    return found if tenants is None else found.filter(pk__in=tenants)


@statement()
def _present_by_name(tenants: list[UUID] | None) -> QuerySet[Tenant]:
    return _present(tenants).order_by("name")


def administers(actor: Actor) -> bool:
    """Whether there is any tenant whose people the actor manages."""
    return actor.is_org_admin or "tenant_admin" in actor.tenants.values()


def tenant_named(actor: Actor, name_or_id: str) -> Tenant:
    """Raises `NotFound` for a tenant that is not there or not the actor's."""
    tenant = _find(visible(actor), name_or_id)
    if tenant is None:
        raise NotFound(f"There is no tenant {name_or_id!r} that you belong to.", {"tenant": "unknown tenant"})
    return tenant


def check_open(tenant: Tenant) -> None:
    """Raises `Conflict` for an archived one: nothing new is created in it."""
    if tenant.archived_at:
        raise Conflict(f"Tenant {tenant.name} is archived; nothing new can be created in it.")


def active_tenant(actor: Actor) -> Tenant:
    """Raises `NotFound` for somebody who is in no tenant at all."""
    tenant = Tenant.objects.filter(pk=actor.tenant).first() if actor.tenant else None
    if tenant is None:
        raise NotFound("You belong to no tenant yet; ask an OrgAdmin to add you to one.")
    return tenant


def names_like(rows: QuerySet[Any], field: str, typed: str, most: int) -> list[str]:
    """Of these rows those names that somebody may mean who has typed so much: what begins with it comes first."""
    typed = typed.strip().replace("\0", "")
    if typed:
        begins = When(**{f"{field}__istartswith": typed}, then=Value(0))
        rows = rows.filter(**{f"{field}__icontains": typed}).order_by(Case(begins, default=Value(1)), field)
    else:
        rows = rows.order_by(field)
    return list(rows.values_list(field, flat=True)[:most])


def organization_name() -> str:
    return Organization.objects.values_list("name", flat=True).first() or ""


def platform_key_of(user: UUID | None) -> PlatformKey | None:
    """One's own, without its value, which nobody knows but whoever generated it."""
    return PlatformKey.objects.filter(user=user).first()


def _find(tenants: QuerySet[Tenant], name_or_id: str) -> Tenant | None:
    if "\0" in name_or_id:  # PostgreSQL cannot even be asked for it
        return None
    try:
        matches = Q(pk=UUID(name_or_id)) | Q(name__iexact=name_or_id)
    except ValueError:
        matches = Q(name__iexact=name_or_id)
    return tenants.filter(matches).first()


def _fallback(user: User, actor: Actor) -> UUID | None:
    mine = visible(actor)
    chosen = mine.filter(pk=user.default_tenant_id).first() if user.default_tenant_id else None
    chosen = chosen or mine.filter(pk__in=list(actor.tenants)).first() or mine.first()
    return chosen.pk if chosen else None
