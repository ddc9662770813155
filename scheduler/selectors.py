"""Reading the machines: capacity per generation, and where an endpoint's instances would land now."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet

from endpoints.models import Endpoint
from scheduler import fleet, planner, quotas
from scheduler.fleet import Kind
from scheduler.models import LIVE, Allocation, Control, Instance, Node
from scheduler.pictures import NodePicture, pictures
from scheduler.rules import InstanceState, NodeState, reason_sentence
from studio.errors import NotFound
from studio.hub.models import DeployOption, Generation
from studio.statements import statement
from studio.tenants.rules import Actor

HELD, HELD_SECONDS = "rdus-held", 2
NODES_SHOWN = 24  # of a preview


@dataclass(frozen=True, slots=True)
class Capacity:
    """The RDUs of one generation; `total`, `free` and, in one node, `widest`: of nodes that take the tenant's now."""

    generation: str
    total: int
    free: int
    widest: int
    widest_width: int
    mine: int  # held by the active tenant
    others: int  # held by other tenants, or free on nodes that are theirs
    out: int  # on nodes that take nothing now, and not held


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wish would meet now: the statement, where each instance lands, and what would wait and why.

    `nodes`: those where something lands; where all of it waits, some of those that there are.
    """

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
    """One per generation that has nodes, in the operator's order; as many queries however many nodes there are."""
    return capacities_of(actor, fleet.kinds())


def capacities_of(actor: Actor, kinds: Sequence[Kind]) -> list[Capacity]:
    """Of the nodes that somebody has read already."""
    found = _by_generation(actor, kinds)
    return [found[code] for code in _generations() if code in found]


def capacities_for(actor: Actor, options: Sequence[DeployOption]) -> dict[str, Capacity]:
    """Generation → the nodes that there are for one of these."""
    return _by_generation(actor, all_kinds_for(options))


def _by_generation(actor: Actor, kinds: Sequence[Kind]) -> dict[str, Capacity]:
    own: dict[str, list[Kind]] = {}
    for kind in kinds:
        own.setdefault(kind.generation, []).append(kind)
    return {code: _capacity(actor, code, found) for code, found in own.items()}


@statement()
def _generations() -> QuerySet[Generation, str]:
    return Generation.objects.order_by("rank", "code").values_list("code", flat=True)


def _capacity(actor: Actor, generation: str, kinds: Sequence[Kind]) -> Capacity:
    ready = [kind for kind in kinds if kind.is_ready and kind.is_open_to(actor.tenant)]
    theirs = [kind for kind in kinds if kind.is_ready and not kind.is_open_to(actor.tenant)]
    used = sum((kind.width - kind.free) * kind.count for kind in kinds)
    mine = min(used, _held_by(actor).get(generation, 0))
    return Capacity(
        generation=generation,
        total=sum(kind.width * kind.count for kind in ready),
        free=sum(kind.free * kind.count for kind in ready),
        widest=max((kind.free for kind in ready), default=0),
        widest_width=max((kind.width for kind in ready), default=0),
        mine=mine,
        others=used - mine + sum(kind.free * kind.count for kind in theirs),
        out=sum(kind.free * kind.count for kind in kinds if not kind.is_ready),
    )


def _held_by(actor: Actor) -> dict[str, int]:
    """Generation → RDUs held by the active tenant, of now or up to two seconds ago: it costs the most to count."""
    counted: quotas.Held | None = cache.get(HELD)
    if counted is None:
        counted = quotas.held()
        cache.set(HELD, counted, HELD_SECONDS)
    return dict(counted.get(actor.tenant, {})) if actor.tenant else {}


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
    tenant: UUID | None = None,
    kinds: Sequence[Kind] | None = None,
) -> Preview:
    """The planner's own answer on a wish that is not written down.

    `tenant`: whose it is, where not the active one's.
    `endpoint`: the one being edited; what it holds counts as free, and what waits of it not at all, unless some
    of its instances are `kept`: then only those beyond them are planned.
    `kinds`: all nodes of the generation, where somebody has read them already: all that it takes if nothing is wished.
    """
    anew = endpoint if not kept else None
    whose = tenant or actor.tenant
    wish = _wish(str(endpoint or "new"), str(whose), rdus, range(kept + 1, instances + 1))
    if not wish:
        there = fleet.kinds([generation]) if kinds is None else kinds
        return Preview(_capacity(actor, generation, there), rdus, instances, [], 0, [], kept)
    named = fleet.named_kinds(generation)
    freed = _held_of(anew)
    seen = fleet.with_freed((kind for kind in named if kind.width >= min_width), _by_name(freed))
    plan = dry_run(seen, generation, wish, anew, _given_up(whose, freed))
    lands: dict[str, list[int]] = {}
    for placement in plan.placements:
        lands.setdefault(placement.node, []).append(int(placement.instance))
    ours = (kind for kind in seen if kind.is_open_to(whose))
    shown = sorted(lands)[:NODES_SHOWN] or nsmallest(NODES_SHOWN, chain.from_iterable(k.names for k in ours))
    waits = sorted((int(w.instance), reason_sentence(w.reason.as_json(), generation)) for w in plan.waits)
    return Preview(
        capacity=_capacity(actor, generation, named),
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
    wish = _wish(
        str(endpoint.pk), str(endpoint.project.tenant_id), endpoint.rdus, range(1, endpoint.instances + 1)
    )
    wide = (kind for kind in fleet.named_kinds(endpoint.generation_id) if kind.width >= endpoint.min_width)
    seen = fleet.with_freed(wide, _by_name(freed))
    given_up = _given_up(endpoint.project.tenant_id, freed)
    return len(dry_run(seen, endpoint.generation_id, wish, endpoint.pk, given_up).placements)


def _given_up(tenant: UUID | None, freed: Mapping[UUID, int]) -> dict[UUID, int]:
    return {tenant: sum(freed.values())} if tenant and freed else {}


def dry_run(
    seen: Sequence[Kind],
    generation: str,
    wish: Sequence[planner.Waiting],
    without: UUID | None = None,
    given_up: Mapping[UUID, int] | None = None,
) -> planner.Plan:
    """The wish behind those who wait now for these nodes; `without`: an endpoint whose instances do not count.

    `given_up`: RDUs by tenant that their quotas need not count.
    Who wants more than any node has free takes nothing from anybody, and there may be thousands: they are not read.
    """
    widest = max((kind.free for kind in seen if kind.is_ready), default=0)
    waiting = _waiting_now(generation, widest, without)
    listed, rest = fleet.views(seen, len(waiting) + len(wish))
    return planner.dry_run(listed, waiting, wish, quotas.policy(generation, given_up), rest)


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
    return Counter(_nodes_of(endpoint) if endpoint is not None else ())


@statement()
def _nodes_of(endpoint: UUID) -> QuerySet[Allocation, UUID]:
    """Once for each RDU that it holds there."""
    held = Allocation.objects.filter(released_at=None, instance__endpoint=endpoint)
    return held.values_list("rdu__node_id", flat=True)


def views(rows: QuerySet[Node]) -> list[planner.NodeView]:
    """Nodes as the planner sees them, in no order; those that take nothing now are there for the reasons' sake.

    To the planner a node's name, which is unique, is its id: to read UUIDs too takes longer than all the rest.
    """
    found = rows.order_by().values_list("name", "width", "free", "state", "tenant_id")
    return [
        planner.NodeView(name, name, width, free, True, "", str(tenant) if tenant else "")
        if state == NodeState.READY
        else planner.NodeView(name, name, width, free, False, state, str(tenant) if tenant else "")
        for name, width, free, state, tenant in found
    ]


def _by_name(freed: Mapping[UUID, int]) -> dict[str, int]:
    return {name: freed[pk] for pk, name in fleet.names(list(freed))}


def _waiting_now(generation: str, most: int, without: UUID | None) -> list[planner.Waiting]:
    """Every instance of the generation that waits for at most so many RDUs, as the planner sees it."""
    found = _awaiting(generation, most, without)
    homes = Endpoint.objects.filter(pk__in={endpoint for _, endpoint, *_ in found}).order_by()
    tenants = dict(homes.values_list("pk", "project__tenant_id")) if found else {}
    return [
        planner.Waiting(str(pk), str(endpoint), str(tenants[endpoint]), rdus, created.timestamp(), ordinal)
        for pk, endpoint, rdus, created, ordinal in found
    ]


@statement()
def _awaiting(generation: str, most: int, without: UUID | None) -> QuerySet[Instance, Any]:
    rows = Instance.objects.filter(generation=generation, state=InstanceState.AWAITING, rdus__lte=most)
    if without is not None:
        rows = rows.exclude(endpoint=without)
    return rows.order_by().values_list("pk", "endpoint_id", "rdus", "created_at", "ordinal")


def kinds_for(options: Sequence[DeployOption], tenant: UUID | None) -> list[Kind]:
    """The nodes that there are for these, by kind: what `existing` and `recommended` look at.

    Those that are another tenant's are none.
    """
    return [kind for kind in all_kinds_for(options) if kind.is_open_to(tenant)]


def all_kinds_for(options: Sequence[DeployOption]) -> list[Kind]:
    return fleet.kinds([option.generation_id for option in options])


def existing(options: Sequence[DeployOption], kinds: Iterable[Kind]) -> list[DeployOption]:
    """Those whose generation has at least one node here."""
    present = {kind.generation for kind in kinds}
    return [option for option in options if option.generation_id in present]


def recommended(
    options: Sequence[DeployOption],
    kinds: Sequence[Kind],
    parameters_rdus: int | None = None,
    endpoint: UUID | None = None,
) -> str:
    """The generation to preselect: the first on which one instance could be placed now, else the first that
    exists and is wide enough, else the first that exists; "" when none does.

    `endpoint`: what it holds counts as free.
    """
    needs = {option.generation_id: parameters_rdus or option.rdus for option in options}
    width: dict[str, int] = {}
    for kind in kinds:
        width[kind.generation] = max(kind.width, width.get(kind.generation, 0))
    free = _most_free(kinds, endpoint)
    tests = (
        lambda code: free.get(code, 0) >= needs[code],
        lambda code: width[code] >= needs[code],
        lambda code: True,
    )
    for fits in tests:
        for code in (option.generation_id for option in options):
            if code in width and fits(code):
                return code
    return ""


def _most_free(kinds: Sequence[Kind], endpoint: UUID | None) -> dict[str, int]:
    """Generation → the most RDUs free in one node that takes instances."""
    found: dict[str, int] = {}
    for kind in kinds:
        if kind.is_ready:
            found[kind.generation] = max(kind.free, found.get(kind.generation, 0))
    for _, code, free, held in _holds(endpoint) if endpoint else ():
        found[code] = max(found.get(code, 0), free + held)
    return found


@statement()
def _holds(endpoint: UUID) -> QuerySet[Allocation, Any]:
    """(node, generation, free RDUs, RDUs that the endpoint holds there), of nodes that take instances."""
    held = Allocation.objects.filter(released_at=None, instance__endpoint=endpoint)
    ready = held.filter(rdu__node__state=NodeState.READY).order_by()
    columns = ("rdu__node_id", "rdu__node__generation_id", "rdu__node__free")
    return ready.values_list(*columns).annotate(Count("pk"))


def endpoints_on(node: UUID) -> list[UUID]:
    """The endpoints with a live instance on the node, in the order in which they are locked."""
    rows = Instance.objects.filter(node=node, state__in=LIVE)
    return sorted(set(rows.values_list("endpoint_id", flat=True)))
