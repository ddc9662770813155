"""Reading the machines: capacity per generation, and where an endpoint's instances would land now."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from endpoints.models import Endpoint
from scheduler import planner
from scheduler.models import LIVE, Allocation, Control, Instance, Node
from scheduler.rules import NodeState, reason_sentence
from studio.errors import NotFound
from studio.hub.models import DeployOption
from studio.tenants.rules import Actor

HELD_SECONDS = 2
NODES_SHOWN = 24  # of a preview: first those where something would land


@dataclass(frozen=True, slots=True)
class Capacity:
    """The RDUs of one generation. `total` and `free` count nodes that take instances; `widest` of one node."""

    generation: str
    total: int
    free: int
    widest: int
    widest_width: int
    mine: int  # held by the active tenant
    others: int
    out: int  # on nodes that take nothing now, and not held


@dataclass(frozen=True, slots=True)
class Cell:
    """One RDU of a node in a picture. `use`: free, mine, other, here (would be taken), out."""

    index: int
    use: str


@dataclass(frozen=True, slots=True)
class NodePicture:
    name: str
    state: str
    virtual: bool
    cells: list[Cell]
    lands: list[int] = field(default_factory=list)  # numbers of the instances that would land here


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wish would meet now: the statement, where each instance lands, and what would wait and why."""

    capacity: Capacity
    rdus: int
    instances: int
    nodes: list[NodePicture]
    placed: int
    waits: list[tuple[int, str]]  # instance number, sentence
    kept: int = 0  # of the instances, those that are there already: the first ones

    @property
    def rdus_in_all(self) -> int:
        return self.rdus * self.instances


def incarnation() -> int:
    """Control's present one: 1 until a restored database makes it mint another."""
    return Control.objects.filter(pk=1).values_list("incarnation", flat=True).first() or 1


def nodes() -> QuerySet[Node]:
    return (
        Node.objects.exclude(state=NodeState.REMOVED).select_related("generation", "tenant").order_by("name")
    )


def node_named(name_or_id: str) -> Node:
    """Raises `NotFound`."""
    wanted = Q(name__iexact=name_or_id)
    with suppress(ValueError):
        wanted |= Q(pk=UUID(name_or_id))
    found = nodes().filter(wanted).first()
    if found is None:
        raise NotFound(f"There is no node {name_or_id!r}.", {"node": "unknown node"})
    return found


def capacities(actor: Actor) -> list[Capacity]:
    """One per generation that has nodes, in the operator's order; two queries, however many nodes there are."""
    return _capacities(actor, nodes())


def capacity(actor: Actor, generation: str) -> Capacity:
    found = _capacities(actor, nodes().filter(generation=generation))
    return found[0] if found else Capacity(generation, 0, 0, 0, 0, 0, 0, 0)


def _capacities(actor: Actor, rows: QuerySet[Node]) -> list[Capacity]:
    ready = Q(state=NodeState.READY)
    counted = rows.order_by("generation__rank", "generation_id").values("generation_id")
    mine = _held_by(actor)
    return [
        Capacity(
            generation=each["generation_id"],
            total=each["total"],
            free=each["spare"],
            widest=each["widest"],
            widest_width=each["widest_width"],
            mine=min(each["used"], mine.get(each["generation_id"], 0)),
            others=max(0, each["used"] - mine.get(each["generation_id"], 0)),
            out=each["out"],
        )
        for each in counted.annotate(
            total=Sum("width", filter=ready, default=0),
            spare=Sum("free", filter=ready, default=0),
            widest=Max("free", filter=ready, default=0),
            widest_width=Max("width", filter=ready, default=0),
            used=Sum(F("width") - F("free")),
            out=Sum("free", filter=~ready, default=0),
        )
    ]


def _held_by(actor: Actor) -> dict[str, int]:
    """Generation → RDUs held by the active tenant, of now or up to two seconds ago: it costs the most to count."""
    key = f"rdus-held-by:{actor.tenant}"
    counted: dict[str, int] | None = cache.get(key)
    if counted is None:
        counted = _count_held(actor)
        cache.set(key, counted, HELD_SECONDS)
    return counted


def _count_held(actor: Actor) -> dict[str, int]:
    held = Allocation.objects.filter(released_at=None, instance__endpoint__project__tenant=actor.tenant)
    return dict(held.values_list("instance__generation_id").annotate(Count("pk")))


# ----- dry run --------------------------------------------------------------------------------------------


def preview(
    actor: Actor,
    *,
    generation: str,
    min_width: int,
    rdus: int,
    instances: int,
    endpoint: UUID | None = None,
    kept: int = 0,
) -> Preview:
    """The planner's own answer on a wish that is not written down.

    `endpoint`: the one being edited; what it holds counts as free, and what waits of it not at all, unless some
    of its instances are `kept`: then only those beyond them are planned.
    """
    rows = [node for node in nodes().filter(generation=generation) if node.width >= min_width]
    anew = endpoint if not kept else None
    wish = _wish(str(endpoint or "new"), str(actor.tenant), rdus, range(kept + 1, instances + 1))
    plan = planner.dry_run(views(rows, _held_of(anew)), waiting_now(generation, anew), wish)
    lands: dict[str, list[int]] = {}
    for placement in plan.placements:
        lands.setdefault(placement.node, []).append(int(placement.instance))
    shown = sorted(rows, key=lambda node: (str(node.pk) not in lands, node.name))[:NODES_SHOWN]
    waits = sorted((int(w.instance), reason_sentence(w.reason.as_json(), generation)) for w in plan.waits)
    return Preview(
        capacity=capacity(actor, generation),
        rdus=rdus,
        instances=instances,
        nodes=pictures(actor, shown, lands, rdus, anew),
        placed=len(plan.placements),
        waits=waits,
        kept=kept,
    )


def spare(endpoint: Endpoint, freed: Mapping[UUID, int]) -> int:
    """How many instances of this configuration, which need not be saved, find room beside the present ones.

    `freed`: RDUs by node that come free without further ado.
    """
    rows = nodes().filter(generation=endpoint.generation_id, width__gte=endpoint.min_width)
    wish = _wish(
        str(endpoint.pk), str(endpoint.project.tenant_id), endpoint.rdus, range(1, endpoint.instances + 1)
    )
    waiting = waiting_now(endpoint.generation_id, endpoint.pk)
    return len(planner.dry_run(views(list(rows), freed), waiting, wish).placements)


def _wish(endpoint: str, tenant: str, rdus: int, numbers: range) -> list[planner.Waiting]:
    """Instances that come last in the queue."""
    return [
        planner.Waiting(
            instance=str(number), endpoint=endpoint, tenant=tenant, rdus=rdus,
            arrival=float("inf"), ordinal=number,
        )
        for number in numbers
    ]  # fmt: skip


def _held_of(endpoint: UUID | None) -> dict[UUID, int]:
    """Node → RDUs that the endpoint holds on it."""
    found: dict[UUID, int] = {}
    if endpoint is not None:
        held = Allocation.objects.filter(released_at=None, instance__endpoint=endpoint)
        for node in held.values_list("rdu__node_id", flat=True):
            found[node] = found.get(node, 0) + 1
    return found


def views(rows: Sequence[Node], freed: Mapping[UUID, int] | None = None) -> list[planner.NodeView]:
    """Nodes as the planner sees them; those that take nothing now are there for the reasons' sake.

    `freed`: RDUs by node to be taken for free.
    """
    more = freed or {}
    return [
        planner.NodeView(
            id=str(node.pk),
            name=node.name,
            width=node.width,
            free=node.free + more.get(node.pk, 0),
            usable=node.state == NodeState.READY,
            why_not="" if node.state == NodeState.READY else node.state,
        )
        for node in rows
    ]


def waiting_now(generation: str, without: UUID | None = None) -> list[planner.Waiting]:
    """Every instance of the generation that waits, as the planner sees it; but none of the endpoint `without`."""
    rows = Instance.objects.filter(generation=generation, state="awaiting")
    if without is not None:
        rows = rows.exclude(endpoint=without)
    found = rows.values_list(
        "pk", "endpoint_id", "rdus", "created_at", "ordinal", "endpoint__project__tenant_id"
    )
    return [
        planner.Waiting(str(pk), str(endpoint), str(tenant), rdus, created.timestamp(), ordinal)
        for pk, endpoint, rdus, created, ordinal, tenant in found
    ]


def pictures(
    actor: Actor,
    rows: Sequence[Node],
    lands: dict[str, list[int]] | None = None,
    rdus: int = 0,
    without: UUID | None = None,
) -> list[NodePicture]:
    """Each node with its RDUs as cells; with `lands`, the free ones that would be taken are marked.

    `without`: an endpoint whose RDUs are taken for free.
    """
    held = _holders(rows, without)
    found = []
    for node in rows:
        numbers = sorted((lands or {}).get(str(node.pk), []))
        take = len(numbers) * rdus
        cells = []
        for index in range(node.width):
            use = _use(actor, node, held.get((node.pk, index)))
            if use == "free" and take:
                use, take = "here", take - 1
            cells.append(Cell(index, use))
        found.append(NodePicture(node.name, node.state, node.virtual, cells, numbers))
    return found


def _holders(rows: Sequence[Node], without: UUID | None = None) -> dict[tuple[UUID, int], UUID]:
    """(node, RDU index) → tenant that holds it."""
    held = Allocation.objects.filter(Q(rdu__node__in=[node.pk for node in rows]), released_at=None)
    if without is not None:
        held = held.exclude(instance__endpoint=without)
    found = held.values_list("rdu__node_id", "rdu__index", "instance__endpoint__project__tenant_id")
    return {(node, index): tenant for node, index, tenant in found}


def _use(actor: Actor, node: Node, holder: UUID | None) -> str:
    if holder is not None:
        return "mine" if holder == actor.tenant else "other"
    return "free" if node.state == NodeState.READY else "out"


def recommended(
    options: Sequence[DeployOption], parameters_rdus: int | None = None, endpoint: UUID | None = None
) -> str:
    """The generation to preselect: the first on which one instance could be placed now, else the first that
    exists and is wide enough, else the first that exists; "" when none does.

    `endpoint`: what it holds counts as free.
    """
    own = _held_of(endpoint)
    found: dict[str, list[Node]] = {code: [] for code in {option.generation_id for option in options}}
    for node in nodes().filter(generation__in=found):
        found[node.generation_id].append(node)
    needs = {option.generation_id: parameters_rdus or option.rdus for option in options}
    tests = (
        lambda code, node: node.state == NodeState.READY and node.free + own.get(node.pk, 0) >= needs[code],
        lambda code, node: node.width >= needs[code],
        lambda code, node: True,
    )
    for fits in tests:
        for option in options:
            code = option.generation_id
            if any(fits(code, node) for node in found[code]):
                return code
    return ""


def existing(options: Sequence[DeployOption]) -> list[DeployOption]:
    """Those whose generation has at least one node here."""
    present = set(nodes().values_list("generation_id", flat=True))
    return [option for option in options if option.generation_id in present]


def endpoints_on(node: UUID) -> list[UUID]:
    """The endpoints with a live instance on the node, in the order in which they are locked."""
    rows = Instance.objects.filter(node=node, state__in=LIVE)
    return sorted(set(rows.values_list("endpoint_id", flat=True)))
