"""From awaiting to placed: one planner per generation, its plan written in guarded batches.

The holder of the lease plans until the demand did not move meanwhile, so no wish is missed, and every
write checks the lease's fence, so a planner that was frozen and comes back writes nothing.
"""

import secrets
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q

from endpoints import routing
from endpoints.models import Endpoint
from scheduler import planner, quotas
from scheduler import selectors as machines
from scheduler.models import LIVE, Allocation, Demand, Instance, Node, Placement, Rdu
from scheduler.rules import COMING, InstanceState, NodeState
from scheduler.services import touch_nodes
from studio import enqueue, keyring
from studio.unit import unit_of_work

BATCH = 100
LEASE = timedelta(seconds=15)


class FenceLost(RuntimeError):
    """Another planner has taken over; what this one planned is void."""


def place_pending(generation: str) -> int:
    """Place what can be placed on this generation now, and write down why the rest waits. Returns placements.

    Returns at once when another planner holds the lease: it will see the same wishes.
    """
    placed = 0
    while (fence := _take_lease(generation, datetime.now(UTC))) is not None:
        demand = _demand(generation)
        try:
            placed += _plan_once(generation, fence)
        except FenceLost:
            return placed
        except BaseException:
            _drop(generation, fence)
            raise
        _give_back(generation, fence, demand)
        # Read again after the lease is free: whoever raises the demand later finds a free lease.
        if _demand(generation) == demand:
            _tell_who_could_make_room(generation)
            return placed
    return placed


def _demand(generation: str) -> int:
    return Demand.objects.filter(pk=generation).values_list("count", flat=True).first() or 0


def _take_lease(generation: str, now: datetime) -> int | None:
    """The fence of the lease, or None while another planner holds it."""
    Placement.objects.get_or_create(generation_id=generation)
    free = Q(held_until=None) | Q(held_until__lt=now)
    holder = str(uuid.uuid4())
    taken = Placement.objects.filter(free, pk=generation).update(
        holder=holder, held_until=now + LEASE, fence=F("fence") + 1
    )
    if not taken:
        return None
    return Placement.objects.filter(pk=generation, holder=holder).values_list("fence", flat=True).first()


def _give_back(generation: str, fence: int, demand: int) -> None:
    Placement.objects.filter(pk=generation, fence=fence).update(planned=demand, holder="", held_until=None)


def _drop(generation: str, fence: int) -> None:
    """The lease without a plan: what is not planned stays so for the next who takes it."""
    Placement.objects.filter(pk=generation, fence=fence).update(holder="", held_until=None)


def _tell_who_could_make_room(generation: str) -> None:
    """Endpoints that are being changed and wait: one of their own old instances may have what the new one needs."""
    old = Instance.objects.filter(
        endpoint=OuterRef("endpoint"),
        state__in=[*COMING, "ready"],
        config_version__lt=OuterRef("config_version"),
    )
    waiting = Instance.objects.filter(generation=generation, state=InstanceState.AWAITING)
    for endpoint in set(waiting.filter(Exists(old)).values_list("endpoint_id", flat=True)):
        enqueue.nudge_converging(str(endpoint))


def _plan_once(generation: str, fence: int) -> int:
    """One round over every waiting instance, least node width by least node width (usually there is one)."""
    waiting = list(
        Instance.objects.filter(generation=generation, state=InstanceState.AWAITING)
        .select_related("endpoint__project")
        .order_by("created_at", "ordinal", "id")
    )
    placed = 0
    for nodes, rows in by_width(generation, waiting):
        policy = quotas.policy(generation)
        plan = planner.plan(nodes, _views(rows, policy), policy=policy)
        for batch in _batches(plan.placements):
            placed += write_placements(generation, fence, batch)
        write_reasons(generation, fence, {UUID(w.instance): w.reason.as_json() for w in plan.waits})
    return placed


def by_width(
    generation: str, waiting: Sequence[Instance]
) -> Iterator[tuple[list[planner.NodeView], list[Instance]]]:
    """(nodes, instances) for each least node width asked for; the nodes are read anew for each."""
    groups: dict[int, list[Instance]] = defaultdict(list)
    for row in waiting:
        groups[row.min_width].append(row)
    for width in sorted(groups, reverse=True):
        nodes = machines.nodes().filter(generation=generation, width__gte=width)
        yield machines.views(nodes), groups[width]


def _views(rows: Sequence[Instance], policy: planner.Policy) -> list[planner.Waiting]:
    homes = homes_of({row.endpoint_id for row in rows})
    bounded = {row.endpoint_id for row in rows if str(row.endpoint.project.tenant_id) in policy.quotas}
    relieved = quotas.relieved(bounded) if bounded else {}
    return [
        planner.Waiting(
            instance=str(row.pk),
            endpoint=str(row.endpoint_id),
            tenant=str(row.endpoint.project.tenant_id),
            rdus=row.rdus,
            arrival=row.created_at.timestamp(),
            ordinal=row.ordinal,
            avoids=homes[row.endpoint_id],
            relieves=relieved.get(row.endpoint_id, 0),
        )
        for row in rows
    ]


def homes_of(endpoints: set[UUID]) -> Mapping[UUID, frozenset[str]]:
    """Endpoint → nodes that already hold an instance of it."""
    found: dict[UUID, set[str]] = defaultdict(set)
    rows = Instance.objects.filter(endpoint__in=endpoints, node__isnull=False, state__in=LIVE)
    for endpoint, node in rows.values_list("endpoint_id", "node__name"):
        found[endpoint].add(node)
    return defaultdict(frozenset, {endpoint: frozenset(nodes) for endpoint, nodes in found.items()})


def _batches(placements: Sequence[planner.Placement]) -> Iterator[Sequence[planner.Placement]]:
    ordered = sorted(placements, key=lambda placement: placement.node)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


@unit_of_work
def write_placements(generation: str, fence: int, batch: Sequence[planner.Placement]) -> int:
    """Write a batch; what no longer fits (a node that filled up, an instance withdrawn) is left waiting.

    Locks in the common order. Raises `FenceLost` when another planner has the lease.
    """
    check_fence(generation, fence)
    wanted = {UUID(placement.instance): placement.node for placement in batch}
    endpoints = Instance.objects.filter(pk__in=wanted).values_list("endpoint_id", flat=True)
    list(Endpoint.objects.select_for_update().filter(pk__in=set(endpoints)).order_by("pk").values_list("pk"))
    nodes = {
        node.name: node
        for node in Node.objects.select_for_update().filter(name__in=set(wanted.values())).order_by("pk")
    }
    rows = (
        Instance.objects.select_for_update(of=("self",))
        .filter(pk__in=wanted, state=InstanceState.AWAITING)
        .select_related("endpoint__project")
        .order_by("pk")
    )
    free = _free_rdus([node.pk for node in nodes.values()])
    now = datetime.now(UTC)
    placed = [row for row in rows if _place(row, nodes[wanted[row.pk]], free, now)]
    touch_nodes([row.node_id for row in placed if row.node_id])
    routing.touch([row.endpoint_id for row in placed])
    return len(placed)


def check_fence(generation: str, fence: int) -> None:
    rows = Placement.objects.select_for_update().filter(pk=generation, fence=fence)
    if not rows.values_list("pk"):
        raise FenceLost(generation)


def _free_rdus(nodes: Sequence[UUID]) -> dict[UUID, list[int]]:
    """Node → ids of its free RDUs, lowest index first."""
    held = Allocation.objects.filter(rdu__node__in=nodes, released_at=None).values("rdu_id")
    found: dict[UUID, list[int]] = defaultdict(list)
    rows = Rdu.objects.filter(node__in=nodes).exclude(pk__in=held).order_by("node_id", "index")
    for node, rdu in rows.values_list("node_id", "pk"):
        found[node].append(rdu)
    return found


def _place(row: Instance, node: Node, free: dict[UUID, list[int]], now: datetime) -> bool:
    chosen = free[node.pk][: row.rdus]
    if node.state != NodeState.READY or node.free < row.rdus or len(chosen) < row.rdus:
        return False
    if node.tenant_id not in (None, row.endpoint.project.tenant_id):  # assigned, or moved, since the plan
        return False
    free[node.pk] = free[node.pk][row.rdus :]
    node.free -= row.rdus
    Node.objects.filter(pk=node.pk).update(free=F("free") - row.rdus)
    Allocation.objects.bulk_create([Allocation(rdu_id=rdu, instance=row, allocated_at=now) for rdu in chosen])
    row.node = node
    Instance.objects.filter(pk=row.pk, state=InstanceState.AWAITING).update(
        state=InstanceState.PLACED,
        state_since=now,
        node=node,
        attempt=1,
        crashes=0,
        retry_at=None,
        reason=None,
        sealed_token=keyring.seal_value(secrets.token_urlsafe(32), "instance"),
    )
    return True


@unit_of_work
def write_reasons(generation: str, fence: int, reasons: Mapping[UUID, dict[str, object]]) -> None:
    """Store why each instance waits, where that changed, and tell the gateways the endpoint's new state."""
    if not reasons:
        return
    check_fence(generation, fence)
    rows = Instance.objects.filter(pk__in=reasons, state=InstanceState.AWAITING).only("reason", "endpoint_id")
    changed = [row for row in rows if row.reason != reasons[row.pk]]
    routing.touch([row.endpoint_id for row in changed if _code(row.reason) != _code(reasons[row.pk])])
    for row in changed:
        row.reason = reasons[row.pk]
    Instance.objects.bulk_update(changed, ["reason"], batch_size=200)


def _code(reason: Mapping[str, object] | None) -> object:
    return reason["code"] if reason else None
