"""What administrators may do to people, beyond the permission table: who is whose to manage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from studio.errors import Conflict, Forbidden
from studio.tenants.rules import Actor

MEMBER, TENANT_ADMIN = "member", "tenant_admin"
ROLE_NAMES: Mapping[str, str] = {MEMBER: "member", TENANT_ADMIN: "TenantAdmin"}
MAKES_ADMINS = "Only an OrgAdmin can make or unmake a TenantAdmin."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as they stand, or as they would stand. `roles`: tenant id → role in it."""

    name: str
    roles: Mapping[UUID, str] = field(default_factory=dict)
    is_org_admin: bool = False
    is_operator: bool = False

    @property
    def is_admin(self) -> bool:
        return self.is_org_admin or self.is_operator or TENANT_ADMIN in self.roles.values()


def check_roles(actor: Actor, before: Person, after: Person) -> None:
    """Raises `Forbidden` unless the actor may make `after` of `before`. An OrgAdmin may."""
    if actor.is_org_admin:
        return
    if before.is_org_admin or after.is_org_admin or before.is_operator:
        raise Forbidden("Only an OrgAdmin can give or change the roles of OrgAdmins and operators.")
    for tenant in before.roles.keys() | after.roles.keys():
        was, becomes = before.roles.get(tenant), after.roles.get(tenant)
        if was == becomes:
            continue
        if actor.tenants.get(tenant) != TENANT_ADMIN:
            raise Forbidden("You can change roles only in tenants that you administer.")
        if TENANT_ADMIN in (was, becomes):
            raise Forbidden(MAKES_ADMINS)


def is_changeable(actor: Actor, tenant: UUID, role: str) -> bool:
    """Whether the actor may give somebody who has this role in the tenant, or "" for none, another one."""
    return actor.is_org_admin or (actor.tenants.get(tenant) == TENANT_ADMIN and role != TENANT_ADMIN)


def check_deactivation(actor: Actor, user: UUID, person: Person) -> None:
    """Raises unless the actor may let the person in no more, or in again: it holds for every tenant."""
    if actor.id == user:
        raise Conflict("You cannot deactivate yourself; another administrator can.")
    if not actor.is_org_admin:
        _check_theirs_alone(actor, person)


def check_password_reset(actor: Actor, user: UUID, person: Person, *, reaches_beyond: bool) -> None:
    """Raises unless the actor may give the person a password, and so could act as them.

    So nobody wins by it what they have not got. `reaches_beyond`: the person may do something in tenants that the
    actor does not administer, by what they own or were given there.
    """
    if actor.id == user:
        raise Conflict("Change your own password in Your account.")
    if actor.is_org_admin:
        if person.is_operator and not actor.is_operator and actor.id is not None:
            raise Forbidden(f"{person.name} is an operator; only an operator who is an OrgAdmin can do this.")
        return
    _check_theirs_alone(actor, person)
    if reaches_beyond:
        raise Forbidden(
            f"{person.name} has something in tenants that you do not administer; only an OrgAdmin can do this."
        )


def _check_theirs_alone(actor: Actor, person: Person) -> None:
    """Of a TenantAdmin's people: no administrator, and in no other tenant."""
    if person.is_admin:
        raise Forbidden(f"{person.name} is an administrator; only an OrgAdmin can do this to them.")
    elsewhere = [tenant for tenant in person.roles if actor.tenants.get(tenant) != TENANT_ADMIN]
    if elsewhere:
        raise Forbidden(
            f"{person.name} also belongs to tenants that you do not administer; "
            "remove them from yours, or ask an OrgAdmin."
        )
