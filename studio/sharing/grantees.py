"""Whom the actor may know, and so share with: the people of their tenants, and these tenants; an OrgAdmin all."""

from uuid import UUID

from django.db.models import Q, QuerySet

from studio.errors import invalid_field
from studio.sharing.rules import TENANT, USER, Grant, Wish, check_role
from studio.tenants import selectors as tenants
from studio.tenants.models import Tenant, User
from studio.tenants.rules import Actor


def known_users(actor: Actor) -> QuerySet[User]:
    """Without those who are deactivated."""
    people = User.objects.filter(is_active=True).order_by("username")
    if actor.is_org_admin:
        return people
    return people.filter(pk__in=User.objects.filter(memberships__tenant__in=list(actor.tenants)).values("pk"))


def known_tenants(actor: Actor) -> QuerySet[Tenant]:
    return tenants.visible(actor).order_by("name")


def offered(actor: Actor, kind: str, typed: str, most: int) -> list[str]:
    """Names of `kind`, or of both where it is neither, that somebody may mean who has typed so much."""
    names = []
    if kind != USER:
        names += tenants.names_like(known_tenants(actor), "name", typed, most)
    if kind != TENANT:
        names += tenants.names_like(known_users(actor), "username", typed, most)
    return names


def found(actor: Actor, wish: Wish, present: tuple[Grant, ...]) -> Grant:
    """Whom a wish means. Who has been given the thing already may be named by whoever shares it.

    Raises `Invalid` at `shared_with`; whom the actor may not know is not there.
    """
    role, wanted = check_role(wish.role), wish.grantee.strip()
    for grant in present:
        if grant.kind == wish.kind and wanted.casefold() in (str(grant.id), grant.name.casefold()):
            return Grant(grant.kind, grant.id, grant.name, role)
    if wish.kind == USER:
        person = known_users(actor).filter(_is(wanted, "username")).first()
        if person is not None:
            return Grant(USER, person.pk, person.username, role)
        raise invalid_field("shared_with", f"There is no user {wanted!r} in your tenants.")
    if wish.kind == TENANT:
        tenant = known_tenants(actor).filter(_is(wanted, "name")).first()
        if tenant is not None:
            return Grant(TENANT, tenant.pk, tenant.name, role)
        raise invalid_field("shared_with", f"There is no tenant {wanted!r} that you belong to.")
    raise invalid_field("shared_with", f"A thing is shared with a user or a tenant, not with {wish.kind!r}.")


def _is(name_or_id: str, name: str) -> Q:
    try:
        return Q(pk=UUID(name_or_id)) | Q(**{f"{name}__iexact": name_or_id})
    except ValueError:
        return Q(**{f"{name}__iexact": name_or_id})
