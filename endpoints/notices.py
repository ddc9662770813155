"""What concerns a person: how the instances of their endpoints fare, what others did to their endpoints, and what
others gave to them or took from them. And what happened lately in the active tenant.

Computed from the rows that there are anyway. A notice about instances says what is the case since when; once it is
not the case any more, the notice is gone by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet

from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from scheduler.models import TOLD, Instance
from scheduler.rules import InstanceState, reason_sentence
from studio.audit import selectors as audit
from studio.audit.models import Event
from studio.hub import selectors as hub
from studio.projects import selectors as projects
from studio.statements import WORD, statement
from studio.tenants.rules import Actor

# Kind → those of some things that the actor may see, with their names.
SEEN: Mapping[str, Callable[[Actor, list[UUID]], list[tuple[UUID, str]]]] = {
    "endpoint": endpoints.seen,
    "project": projects.seen,
    "model": hub.seen,
}
LOOKED_AT = (50, 500)  # of the tenant's events
# Whoever only looked at a key changed nothing.
DEEDS = (
    "edit",
    "stop",
    "restart",
    "delete",
    "restore",
    "add key",
    "edit key",
    "limit key",
    "revoke key",
    "share",
    "move",
    "transfer",
)
ROLES = ("give role", "take role")  # of a thing: of the person, or of a tenant that they are in
OF_THEM = ("roles", "new password")
RUNNING = Q(endpoint__desired=Endpoint.Desired.RUNNING)


@dataclass(frozen=True, slots=True)
class Notice:
    """`state` with `many` of `wanted` instances and the reason of the first of them; or the `event`.

    `is_seen`: the actor may look at it now.
    """

    thing: UUID
    name: str
    at: datetime
    state: str = ""
    many: int = 0
    wanted: int = 0
    reason: str = ""
    event: Event | None = None
    is_seen: bool = True


def latest(actor: Actor, most: int) -> list[Notice]:
    """The newest first. Five queries, and no more rows for whoever owns a hundred thousand endpoints; where something
    was given to the actor or taken from them, one more for each kind of it.
    """
    found = [*_states(actor, most), *_deeds(actor, most)]
    return sorted(found, key=lambda notice: notice.at, reverse=True)[:most]


def any_since(actor: Actor, since: datetime) -> bool:
    """Whether `latest` has one that is newer: at most two queries, each from what happened since to its endpoint.

    As one, it would go the other way: through all that the actor owns.
    """
    return bool(
        _newest_state_since(actor.id, since) or _newest_deed_since(actor.id, list(actor.tenants), since)
    )


@statement()
def _newest_state_since(owner: UUID | None, since: datetime) -> QuerySet[Instance, UUID]:
    """In the order of an index: a plan for any moment would else begin with all that the owner has."""
    newer = _told(owner).filter(state_since__gt=since).order_by("-state_since")
    return newer.values_list("pk", flat=True)[:1]


@statement()
def _newest_deed_since(person: UUID | None, tenants: list[UUID], since: datetime) -> QuerySet[Event, int]:
    deeds = _deeds_of(person).filter(at__gt=since) | _deeds_of_tenants(person, tenants).filter(at__gt=since)
    return deeds.order_by().values_list("pk", flat=True)[:1]


def _told(owner: UUID | None) -> QuerySet[Instance]:
    return Instance.objects.filter(TOLD, RUNNING, endpoint__owner=owner)


def _states(actor: Actor, most: int) -> list[Notice]:
    places = _newest(actor, most)
    rows = _counts(list({endpoint for endpoint, _ in places}))
    found = {(row["endpoint_id"], row["state"]): dict(row) for row in rows}
    reasons = _reasons(endpoint for endpoint, state in places if state != InstanceState.READY)
    return [_state(found[place], reasons) for place in places if place in found]


@statement()
def _counts(endpoints: list[UUID]) -> QuerySet[Instance, Any]:
    rows = Instance.objects.filter(TOLD, RUNNING, endpoint__in=endpoints).order_by()
    named = rows.values("endpoint_id", "state", name=F("endpoint__name"), wanted=F("endpoint__instances"))
    return named.annotate(at=Max("state_since"), many=Count("pk"))


def _newest(actor: Actor, most: int) -> list[tuple[UUID, str]]:
    """(endpoint, state) of what came last: rows are read by an index of their dates until these are enough."""
    many = 2 * most
    while len(read := _newest_rows(actor.id, many)) == many and len(set(read)) < most:
        many *= 8
    return list(dict.fromkeys(read))[:most]


@statement(most=WORD)
def _newest_rows(owner: UUID | None, most: int) -> QuerySet[Instance, tuple[UUID, str]]:
    return _told(owner).order_by("-state_since").values_list("endpoint_id", "state")[:most]


def _state(row: dict[str, Any], reasons: dict[tuple[UUID, str], str]) -> Notice:
    return Notice(
        thing=row["endpoint_id"],
        name=row["name"],
        at=row["at"],
        state=row["state"],
        many=row["many"],
        wanted=row["wanted"],
        reason=reasons.get((row["endpoint_id"], row["state"]), ""),
    )


def _reasons(endpoints: Iterable[UUID]) -> dict[tuple[UUID, str], str]:
    """(endpoint, state) → why the first of its instances waits or failed."""
    found: dict[tuple[UUID, str], str] = {}
    for endpoint, state, reason, generation in _kept_back(list(set(endpoints))):
        found.setdefault((endpoint, state), reason_sentence(reason, generation))
    return found


@statement()
def _kept_back(endpoints: list[UUID]) -> QuerySet[Instance, Any]:
    rows = Instance.objects.filter(TOLD, endpoint__in=endpoints).exclude(state=InstanceState.READY)
    return rows.order_by("ordinal").values_list("endpoint_id", "state", "reason", "generation_id")


def _deeds(actor: Actor, most: int) -> list[Notice]:
    found = [*_latest_deeds(actor.id, most), *_latest_deeds_to(actor.id, list(actor.tenants), most)]
    given = [event for event in found if event.verb in ROLES or event.thing_type in ("project", "model")]
    seen = _seen(actor, given)
    return [
        Notice(
            each.thing_id,
            each.thing_name,
            each.at,
            event=each,
            is_seen=each not in given or each.thing_id in seen,
        )
        for each in found
    ]


@statement(most=WORD)
def _latest_deeds(person: UUID | None, most: int) -> QuerySet[Event]:
    return _deeds_of(person).order_by("-at", "-id")[:most]


@statement(most=WORD)
def _latest_deeds_to(person: UUID | None, tenants: list[UUID], most: int) -> QuerySet[Event]:
    return _deeds_of_tenants(person, tenants).order_by("-at", "-id")[:most]


def _deeds_of(person: UUID | None) -> QuerySet[Event]:
    """What others did to endpoints that were this person's then, and are now; and what they gave or took."""
    is_own = Exists(Endpoint.objects.filter(pk=OuterRef("thing_id"), owner=person))
    told = (
        Q(is_own, thing_type="endpoint", verb__in=DEEDS)
        | Q(verb__in=ROLES)
        | Q(thing_type="user", verb__in=OF_THEM)
        | Q(thing_type__in=["project", "model"], verb="transfer")
    )
    return audit.concerning(person).filter(told)


def _deeds_of_tenants(person: UUID | None, tenants: list[UUID]) -> QuerySet[Event]:
    return audit.concerning_tenants(person, tenants).filter(verb__in=ROLES)


def _seen(actor: Actor, events: list[Event]) -> set[UUID]:
    """Those things that the actor may look at now. A name is told as it was when something was given or taken."""
    found: set[UUID] = set()
    for kind, seen in SEEN.items():
        ids = {event.thing_id for event in events if event.thing_type == kind}
        if ids:
            found |= {pk for pk, _ in seen(actor, list(ids))}
    return found


# ----- of the active tenant -------------------------------------------------------------------------------


def events(actor: Actor, most: int) -> list[Event]:
    """The latest of what happened to those endpoints and projects of the active tenant that the actor may see.

    Among the tenant's last five hundred events, so that nobody waits for the search of who may see little; most see
    enough of the last few.
    """
    shown: list[int] = []
    for many in LOOKED_AT:
        lately = audit.latest_of_tenant(actor.tenant, many)
        seen = _seen_of_tenant(actor, list({thing for _, _, thing in lately}))
        shown = [pk for pk, kind, thing in lately if kind in ("endpoint", "project") and thing in seen][:most]
        if len(shown) == most or len(lately) < many:
            break
    return audit.with_ids(shown)


def _seen_of_tenant(actor: Actor, things: list[UUID]) -> set[UUID]:
    """Those of the things that are endpoints or projects which the actor may see."""
    return {pk for seen in (endpoints.seen, projects.seen) for pk, _ in seen(actor, things)}
