"""The computed status of endpoints, as queries: `rules.STATUSES` where the database has to filter by it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from endpoints import rules
from endpoints.models import Endpoint
from endpoints.rules import Tally
from scheduler.models import LIVE, Instance
from scheduler.rules import COMING, InstanceState, NodeState
from studio.statements import statement

Fact = tuple[
    str, int, UUID | None, str | None
]  # of an instance: state, config_version, node, code of its reason


def tallies(endpoints: Sequence[Endpoint]) -> dict[UUID, Tally]:
    """Endpoint id → its wish and the states of its instances, in one query."""
    found: dict[UUID, list[Fact]] = {endpoint.pk: [] for endpoint in endpoints}
    for pk, *fact in _facts(list(found)):
        found[pk].append((fact[0], fact[1], fact[2], fact[3]))
    return {endpoint.pk: tally(endpoint, found[endpoint.pk]) for endpoint in endpoints}


@statement()
def _facts(endpoints: list[UUID]) -> QuerySet[Instance, Any]:
    rows = Instance.objects.filter(endpoint__in=endpoints).exclude(state=InstanceState.STOPPED).order_by()
    return rows.values_list("endpoint_id", "state", "config_version", "node_id", "reason__code")


def tally(endpoint: Endpoint, instances: Iterable[Fact]) -> Tally:
    """Of those that are not over."""
    counts: Counter[str] = Counter()
    for state, config, node, reason in instances:
        counts.update(_kinds(state, config < endpoint.config_version, node is not None, reason))
    return Tally(desired=endpoint.desired, **counts)


def _kinds(state: str, outdated: bool, on_node: bool, reason: str | None) -> Iterable[str]:
    if state == InstanceState.AWAITING:
        yield "awaiting" if reason else "new"
    elif state in COMING:
        yield "coming"
    elif state in ("ready", "draining", "failed"):
        yield state
    if state == InstanceState.FAILED and on_node:
        yield "failed_held"
    if outdated and state in (*COMING, InstanceState.READY):
        yield "outdated"


def having(endpoints: QuerySet[Endpoint], status: str) -> QuerySet[Endpoint]:
    """Those of this status: `rules.STATUSES` as EXISTS on partial indexes.

    Each part is a condition of its own, so that the database may begin with the rarest and ask nobody for more.
    """
    rows = Instance.objects.filter(endpoint=OuterRef("pk"))
    outdated = rows.filter(state__in=[*COMING, "ready"], config_version__lt=OuterRef("config_version"))
    leaving = Exists(
        rows.filter(Q(state__in=[*COMING, "ready", "draining"]) | Q(state="failed", node__isnull=False))
    )
    ready, awaiting = Exists(rows.filter(state="ready")), Exists(rows.filter(state="awaiting"))
    on_its_way = Exists(rows.filter(Q(state__in=COMING) | Q(state="awaiting", reason__isnull=True)))
    explained = Exists(rows.filter(state__in=["awaiting", "failed"]))
    failed = Exists(rows.filter(state="failed"))
    running = Q(desired="running")
    conditions: dict[str, tuple[Any, ...]] = {
        rules.DELETING: (Q(desired="deleted"),),
        rules.STOPPING: (Q(desired="stopped"), leaving),
        rules.STOPPED: (Q(desired="stopped"), ~leaving),
        rules.UPDATING: (running, ready, Exists(outdated)),
        rules.LIVE: (running, ready, ~Exists(outdated)),
        rules.SETTING_UP: (running, ~ready, Q(on_its_way) | ~Q(explained)),
        rules.AWAITING_RDU: (running, ~ready, ~on_its_way, awaiting),
        rules.FAILED: (running, ~ready, ~on_its_way, ~awaiting, failed),
    }
    return endpoints.filter(*conditions[status])


def not_gone() -> Any:
    """A deleted endpoint is seen as long as anything of it is left on a node that is not lost."""
    rows = Instance.objects.filter(endpoint=OuterRef("pk"), state__in=LIVE, node__isnull=False)
    # Not an EXISTS: beside an OR, PostgreSQL would answer that by reading every instance there is.
    left = rows.exclude(node__state=NodeState.LOST).order_by().values("pk")[:1]
    return ~Q(desired="deleted") | Q(IsNull(Subquery(left), False))
