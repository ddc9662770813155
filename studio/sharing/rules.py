"""What is shared, with whom, as which role: the words of it, and a mark by which a state is known again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from studio.errors import invalid_field
from studio.tenants.rules import Role

USER, TENANT = "user", "tenant"
ROLES = {"viewer": Role.VIEWER, "editor": Role.EDITOR}  # as they are written down → what they are called
MOST = 200  # grants of one thing


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user or a tenant has been given. `role`: viewer or editor."""

    kind: str
    id: UUID
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A grant as somebody asks for it: the grantee by name or id."""

    kind: str
    grantee: str
    role: str


@dataclass(frozen=True, slots=True)
class Shares:
    """Who may see or edit a thing beside its owner and the admins."""

    general_access: str
    grants: tuple[Grant, ...]

    @property
    def version(self) -> str:
        """The same for the same state: a change that names it is refused when somebody was first."""
        lines = sorted(f"{grant.kind} {grant.id} {grant.role}" for grant in self.grants)
        return hashlib.sha256("\n".join([self.general_access, *lines]).encode()).hexdigest()[:16]


def check_role(role: str) -> str:
    """In any case of letters. Raises `Invalid` at `shared_with`."""
    known = role.strip().lower()
    if known not in ROLES:
        raise invalid_field("shared_with", f"There is no role {role!r}; there are: viewer, editor.")
    return known


def check_once(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """By kind and name. Raises `Invalid` at `shared_with` where somebody is named twice, or too many are."""
    found: dict[tuple[str, UUID], Grant] = {}
    for grant in grants:
        if (grant.kind, grant.id) in found:
            raise invalid_field("shared_with", f"{grant.name} is named twice; give one role.")
        found[grant.kind, grant.id] = grant
    if len(found) > MOST:
        raise invalid_field("shared_with", f"At most {MOST} users and tenants; these are {len(found)}.")
    return tuple(sorted(found.values(), key=lambda grant: (grant.kind, grant.name.casefold(), grant.id)))


def changes(before: Shares, after: Shares) -> dict[str, object]:
    """For the audit: {what: [old, new]} of what differs; a role that is not there is ""."""
    found: dict[str, object] = {}
    if before.general_access != after.general_access:
        found["general_access"] = [before.general_access, after.general_access]
    for given in roles_given(before, after):
        found[given.whom] = given.roles
    return found


@dataclass(frozen=True, slots=True)
class Given:
    """What became of somebody's role: [old, new], "" for none. `whom`: `user mila`."""

    id: UUID
    whom: str
    roles: list[str]


def roles_given(before: Shares, after: Shares) -> list[Given]:
    old = {(grant.kind, grant.id): grant for grant in before.grants}
    new = {(grant.kind, grant.id): grant for grant in after.grants}
    found = []
    for key in sorted({*old, *new}, key=str):
        grant = new.get(key) or old[key]
        roles = [grants[key].role if key in grants else "" for grants in (old, new)]
        if roles[0] != roles[1]:
            found.append(Given(grant.id, f"{grant.kind} {grant.name}", roles))
    return found
