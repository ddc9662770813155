"""Sharing things, and whether they may be shared with every tenant.

What is said is the whole state as it shall be, so that to say it twice changes nothing; `seen` names the state it
was said of.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from studio.audit.services import record
from studio.errors import Conflict, invalid_field
from studio.hub import selectors as hub
from studio.hub.models import Model
from studio.projects import selectors as projects
from studio.projects.models import GENERAL_ACCESS_VALUES, Project
from studio.sharing import grantees, rules, selectors
from studio.sharing.rules import USER, Grant, Shares, Wish
from studio.sharing.selectors import TABLES, Shareable
from studio.tenants.models import Organization, Tenant
from studio.tenants.rules import ALL_TENANTS, Actor, Facts, leading_role, require
from studio.tenants.services import ensure_organization
from studio.unit import unit_of_work

ORGANIZATION = Facts(tenant=None)


class Changed(Conflict):
    """Somebody shared the thing otherwise since the state that a change names."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the rules know a thing by."""

    word: str
    action: str
    facts: Callable[[Actor, Any], Facts]


KINDS: dict[type[Shareable], Kind] = {
    Project: Kind("project", "project.share", projects.facts),
    Endpoint: Kind("endpoint", "endpoint.delete", endpoints.facts),
    Model: Kind("model", "model.manage", hub.facts),
}


def shares(*, actor: Actor, thing: Shareable) -> Shares:
    """How the thing is shared, for whoever may share it."""
    _require(actor, thing)
    return selectors.shares_of(thing)


def check_wishes(*, actor: Actor, thing: Shareable, wishes: Sequence[Wish]) -> tuple[Grant, ...]:
    """The grants that are meant; nothing is changed. Raises `Invalid` at `shared_with`."""
    return _meant(actor, thing, wishes, shares(actor=actor, thing=thing))


@unit_of_work
def share(
    *,
    actor: Actor,
    thing: Shareable,
    general_access: str | None = None,
    shared_with: Sequence[Wish] | None = None,
    seen: str = "",
) -> Shares:
    """Share the thing like this and not otherwise; what is None stays. `seen`: the version it must still have.

    Raises `Invalid` at `general_access` or `shared_with`, `Changed` when somebody was first.
    """
    kind = _require(actor, thing)
    thing = _locked(thing)
    before = selectors.shares_of(thing)
    if seen and seen != before.version:
        raise Changed(f"Somebody shared this {kind.word} otherwise meanwhile; look at it again.")
    access = before.general_access if general_access is None else _access(general_access, before)
    grants = before.grants if shared_with is None else _meant(actor, thing, shared_with, before)
    after = Shares(access, grants)
    changes = rules.changes(before, after)
    if not changes:
        return before
    type(thing)._default_manager.filter(pk=thing.pk).update(general_access=access)
    _put_down(thing, before.grants, grants)
    _record(actor, "share", thing, kind, changes, thing.owner_id)
    for given in rules.roles_given(before, after):
        verb = "give role" if given.roles[1] else "take role"
        _record(actor, verb, thing, kind, {given.whom: given.roles}, given.id)
    return selectors.shares_of(type(thing)._default_manager.get(pk=thing.pk))


@unit_of_work
def allow_all_tenants(*, actor: Actor, allowed: bool, now: datetime) -> int:
    """Whether things may be opened to every tenant. Where it is taken back, what is open to all is open to its own.

    Returns how many things that were, without deleted ones, which are closed too.
    """
    require(actor, "sharing.manage", ORGANIZATION, thing="organization")
    organization = Organization.objects.select_for_update().get(pk=ensure_organization(name="Studio").pk)
    closed = 0 if allowed else sum(_close(actor, kind) for kind in TABLES)
    if organization.all_tenants != allowed:
        Organization.objects.filter(pk=organization.pk).update(all_tenants=allowed)
        record(
            actor, "edit", "organization", organization.pk, organization.name, tenant=None,
            role=leading_role(actor, ORGANIZATION),
            changes={"all_tenants": [organization.all_tenants, allowed], "closed": closed},
        )  # fmt: skip
    return closed


def _close(actor: Actor, kind: type[Shareable]) -> int:
    rows: Any = selectors.open_to_all(kind)
    rows = rows.select_related("project") if kind is Endpoint else rows
    found: list[Any] = list(rows.order_by("pk").select_for_update(of=("self",)))
    for thing in found:
        changes: dict[str, object] = {"general_access": [ALL_TENANTS, "tenant_viewer"]}
        _record(actor, "share", thing, KINDS[kind], changes, thing.owner_id)
    kind._default_manager.filter(pk__in=[thing.pk for thing in found]).update(general_access="tenant_viewer")
    return sum(not getattr(thing, "deleted_at", None) for thing in found)


def _require(actor: Actor, thing: Shareable) -> Kind:
    kind = KINDS[type(thing)]
    require(actor, kind.action, kind.facts(actor, thing), thing=kind.word)
    if isinstance(thing, Model) and thing.is_provided:
        raise Conflict(f"{thing.name} is the provider's; everybody can use it already.")
    return kind


def _locked(thing: Shareable) -> Any:
    """The row as it is now, locked. Raises `Conflict` for one that is deleted."""
    rows = type(thing)._default_manager.select_for_update(of=("self",), no_key=True)
    found: Any = rows.get(pk=thing.pk)
    if getattr(found, "deleted_at", None):
        raise Conflict(f"{found.name} is deleted.")
    return found


def _access(wanted: str, before: Shares) -> str:
    if wanted not in GENERAL_ACCESS_VALUES:
        names = ", ".join(GENERAL_ACCESS_VALUES)
        raise invalid_field("general_access", f"There is no general access {wanted!r}; there are: {names}.")
    if wanted == ALL_TENANTS != before.general_access and not selectors.all_tenants_allowed():
        raise invalid_field(
            "general_access", "Things can be opened to all tenants only where an OrgAdmin has allowed it."
        )
    return wanted


def _meant(actor: Actor, thing: Shareable, wishes: Iterable[Wish], before: Shares) -> tuple[Grant, ...]:
    meant = rules.check_once(grantees.found(actor, wish, before.grants) for wish in wishes)
    for grant in meant:
        if (grant.kind, grant.id) == (USER, thing.owner_id):
            raise invalid_field("shared_with", f"{grant.name} owns it and needs no role.")
    return meant


def _put_down(thing: Shareable, before: Iterable[Grant], after: Iterable[Grant]) -> None:
    """The rows that differ: one of somebody else's is not touched."""
    tables = TABLES[type(thing)]
    for grant in {*before} - {*after}:
        table, who = _rows_of(grant, tables)
        table.objects.filter(content_object=thing, **who).delete()
    roles = _permissions(type(thing))
    for grant in {*after} - {*before}:
        table, who = _rows_of(grant, tables)
        table.objects.create(content_object=thing, permission=roles[grant.role], **who)


def _rows_of(grant: Grant, tables: tuple[Any, Any]) -> tuple[Any, dict[str, object]]:
    if grant.kind == USER:
        return tables[0], {"user_id": grant.id}
    return tables[1], {"group": _group_of(grant.id)}


def _group_of(tenant: UUID) -> Group:
    """The tenant as guardian can name it, made when it is first shared with; two that make it at once make one."""
    group, _ = Group.objects.get_or_create(name=f"tenant {tenant}")
    Tenant.objects.filter(pk=tenant, group=None).update(group=group)
    return group


def _permissions(kind: type[Shareable]) -> dict[str, Permission]:
    own = ContentType.objects.get_for_model(kind)
    return {
        row.codename: row for row in Permission.objects.filter(content_type=own, codename__in=rules.ROLES)
    }


def _record(
    actor: Actor, verb: str, thing: Any, kind: Kind, changes: dict[str, object], whom: UUID | None
) -> None:
    facts = kind.facts(actor, thing)
    role = leading_role(actor, facts)
    about: dict[str, Any] = {"tenant": facts.tenant, "role": role, "changes": changes, "owner": whom}
    record(actor, verb, kind.word, thing.pk, thing.name, **about)
