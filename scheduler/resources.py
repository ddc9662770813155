"""The machines for everybody to read: nodes with who holds their RDUs, the queue, what leaving a node would do.

RDUs are no secret, names are: an endpoint is named only to whoever may see it. For everybody else its RDUs are
held by "this tenant" or "another tenant".
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, QuerySet

from endpoints import selectors as endpoints
from scheduler import fleet, planner
from scheduler import selectors as machines
from scheduler.models import LIVE, Allocation, Instance, Node
from scheduler.rules import COMING, InstanceState, reason_sentence
from studio.statements import WORD, statement
from studio.tenants.rules import Actor, Facts, may

QUEUE_SHOWN = 20  # instances of each generation
WAITING_SHOWN = (
    "endpoint_id", "ordinal", "rdus", "created_at", "reason", "generation_id", "endpoint__project__tenant_id",
)  # fmt: skip
THEIR_QUOTA = "Its tenant's quota is reached."  # the numbers are that tenant's own


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose something is. `endpoint` is None where the actor may not know which one it is."""

    endpoint: UUID | None
    name: str
    is_mine: bool  # the active tenant's
    tone: int  # the same for everything of one endpoint, from 0


@dataclass(frozen=True, slots=True)
class Held:
    """An instance on a node, with the indices of its RDUs there."""

    instance: UUID
    ordinal: int
    state: str
    rdus: list[int]
    holder: Holder


@dataclass(frozen=True, slots=True)
class NodeRow:
    """`whose`: "shared", or the tenant that it is kept for, by name where the actor may know it."""

    node: Node
    held: list[Held] = field(default_factory=list)
    whose: str = "shared"
    is_anothers: bool = False

    @property
    def used(self) -> int:
        return self.node.width - self.node.free


@dataclass(frozen=True, slots=True)
class Wait:
    """Instances of one endpoint that stand behind each other in a generation's queue for the same reason."""

    generation: str
    first: int  # position in the queue; 0 while nobody looked yet
    last: int
    instances: int
    rdus: int
    since: datetime
    holder: Holder
    sentence: str


@dataclass(frozen=True, slots=True)
class Queue:
    waits: list[Wait]
    more: int  # instances that wait and are not shown


@dataclass(frozen=True, slots=True)
class Move:
    """Where an instance would go if its node were drained now; without `target` it waits, and `sentence` says why."""

    held: Held
    target: str
    sentence: str


# ----- nodes ----------------------------------------------------------------------------------------------


@statement(most=WORD)
def found_nodes(generation: str | None, state: str | None, most: int | None) -> QuerySet[Node]:
    """By name; the order ends with a unique column, so it can be paged. None: any."""
    wanted = {"generation": generation, "state": state}
    return machines.nodes().filter(**{name: value for name, value in wanted.items() if value})[:most]


def node_rows(actor: Actor, nodes: Sequence[Node]) -> list[NodeRow]:
    """Two queries, however many nodes there are."""
    live = _live_on(nodes)
    return _node_rows(actor, nodes, live, _names(actor, {each.endpoint for each in live}))


def overview(actor: Actor, nodes: Sequence[Node], generation: str = "") -> tuple[list[NodeRow], Queue]:
    """These nodes, and what waits, in the planner's order: the first of each generation, and how many more."""
    live, (first, more) = _live_on(nodes), _first_waiting(generation)
    names = _names(actor, {each.endpoint for each in live} | {each.endpoint for each in first})
    return _node_rows(actor, nodes, live, names), Queue(_waits(actor, first, names), more)


class _Live(NamedTuple):
    """An RDU that is held."""

    node: UUID
    rdu: int
    instance: UUID
    ordinal: int
    state: str
    endpoint: UUID
    tenant: UUID


def _live_on(nodes: Sequence[Node]) -> list[_Live]:
    return [_Live(*row) for row in _held_on([node.pk for node in nodes])]


@statement()
def _held_on(nodes: list[UUID]) -> QuerySet[Allocation, Any]:
    # By the instances on these nodes, which are few: by the RDUs, a plan for any nodes may read all there are.
    live = Allocation.objects.filter(instance__node__in=nodes, released_at=None)
    live = live.exclude(instance__state__in=[InstanceState.STOPPED, InstanceState.AWAITING])
    return live.order_by("instance__node_id", "rdu__index").values_list(
        "instance__node_id", "rdu__index", "instance_id", "instance__ordinal", "instance__state",
        "instance__endpoint_id", "instance__endpoint__project__tenant_id",
    )  # fmt: skip


def _node_rows(
    actor: Actor, nodes: Sequence[Node], live: Iterable[_Live], names: dict[UUID, str]
) -> list[NodeRow]:
    held: dict[UUID, dict[UUID, Held]] = {node.pk: {} for node in nodes}
    for node, rdu, instance, ordinal, state, endpoint, tenant in live:
        if instance not in held[node]:
            held[node][instance] = Held(instance, ordinal, state, [], _holder(actor, endpoint, tenant, names))
        held[node][instance].rdus.append(rdu)
    return [
        NodeRow(
            node,
            list(held[node.pk].values()),
            _whose(actor, node),
            node.tenant_id not in (None, actor.tenant),
        )
        for node in nodes
    ]


def _whose(actor: Actor, node: Node) -> str:
    if node.tenant is None:
        return "shared"
    if may(actor, "tenant.see", Facts(tenant=node.tenant_id)):
        return node.tenant.name
    return "another tenant"


def _names(actor: Actor, wanted: Iterable[UUID]) -> dict[UUID, str]:
    """Those of the endpoints that the actor may see, with their names."""
    return dict(endpoints.seen(actor, list(wanted)))


def _holder(actor: Actor, endpoint: UUID, tenant: UUID, names: dict[UUID, str]) -> Holder:
    mine = tenant == actor.tenant
    name = names.get(endpoint)
    known = endpoint if name else None
    return Holder(known, name or ("this tenant" if mine else "another tenant"), mine, endpoint.int)


# ----- the queue ------------------------------------------------------------------------------------------


class _Waiting(NamedTuple):
    """An instance that waits."""

    endpoint: UUID
    ordinal: int
    rdus: int
    since: datetime
    reason: dict[str, Any] | None
    generation: str
    tenant: UUID


def _first_waiting(generation: str) -> tuple[list[_Waiting], int]:
    """Of each generation, and how many more there are."""
    counts = {code: many for code, many in _waiting_by_generation() if generation in ("", code)}
    found = [_Waiting(*row) for code in sorted(counts) for row in _longest_waiting(code)]
    return found, sum(counts.values()) - len(found)


@statement()
def _waiting_by_generation() -> QuerySet[Instance, tuple[str, int]]:
    waiting = Instance.objects.filter(state=InstanceState.AWAITING).order_by()
    return waiting.values_list("generation").annotate(Count("pk"))


@statement()
def _longest_waiting(generation: str) -> QuerySet[Instance, Any]:
    rows = Instance.objects.filter(state=InstanceState.AWAITING, generation=generation)
    ordered = rows.order_by("created_at", "endpoint_id", "ordinal", "id")
    return ordered.values_list(*WAITING_SHOWN)[:QUEUE_SHOWN]


def _waits(actor: Actor, first: Iterable[_Waiting], names: dict[UUID, str]) -> list[Wait]:
    lines = [(row, _why(actor, row, names)) for row in first]
    runs = groupby(lines, key=lambda line: (line[0].generation, line[0].endpoint, line[1]))
    return [_wait(actor, [row for row, _ in run], key[2], names) for key, run in runs]


def _why(actor: Actor, row: _Waiting, names: dict[UUID, str]) -> str:
    reason = row.reason or {"code": "new", "rdus": row.rdus}
    theirs = row.tenant != actor.tenant and row.endpoint not in names
    if theirs and reason.get("code") == "quota":
        return THEIR_QUOTA
    return reason_sentence(reason, row.generation)


def _wait(actor: Actor, rows: Sequence[_Waiting], sentence: str, names: dict[UUID, str]) -> Wait:
    places = [int((row.reason or {}).get("position") or 0) for row in rows]
    first = rows[0]
    return Wait(
        generation=first.generation,
        first=places[0],
        last=places[-1],
        instances=len(rows),
        rdus=first.rdus,
        since=first.since,
        holder=_holder(actor, first.endpoint, first.tenant, names),
        sentence=sentence,
    )


# ----- leaving a node -------------------------------------------------------------------------------------


def moves(actor: Actor, row: NodeRow) -> list[Move]:
    """The planner's own answer on a drain of the node that nobody has asked for yet. What leaves anyway is left out."""
    staying = {each.instance: each for each in row.held if each.state in (*COMING, InstanceState.READY)}
    instances = Instance.objects.filter(pk__in=staying).select_related("endpoint__project")
    generation = row.node.generation_id
    others = fleet.named_kinds(generation, without=row.node.pk)
    found: list[Move] = []
    for width, group in _by_width(instances):
        wide = [kind for kind in others if kind.width >= width]
        given_up: Counter[UUID] = Counter()  # in turn, as each is replaced
        for each in group:
            given_up[each.endpoint.project.tenant_id] += each.rdus
        wish = [_replacement(each) for each in group]
        plan = machines.dry_run(wide, generation, wish, given_up=given_up)
        targets = {each.instance: each.node for each in plan.placements}
        reasons = {each.instance: each.reason.as_json() for each in plan.waits}
        for each in group:
            why = reason_sentence(reasons.get(str(each.pk)), generation)
            found.append(Move(staying[each.pk], targets.get(str(each.pk), ""), why))
    return sorted(found, key=lambda move: move.held.rdus)


def _by_width(instances: Iterable[Instance]) -> list[tuple[int, list[Instance]]]:
    """By the least node width they ask for, widest first, as the planner takes them."""
    ordered = sorted(instances, key=lambda each: (-each.min_width, str(each.pk)))
    return [(width, list(group)) for width, group in groupby(ordered, key=lambda each: each.min_width)]


def _replacement(row: Instance) -> planner.Waiting:
    return planner.Waiting(
        instance=str(row.pk),
        endpoint=str(row.endpoint_id),
        tenant=str(row.endpoint.project.tenant_id),
        rdus=row.rdus,
        arrival=float("inf"),
        ordinal=row.ordinal,
    )


def running(node: UUID) -> int:
    """Instances that may still have a process on the node."""
    return Instance.objects.filter(node=node, state__in=LIVE).count()
