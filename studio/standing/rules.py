"""Which rows of the audit speak to whom (pure): those that change what somebody may see or do.

Where it is in doubt too many are told: a word only makes a page look anew.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from studio.tenants.rules import ALL_TENANTS

Deed = tuple[str, str]  # what kind of thing, and what was done to it, as the audit has them

OF_CONSEQUENCE: frozenset[Deed] = frozenset(
    {
        *(("user", verb) for verb in ("roles", "powers", "deactivate", "reactivate")),
        *(("user", verb) for verb in ("change password", "new password", "end session", "sign out everywhere")),
        ("user", "platform key"),
        *(("tenant", verb) for verb in ("archive", "unarchive", "show once")),
        ("organization", "edit"),
        *((thing, verb) for thing in ("project", "endpoint", "model") for verb in ("share", "transfer")),
        *((thing, verb) for thing in ("project", "endpoint", "model") for verb in ("give role", "take role")),
        *((thing, verb) for thing in ("project", "endpoint") for verb in ("move", "move here", "delete")),
        ("endpoint", "restore"),
        *(("endpoint", verb) for verb in ("limit key", "rotate key", "revoke key")),
    }
)  # fmt: skip
# They change what there is and how it is, which a page's own ticks show, but nobody's right to anything.
OF_NO_CONSEQUENCE: frozenset[Deed] = frozenset(
    {
        *((thing, "create") for thing in ("user", "tenant", "project", "endpoint")),
        *((thing, "import") for thing in ("app", "runtime", "model")),
        ("user", "sign in"),
        *(("tenant", verb) for verb in ("rename", "quota")),
        ("project", "edit"),
        *(("endpoint", verb) for verb in ("edit", "stop", "restart", "forget keys")),
        *(("endpoint", verb) for verb in ("add key", "edit key", "show key")),
        *(("node", verb) for verb in ("add", "assign", "cordon", "uncordon", "drain", "remove")),
        *((thing, "repair") for thing in ("instance", "node")),
    }
)  # fmt: skip

SPREAD = 2  # milliseconds for each page that is told at once: the first are answered before the last one asks
_ABOUT = re.compile(r"(?:https?://[^/]*)?/(endpoints|models)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")


@dataclass(frozen=True, slots=True)
class Row:
    """What of an audit row is looked at. `given`: whom a change of shares names: `user NAME`, `tenant NAME`."""

    id: int
    at: datetime
    verb: str
    kind: str
    thing: UUID
    tenant: UUID | None
    concerns: UUID | None
    given: frozenset[str] = frozenset()
    is_open: bool = False  # it was shared with every tenant until then, or is from now on

    @property
    def is_of_consequence(self) -> bool:
        """What nobody has named is."""
        return (self.kind, self.verb) not in OF_NO_CONSEQUENCE


@dataclass(frozen=True, slots=True)
class Guests:
    """Who sees one of some things from elsewhere: as its owner, by a grant, or since it is open to every tenant."""

    people: frozenset[UUID] = frozenset()
    tenants: frozenset[UUID] = frozenset()
    everybody: bool = False


@dataclass(slots=True)
class Listener:
    """A page that somebody has open. `tenants`: they are in them; `about`: the one endpoint or model that it shows."""

    session: UUID
    person: UUID
    tenants: frozenset[UUID]
    is_org_admin: bool = False
    about: tuple[str, UUID] | None = None


def about(address: str) -> tuple[str, UUID] | None:
    """The endpoint or model that the page at this address is about."""
    found = _ABOUT.match(address)
    return (found[1].removesuffix("s"), UUID(found[2])) if found else None


def speaks_to(row: Row, listener: Listener, guests: Guests) -> bool:
    """`guests`: of the row's thing, or of it and others."""
    if row.kind == "organization":
        return True
    if row.kind == "user":
        return row.thing == listener.person
    if listener.about and listener.about[0] == row.kind and listener.about[1] != row.thing:
        return False
    if listener.is_org_admin or row.tenant in listener.tenants or row.concerns == listener.person:
        return True
    return (
        row.is_open
        or guests.everybody
        or listener.person in guests.people
        or bool(listener.tenants & guests.tenants)
    )


def shares_named(changes: Mapping[str, object]) -> tuple[frozenset[str], bool]:
    """Of a share's `changes`: whose grants differ, and whether it was or is open to every tenant."""
    given = frozenset(name for name in changes if name.startswith(("user ", "tenant ")))
    access = changes.get("general_access")
    return given, isinstance(access, list) and ALL_TENANTS in access


def spread(told: int) -> int:
    """Within how many milliseconds so many pages look anew, each at a moment of its own."""
    return told * SPREAD


# ----- what is new ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Heard:
    """Which rows were read already, so that each is told once.

    Ids are given before a transaction is committed, so a lower one may appear after a higher one. All rows above
    `floor` are read again at each look, and it follows only `overlap` seconds behind: what is committed later than
    that after a higher one is never told, and pages find it at their own ticks.
    """

    overlap: float
    floor: int = 0
    seen: dict[int, float] = field(default_factory=dict)  # id → when it was first read

    def fresh(self, ids: Iterable[int], now: float) -> set[int]:
        """Those not read before. `now`: of a clock that never goes back."""
        new = {each for each in ids if each > self.floor and each not in self.seen}
        self.seen.update(dict.fromkeys(new, now))
        settled = [each for each, when in self.seen.items() if now - when >= self.overlap]
        if settled:
            self.floor = max(settled)
            self.seen = {each: when for each, when in self.seen.items() if each > self.floor}
        return new
