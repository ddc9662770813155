"""What concerns a person: how the instances of their endpoints fare, and what others did to their endpoints.

Computed from the rows that there are anyway. A notice about instances says what is the case since when; once it is
not the case any more, the notice is gone by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet

from endpoints.models import Endpoint
from scheduler.models import Instance
from scheduler.rules import InstanceState, reason_sentence
from studio.audit import selectors as audit
from studio.audit.models import Event
from studio.tenants.rules import Actor

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
    "move",
    "transfer",
)
TOLD = Q(state=InstanceState.READY) | Q(
    state__in=[InstanceState.AWAITING, InstanceState.FAILED], reason__isnull=False
)
RUNNING = Q(endpoint__desired=Endpoint.Desired.RUNNING)


@dataclass(frozen=True, slots=True)
class Notice:
    """`state` with `many` of `wanted` instances and the reason of the first of them; or the `event`."""

    endpoint: UUID
    name: str
    at: datetime
    state: str = ""
    many: int = 0
    wanted: int = 0
    reason: str = ""
    event: Event | None = None


def latest(actor: Actor, most: int) -> list[Notice]:
    """The newest first. Three queries, however many endpoints the actor owns."""
    found = [*_states(actor, most), *_deeds(actor, most)]
    return sorted(found, key=lambda notice: notice.at, reverse=True)[:most]


def any_since(actor: Actor, since: datetime) -> bool:
    """Whether `latest` has one that is newer: at most two queries, each from what happened since to its endpoint.

    As one, it would go the other way: through all that the actor owns.
    """
    changed = Instance.objects.filter(TOLD, RUNNING, endpoint__owner=actor.id, state_since__gt=since)
    return changed.exists() or _by_others(actor).filter(_about_own(actor), at__gt=since).exists()


def _states(actor: Actor, most: int) -> list[Notice]:
    rows = list(
        Instance.objects.filter(TOLD, RUNNING, endpoint__owner=actor.id)
        .order_by()
        .values("endpoint_id", "state", name=F("endpoint__name"), wanted=F("endpoint__instances"))
        .annotate(at=Max("state_since"), many=Count("pk"))
        .order_by("-at")[:most]
    )
    reasons = _reasons(row["endpoint_id"] for row in rows if row["state"] != InstanceState.READY)
    return [_state(dict(row), reasons) for row in rows]


def _state(row: dict[str, Any], reasons: dict[tuple[UUID, str], str]) -> Notice:
    return Notice(
        endpoint=row["endpoint_id"],
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
    events = _by_others(actor).filter(_about_own(actor)).order_by("-id")[:most]
    return [Notice(each.thing_id, each.thing_name, each.at, event=each) for each in events]


def _about_own(actor: Actor) -> Q:
    return Q(thing_id__in=Endpoint.objects.filter(owner=actor.id).values("pk"))


def _by_others(actor: Actor) -> QuerySet[Event]:
    return audit.by_others(actor.id).filter(thing_type="endpoint", verb__in=DEEDS)
