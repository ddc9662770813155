"""Which RDUs an instance gets: the pure planner of one generation.

`plan` looks at the nodes and the queue of one generation and says everything that is to be done: where each
instance goes, and for each that goes nowhere, why. It asks no clock, draws no chance and reads only its
arguments; in whatever order these come, the plan is the same. An instance needs all its RDUs in one node.

**Queue.** Priority (high first), arrival, endpoint, ordinal. What does not fit is passed by what fits.

**Choice of the node.** The narrowest width that fits, in it the tightest nodes (best fit), of these one without
this endpoint, ties by name. Only while a single node holds the whole endpoint, so that its loss would take every
instance, may the next instance leave the tightest nodes, within that width:

1. the tightest partly used node without this endpoint;
2. an empty node, if more than `Policy.spare_nodes` whole nodes stay free after it;
3. the tightest node that fits, as without spreading.

One instance elsewhere is what keeps an endpoint alive; spreading all of them scatters the free RDUs. In synthetic
fleets at 85 and 95 % load the widest instances then waited 1.1 to 1.6 times as long. Endpoints that stood on one
node: some 1 in 20 without any spreading, 1 in 110 like this, 1 in 170 with all of them spread.

**Index.** Nodes are numbered by name; a bucket for each (width, free) is one integer whose bit n says
"node n is here". The first node of a bucket is its lowest bit and leaving nodes out is a mask, so a decision
is a handful of operations on integers as long as the fleet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal, NamedTuple

Code = Literal["no_nodes", "too_wide", "fragmented", "none_free", "quota", "unusable", "held", "behind"]


class NodeView(NamedTuple):
    """One node of the generation; `width` and `free` in RDUs, 0 <= free <= width.

    `usable` is false for a node that takes nothing now (cordoned, draining, suspect, lost, joining), and
    `why_not` is that state's word. Its RDUs are not in the pool; reasons tell of them. A tuple, because a preview
    makes thousands.
    """

    id: str
    name: str
    width: int
    free: int
    usable: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """So many nodes of one kind that are not listed one by one, since no plan of this queue comes to them.

    That is so of nodes that are not usable or have nothing free. Of usable ones of one width with as much free,
    those may be left out that come, by name, behind as many as there are waiting instances, where none avoids any.
    """

    width: int
    free: int
    usable: bool
    count: int
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One instance that wants `rdus` (>= 1) RDUs in one node; `arrival` in seconds on any one clock.

    `avoids` are ids of nodes that hold an instance of this endpoint already: a preference, never a rule. What
    this plan itself places for the endpoint need not be in it.
    """

    instance: str
    endpoint: str
    tenant: str
    rdus: int
    arrival: float
    ordinal: int = 0
    priority: int = 0
    avoids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quota:
    """RDUs a tenant holds in this generation now, and the most it may hold (None: no limit)."""

    used: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings: quotas by tenant (none: no limit), and whole nodes kept free of spreading."""

    quotas: Mapping[str, Quota] = field(default_factory=dict)
    spare_nodes: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Free RDUs kept anywhere in the pool for an instance that waited long (the next step; not read yet)."""

    instance: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Placement:
    """`instance` gets `rdus` RDUs of the node with the id `node`."""

    instance: str
    node: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Move:
    """A running instance changes its node so that another one fits (the next step; no plan has one yet)."""

    instance: str
    source: str
    target: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance waits, in numbers (RDUs, if not said otherwise) that hold after the plan's placements.

    `code` is the first of these that is so:

    - `no_nodes`: the generation has no node;
    - `too_wide`: no node, usable or not, is `rdus` wide;
    - `quota`: the tenant would hold more than its maximum;
    - `unusable`: nodes wide enough exist, and none of them is usable;
    - `none_free`: fewer than `rdus` are free in all usable nodes together;
    - `fragmented`: enough are free, and no single usable node has them.

    `held` and `behind` belong to the next step.
    """

    code: Code
    rdus: int = 0  # what the instance wants
    position: int = 0  # in the generation's queue of those still waiting, from 1
    total: int = 0  # in usable nodes
    free: int = 0  # in usable nodes
    widest_free: int = 0  # most free in one usable node
    widest_node: str = ""  # the name of that node, "" while nothing is free
    widest_width: int = 0  # widest usable node
    any_width: int = 0  # widest node, usable or not
    waiting_nodes: tuple[tuple[str, int], ...] = ()  # (why_not, number of nodes), by word
    waiting_free: int = 0  # free in nodes that are not usable
    quota_used: int = 0  # what the tenant holds
    quota_maximum: int | None = None  # what it may hold, None without a limit

    def as_json(self) -> dict[str, Any]:
        """For the column of a row: plain values only; `from_json` gives an equal reason back."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {"waiting_nodes": dict(self.waiting_nodes)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Reason:
        """Read what `as_json` wrote, here or in another version: unknown fields drop, absent ones default."""
        known = {each.name: plain[each.name] for each in fields(cls) if each.name in plain}
        return cls(**known | {"waiting_nodes": tuple(sorted(plain.get("waiting_nodes", {}).items()))})


@dataclass(frozen=True, slots=True)
class Wait:
    """`instance` gets nothing in this plan."""

    instance: str
    reason: Reason

    @property
    def position(self) -> int:
        """Its place in the generation's queue of those still waiting, from 1."""
        return self.reason.position


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, in queue order; each waiting instance is in placements or in waits, once."""

    placements: tuple[Placement, ...] = ()
    moves: tuple[Move, ...] = ()
    waits: tuple[Wait, ...] = ()


OPEN_POLICY = Policy()


def plan(
    nodes: Sequence[NodeView],
    waiting: Sequence[Waiting],
    held: Sequence[Hold] = (),
    policy: Policy = OPEN_POLICY,
    now: float = 0.0,
    rest: Sequence[Alike] = (),
) -> Plan:
    """Place what can be placed, and say why the rest waits.

    Node ids and instances are unique. `rest` are the nodes that `nodes` leaves out. `held` and `now` (seconds, on
    the clock of `arrival`) are for the next step and not read yet.
    """
    pool = _Pool(nodes, policy.spare_nodes, rest)
    ledger = _Ledger(policy.quotas)
    placements: list[Placement] = []
    left: list[Waiting] = []
    for one in sorted(waiting, key=_queue_order):
        node = pool.take(one) if ledger.allows(one) else None
        if node is None:
            left.append(one)
        else:
            ledger.charge(one)
            placements.append(Placement(one.instance, node.id, one.rdus))
    # Reasons come last: a later and narrower instance may have taken what an earlier one saw free.
    waits = _explain(nodes, left, pool, ledger, [each for each in rest if each.count])
    return Plan(tuple(placements), (), waits)


def dry_run(
    nodes: Sequence[NodeView],
    waiting_now: Sequence[Waiting],
    wish: Sequence[Waiting],
    policy: Policy = OPEN_POLICY,
    rest: Sequence[Alike] = (),
) -> Plan:
    """Where each instance of a wish would land now, and why the others would wait; for previews.

    The wish queues with those who wait now, by its own arrival (give it the present time); only the wish's
    placements and waits are in the answer.
    """
    whole = plan(nodes, (*waiting_now, *wish), policy=policy, rest=rest)
    ours = {one.instance for one in wish}
    return Plan(
        placements=tuple(each for each in whole.placements if each.instance in ours),
        waits=tuple(each for each in whole.waits if each.instance in ours),
    )


def _queue_order(one: Waiting) -> tuple[int, float, str, int, str]:
    return (-one.priority, one.arrival, one.endpoint, one.ordinal, one.instance)


class _Pool:
    """The usable nodes, indexed by (width, free)."""

    def __init__(self, nodes: Iterable[NodeView], spare_nodes: int, rest: Iterable[Alike]) -> None:
        self.nodes = sorted((node for node in nodes if node.usable), key=attrgetter("name", "id"))
        self.spare_nodes = spare_nodes
        self.free = [node.free for node in self.nodes]
        self.whole = sum(node.free == node.width for node in self.nodes)
        self.whole += sum(each.count for each in rest if each.usable and each.free == each.width)
        self._number = {node.id: number for number, node in enumerate(self.nodes)}
        self._buckets = {width: [0] * (width + 1) for width in sorted({node.width for node in self.nodes})}
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, node in enumerate(self.nodes):
            alike[node.width, node.free].append(number)
        for (width, free), numbers in alike.items():
            self._buckets[width][free] = _bits_of(numbers)
        self._holding: defaultdict[str, int] = defaultdict(int)  # endpoint: its nodes, as bits
        self._as_bits: dict[frozenset[str], int] = {}

    def take(self, one: Waiting) -> NodeView | None:
        """Take the RDUs of `one` from the best node; None if no node has them."""
        holding = self._holding[one.endpoint] | self._bits(one.avoids)
        number = self._choose(one.rdus, holding)
        if number is None:
            return None
        self._holding[one.endpoint] = holding | 1 << number
        self._shrink(number, one.rdus)
        return self.nodes[number]

    def widest(self) -> tuple[int, str]:
        """The most RDUs free in one node and that node's name; (0, "") when nothing is free."""
        most = max(self.free, default=0)
        return (most, self.nodes[self.free.index(most)].name) if most else (0, "")

    def _choose(self, rdus: int, holding: int) -> int | None:
        """The number of the best node for an endpoint whose nodes are `holding`; None if none fits."""
        for width, buckets in self._buckets.items():
            fitting = [(free, buckets[free]) for free in range(rdus, width + 1) if buckets[free]]
            if not fitting:
                continue
            if holding.bit_count() == 1:
                for free, bucket in fitting:
                    if bucket & ~holding and (free < width or self.whole - 1 > self.spare_nodes):
                        return _lowest_bit(bucket & ~holding)
            tightest = fitting[0][1]
            return _lowest_bit(tightest & ~holding or tightest)
        return None

    def _shrink(self, number: int, rdus: int) -> None:
        buckets, free = self._buckets[self.nodes[number].width], self.free[number]
        self.whole -= free == self.nodes[number].width
        self.free[number] = free - rdus
        buckets[free] ^= 1 << number
        buckets[free - rdus] |= 1 << number

    def _bits(self, ids: frozenset[str]) -> int:
        if ids not in self._as_bits:
            self._as_bits[ids] = sum(1 << self._number[each] for each in ids if each in self._number)
        return self._as_bits[ids]


def _bits_of(numbers: Sequence[int]) -> int:
    """One integer with these bits, in ascending order: to set them one by one would copy it each time."""
    found = bytearray(numbers[-1] // 8 + 1)
    for number in numbers:
        found[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(found, "little")


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


class _Ledger:
    """What each tenant holds, this plan's placements included."""

    def __init__(self, quotas: Mapping[str, Quota]) -> None:
        self._quotas = quotas
        self._charged: Counter[str] = Counter()

    def allows(self, one: Waiting) -> bool:
        maximum = self.maximum(one.tenant)
        return maximum is None or self.used(one.tenant) + one.rdus <= maximum

    def charge(self, one: Waiting) -> None:
        self._charged[one.tenant] += one.rdus

    def used(self, tenant: str) -> int:
        quota = self._quotas.get(tenant)
        return (quota.used if quota else 0) + self._charged[tenant]

    def maximum(self, tenant: str) -> int | None:
        quota = self._quotas.get(tenant)
        return quota.maximum if quota else None


def _explain(
    nodes: Sequence[NodeView], left: Sequence[Waiting], pool: _Pool, ledger: _Ledger, rest: Sequence[Alike]
) -> tuple[Wait, ...]:
    if not left:
        return ()
    more = [each for each in rest if each.usable]
    away = [Alike(node.width, node.free, False, 1, node.why_not) for node in nodes if not node.usable]
    away += [each for each in rest if not each.usable]
    total = sum(node.width for node in pool.nodes) + sum(each.width * each.count for each in more)
    free = sum(pool.free) + sum(each.free * each.count for each in more)
    widest_free, widest_node = pool.widest()
    widths = [*(node.width for node in pool.nodes), *(each.width for each in more)]
    widest_width = max(widths, default=0)
    any_width = max((*widths, *(each.width for each in away)), default=0)
    counts: Counter[str] = Counter()
    for each in away:
        counts[each.why_not] += each.count
    waiting_nodes = tuple(sorted(counts.items()))
    waiting_free = sum(each.free * each.count for each in away)

    def code(one: Waiting) -> Code:
        """First match wins; `Reason` says what each means."""
        if not nodes and not rest:
            return "no_nodes"
        if one.rdus > any_width:
            return "too_wide"
        if not ledger.allows(one):
            return "quota"
        if one.rdus > widest_width:
            return "unusable"
        return "none_free" if one.rdus > free else "fragmented"

    def reason(position: int, one: Waiting) -> Reason:
        return Reason(
            code=code(one),
            rdus=one.rdus,
            position=position,
            total=total,
            free=free,
            widest_free=widest_free,
            widest_node=widest_node,
            widest_width=widest_width,
            any_width=any_width,
            waiting_nodes=waiting_nodes,
            waiting_free=waiting_free,
            quota_used=ledger.used(one.tenant),
            quota_maximum=ledger.maximum(one.tenant),
        )

    return tuple(Wait(one.instance, reason(position, one)) for position, one in enumerate(left, 1))
