"""Who may do what: the one permission table, and the rules of names.

`require()` is its only reader. The caller gathers the facts about the thing; nothing here looks anything
up. Someone may have several roles towards a thing; the best verdict counts. `docs/permissions.txt` is this
table, printed and compared by a test.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from studio.errors import Forbidden, NotFound, invalid_field

ALL_TENANTS = "all_viewer"  # as *General access*


class Role(StrEnum):
    ORG_ADMIN = "OrgAdmin"
    TENANT_ADMIN = "TenantAdmin"
    OWNER = "owner"
    EDITOR = "Editor"
    VIEWER = "Viewer"
    MEMBER = "member"
    STRANGER = "stranger"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks, as every door makes them, anew for each request. `tenants`: tenant id → "member" or "tenant_admin".

    `memo`: what was read about them in this request already, by whoever reads it.
    """

    id: UUID | None
    name: str
    is_org_admin: bool = False
    is_operator: bool = False
    tenants: Mapping[UUID, str] = field(default_factory=dict)
    tenant: UUID | None = None  # the active one
    address: str = ""
    request_id: str = ""
    memo: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)


STUDIO = Actor(
    id=None, name="Studio", is_org_admin=True
)  # the platform itself: first run, command line, sweeps


@dataclass(frozen=True, slots=True)
class Facts:
    """What the verdict depends on. `share` is the best grant the actor has on the thing or its project."""

    tenant: UUID | None
    owners: frozenset[UUID] = frozenset()
    share: Role | None = None
    provided: bool = False  # a model of the provider: everybody may see it


class Verdict(StrEnum):
    YES = "yes"
    NO = "403"  # may see it, may not do it
    HIDDEN = "404"  # may not know that it exists


YES, NO, HIDDEN = Verdict.YES, Verdict.NO, Verdict.HIDDEN
_ORDER = (Role.ORG_ADMIN, Role.TENANT_ADMIN, Role.OWNER, Role.EDITOR, Role.VIEWER, Role.MEMBER, Role.STRANGER)


def _row(*verdicts: Verdict, operator: Verdict = HIDDEN) -> dict[Role, Verdict]:
    return {**dict(zip(_ORDER, verdicts, strict=True)), Role.OPERATOR: operator}


# columns: OrgAdmin, TenantAdmin, owner, Editor, Viewer, member, stranger
PERMISSIONS: Mapping[str, Mapping[Role, Verdict]] = {
    "tenant.see": _row(YES, YES, YES, HIDDEN, HIDDEN, YES, HIDDEN),
    "tenant.manage": _row(YES, NO, NO, NO, NO, NO, HIDDEN),
    "user.manage": _row(YES, YES, NO, NO, NO, NO, HIDDEN),
    "project.create": _row(YES, YES, YES, YES, YES, YES, HIDDEN),
    "project.see": _row(YES, YES, YES, YES, YES, HIDDEN, HIDDEN),
    "project.edit": _row(YES, YES, YES, YES, NO, HIDDEN, HIDDEN),
    "project.delete": _row(YES, YES, YES, NO, NO, HIDDEN, HIDDEN),
    "project.share": _row(YES, YES, YES, NO, NO, HIDDEN, HIDDEN),
    "endpoint.create": _row(YES, YES, YES, YES, NO, HIDDEN, HIDDEN),
    "endpoint.see": _row(YES, YES, YES, YES, YES, HIDDEN, HIDDEN),
    "endpoint.run": _row(YES, YES, YES, YES, NO, HIDDEN, HIDDEN),  # edit, stop, restart, updates, roll back
    "endpoint.delete": _row(YES, YES, YES, NO, NO, HIDDEN, HIDDEN),  # and share, transfer
    "key.manage": _row(
        YES, YES, YES, NO, NO, HIDDEN, HIDDEN
    ),  # add, edit, revoke, limits, rotate, see values
    "key.list": _row(YES, YES, YES, YES, YES, HIDDEN, HIDDEN),  # without values
    "model.see": _row(YES, YES, YES, YES, YES, HIDDEN, HIDDEN),  # and deploy; the provider's: everybody
    "model.edit": _row(YES, YES, YES, YES, NO, HIDDEN, HIDDEN),
    "model.manage": _row(YES, YES, YES, NO, NO, HIDDEN, HIDDEN),
    "resources.see": _row(YES, YES, YES, YES, YES, YES, YES, operator=YES),
    "node.manage": _row(YES, NO, NO, NO, NO, NO, NO, operator=YES),
    "audit.tenant": _row(YES, YES, NO, NO, NO, NO, HIDDEN),
    "audit.all": _row(YES, NO, NO, NO, NO, NO, NO, operator=NO),
    "platform_key.own": _row(YES, YES, YES, YES, YES, YES, YES, operator=YES),
    "organization.manage": _row(YES, NO, NO, NO, NO, NO, NO, operator=NO),
    "admin.content": _row(YES, NO, NO, NO, NO, NO, NO, operator=NO),  # tenants' rows on the operators' desk
    "sharing.manage": _row(YES, NO, NO, NO, NO, NO, NO, operator=NO),
}

REFUSALS: Mapping[str, str] = {
    "tenant.manage": "Only an OrgAdmin can manage tenants.",
    "user.manage": "Only an OrgAdmin, or a TenantAdmin in their own tenant, can manage users.",
    "project.edit": "You can view this project but not change it; ask its owner for the Editor role.",
    "project.delete": "Only the owner, a TenantAdmin or an OrgAdmin can delete this project.",
    "project.share": "Only the owner, a TenantAdmin or an OrgAdmin can share this project.",
    "endpoint.create": "You can view this project but not create in it; ask its owner for the Editor role.",
    "endpoint.run": "You can view this endpoint but not change it; ask its owner for the Editor role.",
    "endpoint.delete": "Only the owner, a TenantAdmin or an OrgAdmin can do this to the endpoint.",
    "key.manage": "Only the owner, a TenantAdmin or an OrgAdmin can manage this endpoint's API keys.",
    "model.edit": "You can use this model but not change it.",
    "model.manage": "Only the owner, a TenantAdmin or an OrgAdmin can manage this model.",
    "node.manage": "Only an operator or an OrgAdmin can manage nodes.",
    "audit.tenant": "Only an OrgAdmin, or a TenantAdmin in their own tenant, can read this.",
    "audit.all": "Only an OrgAdmin can read this.",
    "organization.manage": "Only an OrgAdmin can change what holds for every tenant.",
    "admin.content": "Only an operator who is an OrgAdmin too can see what belongs to tenants here.",
    "sharing.manage": "Only an OrgAdmin can change what holds for every tenant.",
}


def roles_of(actor: Actor, facts: Facts) -> frozenset[Role]:
    """Every role the actor has towards the thing; `stranger` only when they have no other."""
    roles = set()
    if actor.is_org_admin:
        roles.add(Role.ORG_ADMIN)
    if actor.is_operator:
        roles.add(Role.OPERATOR)
    standing = actor.tenants.get(facts.tenant) if facts.tenant else None
    if standing == "tenant_admin":
        roles.add(Role.TENANT_ADMIN)
    if standing:
        roles.add(Role.MEMBER)
    if actor.id in facts.owners:
        roles.add(Role.OWNER)
    if facts.share or facts.provided:
        roles.add(facts.share or Role.VIEWER)
    return frozenset((roles - {Role.OPERATOR} and roles) or roles | {Role.STRANGER})


def may(actor: Actor, action: str, facts: Facts) -> bool:
    return _verdict(actor, action, facts) is YES


def require(actor: Actor, action: str, facts: Facts, *, thing: str = "thing") -> None:
    """Raises `NotFound` to whoever may not know of the thing, `Forbidden` with one sentence to who may see it."""
    verdict = _verdict(actor, action, facts)
    if verdict is HIDDEN:
        raise NotFound(f"There is no such {thing}.")
    if verdict is NO:
        raise Forbidden(REFUSALS[action])


def leading_role(actor: Actor, facts: Facts) -> str:
    """The strongest role, for the audit row. An operator who is nobody else there acted as one."""
    if actor.id is None:
        return "platform"
    roles = roles_of(actor, facts)
    return next(str(role) for role in (*_ORDER[:-1], Role.OPERATOR, Role.STRANGER) if role in roles)


def _verdict(actor: Actor, action: str, facts: Facts) -> Verdict:
    row = PERMISSIONS[action]
    verdicts = {row[role] for role in roles_of(actor, facts)}
    return YES if YES in verdicts else NO if NO in verdicts else HIDDEN


def best_share(*roles: Role | None) -> Role | None:
    """Of Editor, Viewer and nothing."""
    return Role.EDITOR if Role.EDITOR in roles else Role.VIEWER if Role.VIEWER in roles else None


def share_of(actor: Actor, tenant: UUID, *accesses: str) -> Role | None:
    """The best role that *General access* of a thing (and of its project) gives the actor."""
    given = set()
    for access in accesses:
        if access == ALL_TENANTS:
            given.add(Role.VIEWER)
        elif tenant in actor.tenants and access in ("tenant_viewer", "tenant_editor"):
            given.add(Role.EDITOR if access == "tenant_editor" else Role.VIEWER)
    return best_share(*given)


# ----- names ----------------------------------------------------------------------------------------------

NAME_RULE = "1 to 63 letters, digits, spaces, - or _"
_NAME = re.compile(r"[A-Za-z0-9 _-]{1,63}")


def clean_name(field_name: str, value: str) -> str:
    """The name without outer spaces. Raises `Invalid` at the field, with the rule."""
    name = value.strip()
    if not name:
        raise invalid_field(field_name, f"Enter a name: {NAME_RULE}.")
    if not _NAME.fullmatch(name):
        raise invalid_field(field_name, f"A name has {NAME_RULE}.")
    return name


def clean_text(field_name: str, value: str, most: int) -> str:
    """Free text within its length and without control characters. Raises `Invalid` at the field."""
    text = value.strip()
    if len(text) > most:
        raise invalid_field(field_name, f"At most {most} characters; this has {len(text)}.")
    if any(ord(char) < 32 and char not in "\t\n" for char in text):
        raise invalid_field(field_name, "Control characters are not allowed here.")
    return text
