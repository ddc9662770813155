"""Which RDUs an instance gets: the pure planner of one generation.

`plan` looks at the nodes and the queue of one generation and says everything that is to be done: where each
instance goes, and for each that goes nowhere, why. It asks no clock, draws no chance and reads only its
arguments; in whatever order these come, the plan is the same. An instance needs all its RDUs in one node.

**Queue.** Priority (high first), arrival, endpoint, ordinal. What does not fit is passed by what fits. Instances
that stay within what their tenant is guaranteed go before all that go beyond it, whenever they came: what a tenant has
beyond its guarantee is what the others do not need. What it has already, no plan takes away. At its maximum it gets
past it by one instance at a time, which takes the place of one whose node is to be emptied: both hold RDUs while the
one comes and the other goes.

**Whose nodes.** A node that is assigned to a tenant takes that tenant's instances alone. They look there first, and
only then at the nodes that all share.

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
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from scheduler.plans import Alike as Alike
from scheduler.plans import Code as Code
from scheduler.plans import Hold as Hold
from scheduler.plans import Move as Move
from scheduler.plans import NodeView as NodeView
from scheduler.plans import Placement as Placement
from scheduler.plans import Plan as Plan
from scheduler.plans import Policy as Policy
from scheduler.plans import Quota as Quota
from scheduler.plans import Reason as Reason
from scheduler.plans import Wait as Wait
from scheduler.plans import Waiting as Waiting

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
    left = sorted(waiting, key=_queue_order)
    if ledger.guarantees:
        left = _place(left, ledger.is_guaranteed, pool, ledger, placements)
    left = _place(left, ledger.allows, pool, ledger, placements)
    # Reasons come last: a later and narrower instance may have taken what an earlier one saw free.
    waits = _explain(nodes, left, pool, ledger, [each for each in rest if each.count])
    return Plan(tuple(placements), (), waits)


def _place(
    queue: Sequence[Waiting],
    may: Callable[[Waiting], bool],
    pool: _Pool,
    ledger: _Ledger,
    placements: list[Placement],
) -> list[Waiting]:
    """One walk through the queue; returns those who are left."""
    left: list[Waiting] = []
    for one in queue:
        node = pool.take(one) if may(one) else None
        if node is None:
            left.append(one)
        else:
            ledger.charge(one)
            placements.append(Placement(one.instance, node.id, one.rdus))
    return left


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
        self._whole: Counter[str] = Counter()  # of whole free nodes, by whose they are
        self._of: dict[str, int] = {}  # whose nodes, as bits; "" is everybody's
        for number, node in enumerate(self.nodes):
            self._whole[node.tenant] += node.free == node.width
            if node.tenant:
                self._of[node.tenant] = self._of.get(node.tenant, 0) | 1 << number
        for each in rest:
            self._whole[each.tenant] += each.count if each.usable and each.free == each.width else 0
        everybodys = (1 << len(self.nodes)) - 1
        for owned in self._of.values():
            everybodys &= ~owned
        self._everybodys = everybodys
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
        number = None
        if one.tenant in self._of:
            number = self._choose(one.rdus, holding, self._of[one.tenant], one.tenant)
        if number is None:
            number = self._choose(one.rdus, holding, self._everybodys, one.tenant)
        if number is None:
            return None
        self._holding[one.endpoint] = holding | 1 << number
        self._shrink(number, one.rdus)
        return self.nodes[number]

    def _choose(self, rdus: int, holding: int, open_: int, tenant: str) -> int | None:
        """The best of the nodes `open_` for an endpoint whose nodes are `holding`; None if none fits."""
        for width, buckets in self._buckets.items():
            fitting = [(free, here) for free in range(rdus, width + 1) if (here := buckets[free] & open_)]
            if not fitting:
                continue
            if holding.bit_count() == 1:
                spare = self._whole[""] + (self._whole[tenant] if tenant else 0) - 1
                for free, bucket in fitting:
                    if bucket & ~holding and (free < width or spare > self.spare_nodes):
                        return _lowest_bit(bucket & ~holding)
            tightest = fitting[0][1]
            return _lowest_bit(tightest & ~holding or tightest)
        return None

    def _shrink(self, number: int, rdus: int) -> None:
        node, free = self.nodes[number], self.free[number]
        buckets = self._buckets[node.width]
        self._whole[node.tenant] -= free == node.width
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
        self.guarantees = any(quota.guaranteed for quota in quotas.values())

    def allows(self, one: Waiting) -> bool:
        maximum, used = self.maximum(one.tenant), self.used(one.tenant)
        if maximum is None or used + one.rdus <= maximum:
            return True
        return bool(one.relieves) and used <= maximum and used + one.rdus - one.relieves <= maximum

    def is_guaranteed(self, one: Waiting) -> bool:
        """Whether the tenant stays within its guarantee with it; the maximum is never less."""
        quota = self._quotas.get(one.tenant)
        guaranteed = quota.guaranteed if quota else 0
        return self.used(one.tenant) + one.rdus <= guaranteed and self.allows(one)

    def charge(self, one: Waiting) -> None:
        self._charged[one.tenant] += one.rdus

    def used(self, tenant: str) -> int:
        quota = self._quotas.get(tenant)
        return (quota.used if quota else 0) + self._charged[tenant]

    def maximum(self, tenant: str) -> int | None:
        quota = self._quotas.get(tenant)
        return quota.maximum if quota else None


class _Stock:
    """The nodes that are open to a tenant, in numbers: what its reasons say. `tenant` "": to whoever has none."""

    def __init__(self, nodes: Sequence[NodeView], pool: _Pool, rest: Sequence[Alike], tenant: str) -> None:
        whose = ("", tenant)
        here = [number for number, node in enumerate(pool.nodes) if node.tenant in whose]
        more = [each for each in rest if each.usable and each.tenant in whose]
        away = [
            Alike(node.width, node.free, False, 1, node.why_not)
            for node in nodes
            if not node.usable and node.tenant in whose
        ]
        away += [each for each in rest if not each.usable and each.tenant in whose]
        widths = [*(pool.nodes[number].width for number in here), *(each.width for each in more)]
        self.total = sum(pool.nodes[number].width for number in here)
        self.total += sum(each.width * each.count for each in more)
        self.free = sum(pool.free[number] for number in here) + sum(each.free * each.count for each in more)
        self.widest_free = max((pool.free[number] for number in here), default=0)
        self.widest_node = next(
            (pool.nodes[number].name for number in here if pool.free[number] == self.widest_free), ""
        )
        self.widest_node = self.widest_node if self.widest_free else ""
        self.widest_width = max(widths, default=0)
        self.any_width = max((*widths, *(each.width for each in away)), default=0)
        counts: Counter[str] = Counter()
        for each in away:
            counts[each.why_not] += each.count
        self.waiting_nodes = tuple(sorted(counts.items()))
        self.waiting_free = sum(each.free * each.count for each in away)
        self.is_empty = not (here or more or away)


def _explain(
    nodes: Sequence[NodeView], left: Sequence[Waiting], pool: _Pool, ledger: _Ledger, rest: Sequence[Alike]
) -> tuple[Wait, ...]:
    owners = {node.tenant for node in nodes} | {each.tenant for each in rest}
    stocks: dict[str, _Stock] = {}

    def stock_for(one: Waiting) -> _Stock:
        tenant = one.tenant if one.tenant in owners else ""
        if tenant not in stocks:
            stocks[tenant] = _Stock(nodes, pool, rest, tenant)
        return stocks[tenant]

    def code(one: Waiting, stock: _Stock) -> Code:
        """First match wins; `Reason` says what each means."""
        if stock.is_empty:
            return "reserved" if nodes or rest else "no_nodes"
        if one.rdus > stock.any_width:
            return "too_wide"
        if not ledger.allows(one):
            return "quota"
        if one.rdus > stock.widest_width:
            return "unusable"
        return "none_free" if one.rdus > stock.free else "fragmented"

    def reason(position: int, one: Waiting) -> Reason:
        stock = stock_for(one)
        return Reason(
            code=code(one, stock),
            rdus=one.rdus,
            position=position,
            total=stock.total,
            free=stock.free,
            widest_free=stock.widest_free,
            widest_node=stock.widest_node,
            widest_width=stock.widest_width,
            any_width=stock.any_width,
            waiting_nodes=stock.waiting_nodes,
            waiting_free=stock.waiting_free,
            quota_used=ledger.used(one.tenant),
            quota_maximum=ledger.maximum(one.tenant),
        )

    return tuple(Wait(one.instance, reason(position, one)) for position, one in enumerate(left, 1))
