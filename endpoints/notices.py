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
from studio.tenants.rules import Actor

VISIBLE: Mapping[str, Callable[[Actor], QuerySet[Any]]] = {
    "endpoint": endpoints.visible,
    "project": projects.visible,
    "model": hub.visible,
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
    if _told(actor).filter(state_since__gt=since).exists():
        return True
    deeds = _deeds_of(actor).filter(at__gt=since) | _deeds_of_tenants(actor).filter(at__gt=since)
    return deeds.exists()


def _told(actor: Actor) -> QuerySet[Instance]:
    return Instance.objects.filter(TOLD, RUNNING, endpoint__owner=actor.id)


def _states(actor: Actor, most: int) -> list[Notice]:
    places = _newest(actor, most)
    rows = (
        Instance.objects.filter(TOLD, RUNNING, endpoint__in={endpoint for endpoint, _ in places})
        .order_by()
        .values("endpoint_id", "state", name=F("endpoint__name"), wanted=F("endpoint__instances"))
        .annotate(at=Max("state_since"), many=Count("pk"))
    )
    found = {(row["endpoint_id"], row["state"]): dict(row) for row in rows}
    reasons = _reasons(endpoint for endpoint, state in places if state != InstanceState.READY)
    return [_state(found[place], reasons) for place in places if place in found]


def _newest(actor: Actor, most: int) -> list[tuple[UUID, str]]:
    """(endpoint, state) of what came last: rows are read by an index of their dates until these are enough."""
    rows = _told(actor).order_by("-state_since").values_list("endpoint_id", "state")
    many = 2 * most
    while len(read := list(rows[:many])) == many and len(set(read)) < most:
        many *= 8
    return list(dict.fromkeys(read))[:most]


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
    rows = Instance.objects.filter(TOLD, endpoint__in=set(endpoints)).exclude(state=InstanceState.READY)
    found: dict[tuple[UUID, str], str] = {}
    for endpoint, state, reason, generation in rows.order_by("ordinal").values_list(
        "endpoint_id", "state", "reason", "generation_id"
    ):
        found.setdefault((endpoint, state), reason_sentence(reason, generation))
    return found


def _deeds(actor: Actor, most: int) -> list[Notice]:
    found = [
        event
        for deeds in (_deeds_of(actor), _deeds_of_tenants(actor))
        for event in deeds.order_by("-at", "-id")[:most]
    ]
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


def _deeds_of(actor: Actor) -> QuerySet[Event]:
    """What others did to endpoints that were the actor's then, and are now; and what they gave or took."""
    is_own = Exists(Endpoint.objects.filter(pk=OuterRef("thing_id"), owner=actor.id))
    told = (
        Q(is_own, thing_type="endpoint", verb__in=DEEDS)
        | Q(verb__in=ROLES)
        | Q(thing_type="user", verb__in=OF_THEM)
        | Q(thing_type__in=["project", "model"], verb="transfer")
    )
    return audit.concerning(actor).filter(told)


def _deeds_of_tenants(actor: Actor) -> QuerySet[Event]:
    return audit.concerning_tenants(actor).filter(verb__in=ROLES)


def _seen(actor: Actor, events: list[Event]) -> set[UUID]:
    """Those things that the actor may look at now. A name is told as it was when something was given or taken."""
    found: set[UUID] = set()
    for kind, visible in VISIBLE.items():
        ids = {event.thing_id for event in events if event.thing_type == kind}
        if ids:
            found |= set(visible(actor).filter(pk__in=ids).order_by().values_list("pk", flat=True))
    return found


# ----- of the active tenant -------------------------------------------------------------------------------


def events(actor: Actor, most: int) -> list[Event]:
    """The latest of what happened to those endpoints and projects of the active tenant that the actor may see.

    Among the tenant's last five hundred events, so that nobody waits for the search of who may see little; most see
    enough of the last few.
    """
    shown: list[int] = []
    for many in LOOKED_AT:
        rows = audit.of_tenant(actor.tenant).values_list("pk", "thing_type", "thing_id")
        lately = list(rows[:many])
        seen = _seen_of_tenant(actor, {thing for _, _, thing in lately})
        shown = [pk for pk, kind, thing in lately if kind in ("endpoint", "project") and thing in seen][:most]
        if len(shown) == most or len(lately) < many:
            break
    return list(Event.objects.filter(pk__in=shown))


def _seen_of_tenant(actor: Actor, things: set[UUID]) -> set[UUID]:
    """Those of the things that are endpoints or projects which the actor may see."""
    found: set[UUID] = set()
    for visible in (endpoints.visible(actor), projects.visible(actor)):
        found |= set(visible.filter(pk__in=things).order_by().values_list("pk", flat=True))
    return found
