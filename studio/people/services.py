"""What administrators do to tenants and to people. Making both stands in `studio.tenants.services`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.views.decorators.debug import sensitive_variables

from studio.accounts import services as accounts
from studio.audit.services import record
from studio.errors import Conflict
from studio.people import selectors
from studio.people.rules import (
    ROLE_NAMES,
    TENANT_ADMIN,
    Person,
    check_deactivation,
    check_password_reset,
    check_roles,
)
from studio.seal import Secret
from studio.tenants.models import Membership, PlatformKey, Tenant, User
from studio.tenants.rules import Actor, Facts, clean_name, leading_role, require
from studio.tenants.selectors import check_open
from studio.tenants.services import join_tenant, leave_tenant, random_password
from studio.unit import unit_of_work

Roles = Mapping[UUID, str]  # tenant id → role, "" for none


# ----- tenants --------------------------------------------------------------------------------------------


@unit_of_work
def rename_tenant(*, actor: Actor, tenant: Tenant, name: str, now: datetime) -> Tenant:
    """Raises `Invalid` and `Conflict` at `name`."""
    tenant = _to_manage(actor, tenant)
    name = clean_name("name", name)
    if name == tenant.name:
        return tenant
    if Tenant.objects.filter(name__iexact=name).exclude(pk=tenant.pk).exists():
        raise Conflict(f"There is a tenant {name!r} already.", {"name": "This name is taken."})
    old, tenant.name = tenant.name, name
    tenant.save(update_fields=["name"])
    _record_tenant(actor, "rename", tenant, {"name": [old, name]})
    return tenant


@unit_of_work
def archive_tenant(*, actor: Actor, tenant: Tenant, now: datetime) -> Tenant:
    """Nobody can switch to it and nothing new is created in it; what runs goes on. Twice is fine.

    Raises `Conflict` for the last one that is open: people would have nowhere to be.
    """
    tenant = _to_manage(actor, tenant)
    if tenant.archived_at:
        return tenant
    open_ones = Tenant.objects.select_for_update().filter(archived_at=None).order_by("pk")
    if not [each for each in open_ones if each.pk != tenant.pk]:
        raise Conflict(f"{tenant.name} is the only open tenant; create another one first.")
    tenant.archived_at = now
    tenant.save(update_fields=["archived_at"])
    _record_tenant(actor, "archive", tenant, {"archived": [False, True]})
    return tenant


@unit_of_work
def unarchive_tenant(*, actor: Actor, tenant: Tenant, now: datetime) -> Tenant:
    """Open it again, with all that stands in it."""
    tenant = _to_manage(actor, tenant)
    if tenant.archived_at is None:
        return tenant
    tenant.archived_at = None
    tenant.save(update_fields=["archived_at"])
    _record_tenant(actor, "unarchive", tenant, {"archived": [True, False]})
    return tenant


def _to_manage(actor: Actor, tenant: Tenant) -> Tenant:
    require(actor, "tenant.manage", Facts(tenant=tenant.pk), thing="tenant")
    return Tenant.objects.select_for_update().get(pk=tenant.pk)


def _record_tenant(actor: Actor, verb: str, tenant: Tenant, changes: dict[str, object]) -> None:
    role = leading_role(actor, Facts(tenant.pk))
    record(actor, verb, "tenant", tenant.pk, tenant.name, tenant=tenant.pk, role=role, changes=changes)


# ----- people ---------------------------------------------------------------------------------------------


@unit_of_work
def change_roles(
    *, actor: Actor, user: User, roles: Roles, org_admin: bool | None = None, now: datetime
) -> User:
    """Add somebody to tenants, remove them, change what they are there; what is not named stays.

    It holds from the next request on. Raises `Forbidden` for what is an OrgAdmin's to do, `Conflict` for an
    archived tenant and for the last OrgAdmin.
    """
    selectors.require_admin(actor)
    user = User.objects.select_for_update().get(pk=user.pk)
    before = selectors.person(user)
    wanted = {**before.roles, **roles}
    after = Person(
        name=user.username,
        roles={tenant: role for tenant, role in wanted.items() if role},
        is_org_admin=user.is_org_admin if org_admin is None else org_admin,
        is_operator=user.is_staff,
    )
    check_roles(actor, before, after)
    if before.is_org_admin and not after.is_org_admin:
        _check_one_stays(user)
    changed = [pk for pk in sorted(wanted) if before.roles.get(pk) != after.roles.get(pk)]
    for tenant in Tenant.objects.filter(pk__in=changed).order_by("name"):
        _change_role(actor, user, tenant, before.roles.get(tenant.pk, ""), after.roles.get(tenant.pk, ""))
    if before.is_org_admin != after.is_org_admin:
        user.is_org_admin = after.is_org_admin
        user.save(update_fields=["is_org_admin"])
        changes: dict[str, object] = {"OrgAdmin": [before.is_org_admin, after.is_org_admin]}
        _record_user(actor, "roles", user, None, changes)
    user.refresh_from_db()
    return user


def _change_role(actor: Actor, user: User, tenant: Tenant, old: str, new: str) -> None:
    if new and not old:
        check_open(tenant)
    if new:
        join_tenant(user=user, tenant=tenant, role=Membership.Role(new))
    else:
        leave_tenant(user=user, tenant=tenant)
    roles = [ROLE_NAMES.get(old, "none"), ROLE_NAMES.get(new, "none")]
    _record_user(actor, "roles", user, tenant.pk, {"tenant": tenant.name, "role": roles})


@unit_of_work
def deactivate_user(*, actor: Actor, user: User, now: datetime) -> User:
    """They are signed out everywhere and their platform API key is gone, at once; what they own goes on running.

    Raises `Forbidden` for whom the actor does not manage, `Conflict` for oneself and the last OrgAdmin.
    """
    user = _to_manage_user(actor, user)
    if not user.is_active:
        return user
    if user.is_org_admin:
        _check_one_stays(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    accounts.end_all(user=user)
    PlatformKey.objects.filter(user=user).delete()
    _record_activity(actor, "deactivate", user)
    return user


@unit_of_work
def reactivate_user(*, actor: Actor, user: User, now: datetime) -> User:
    """They can sign in again with their password, and have to generate a new platform API key."""
    user = _to_manage_user(actor, user)
    if user.is_active:
        return user
    user.is_active = True
    user.save(update_fields=["is_active"])
    _record_activity(actor, "reactivate", user)
    return user


@sensitive_variables("value")
def reset_password(*, actor: Actor, user: User, now: datetime) -> Secret:
    """A new password for somebody who lost theirs; shown this once, and they have to set their own with it.

    Every session of theirs ends. Raises `Forbidden` for whom the actor could not act as, `Conflict` for oneself and
    for somebody who is deactivated.
    """
    _check_password_reset(actor, user)
    value = random_password()
    _put_password(actor, user, make_password(value))
    return Secret(value)


def _check_password_reset(actor: Actor, user: User) -> None:
    selectors.require_admin(actor)
    administered = [tenant for tenant, role in actor.tenants.items() if role == TENANT_ADMIN]
    beyond = not actor.is_org_admin and selectors.reaches_beyond(user, administered)
    check_password_reset(actor, user.pk, selectors.person(user), reaches_beyond=beyond)
    if not user.is_active:
        raise Conflict(f"{user.username} is deactivated; reactivate them first.")


@unit_of_work
def _put_password(actor: Actor, user: User, hashed: str) -> None:
    """The hash was computed outside, as it takes its time."""
    user = User.objects.select_for_update().get(pk=user.pk)
    _check_password_reset(actor, user)
    user.password, user.password_is_initial = hashed, True
    user.save(update_fields=["password", "password_is_initial"])
    accounts.end_all(user=user)
    _record_user(actor, "new password", user, user.default_tenant_id, {})


def _to_manage_user(actor: Actor, user: User) -> User:
    selectors.require_admin(actor)
    user = User.objects.select_for_update().get(pk=user.pk)
    check_deactivation(actor, user.pk, selectors.person(user))
    return user


def _check_one_stays(user: User) -> None:
    """Locks all of them, so that two who unmake each other cannot both succeed."""
    rows = User.objects.select_for_update().filter(is_org_admin=True, is_active=True).order_by("pk")
    if not [each for each in rows if each.pk != user.pk]:
        raise Conflict(f"{user.username} is the last OrgAdmin; make another one first.")


def _record_activity(actor: Actor, verb: str, user: User) -> None:
    changes: dict[str, object] = {"active": [not user.is_active, user.is_active]}
    _record_user(actor, verb, user, user.default_tenant_id, changes)


def _record_user(
    actor: Actor, verb: str, user: User, tenant: UUID | None, changes: dict[str, object]
) -> None:
    role = leading_role(actor, Facts(tenant))
    about: dict[str, Any] = {"tenant": tenant, "role": role, "changes": changes, "owner": user.pk}
    record(actor, verb, "user", user.pk, user.username, **about)
