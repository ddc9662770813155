"""What holds for every fleet and every queue; the expected answers are worked out anew, slowly and plainly."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from scheduler.planner import Alike, Code, NodeView, Plan, Policy, Quota, Reason, Wait, Waiting, plan
from tests.support.effort import examples

WORDS = ("cordoned", "draining", "suspect", "lost", "joining")
TENANTS = ("default", "research")
WIDTHS = (1, 2, 4, 8, 16)


# --- fleets and queues ----------------------------------------------------------------------------------


@st.composite
def fleets(draw: st.DrawFn) -> list[NodeView]:
    def node(number: int) -> NodeView:
        width = draw(st.sampled_from((8, *WIDTHS)))
        word = draw(st.sampled_from(("", "", "", *WORDS)))
        free = draw(st.integers(0, width))
        name = f"node-{(9 - number) // 2}"
        whose = draw(st.sampled_from(("", "", "", *TENANTS)))
        return NodeView(f"id{number}", name, width, free, usable=not word, why_not=word, tenant=whose)

    return [node(number) for number in range(draw(st.integers(0, 9)))]


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    home = st.frozensets(st.sampled_from([f"id{number}" for number in range(9)]), max_size=3)
    homes = {endpoint: draw(home) for endpoint in "abc"}

    def one(number: int) -> Waiting:
        endpoint = draw(st.sampled_from("abc"))
        return Waiting(
            instance=f"i{number}",
            endpoint=endpoint,
            tenant=TENANTS[endpoint in "ab"],
            rdus=draw(st.integers(1, 3) | st.integers(1, 17)),
            arrival=draw(st.sampled_from((0.0, 1.0, 2.0))),
            ordinal=draw(st.integers(0, 3)),
            priority=draw(st.integers(-1, 1)),
            avoids=homes[endpoint],
        )

    return [one(number) for number in range(draw(st.integers(0, 12)))]


@st.composite
def quotas(draw: st.DrawFn) -> Quota:
    maximum = draw(st.none() | st.integers(0, 40))
    guaranteed = draw(st.just(0) | st.integers(0, 40 if maximum is None else maximum))
    return Quota(draw(st.integers(0, 20)), maximum, guaranteed)


policies = st.builds(
    Policy, quotas=st.dictionaries(st.sampled_from(TENANTS), quotas()), spare_nodes=st.integers(0, 2)
)


# --- the plain answers ----------------------------------------------------------------------------------


def in_order(queue: Iterable[Waiting]) -> list[Waiting]:
    return sorted(
        queue, key=lambda one: (-one.priority, one.arrival, one.endpoint, one.ordinal, one.instance)
    )


def after(nodes: Sequence[NodeView], result: Plan) -> list[NodeView]:
    """The fleet once the plan is carried out."""
    taken: Counter[str] = Counter()
    for each in result.placements:
        taken[each.node] += each.rdus
    return [node._replace(free=node.free - taken[node.id]) for node in nodes]


def used_after(tenant: str, queue: Sequence[Waiting], result: Plan, policy: Policy) -> int:
    placed = {each.instance for each in result.placements}
    before = policy.quotas[tenant].used if tenant in policy.quotas else 0
    return before + sum(one.rdus for one in queue if one.tenant == tenant and one.instance in placed)


def maximum(tenant: str, policy: Policy) -> int | None:
    return policy.quotas[tenant].maximum if tenant in policy.quotas else None


def open_to(one: Waiting, nodes: Iterable[NodeView]) -> list[NodeView]:
    """Those that take its tenant's instances."""
    return [node for node in nodes if node.tenant in ("", one.tenant)]


def guarantee(tenant: str, policy: Policy) -> int:
    return policy.quotas[tenant].guaranteed if tenant in policy.quotas else 0


def rightful_node(nodes: Sequence[NodeView], one: Waiting, holding: set[str], policy: Policy) -> str:
    """The node this instance must get, from the rules as they are told at the top of the planner."""
    roomy = [node for node in nodes if node.usable and node.free >= one.rdus]
    own = [node for node in roomy if node.tenant == one.tenant]
    fitting = own or [node for node in roomy if not node.tenant]
    narrowest = min(node.width for node in fitting)
    fitting = [node for node in fitting if node.width == narrowest]
    whole = sum(node.usable and node.free == node.width for node in open_to(one, nodes))
    usable_holders = holding & {node.id for node in nodes if node.usable}

    def tight(node: NodeView) -> tuple[object, ...]:
        return (node.free, node.id in holding, node.name, node.id)

    if len(usable_holders) == 1:
        elsewhere = [
            node
            for node in fitting
            if node.id not in holding and (node.free < node.width or whole > policy.spare_nodes + 1)
        ]
        if elsewhere:
            return min(elsewhere, key=tight).id
    return min(fitting, key=tight).id


def true_reason(
    nodes: Sequence[NodeView], one: Waiting, position: int, used: int, most: int | None
) -> Reason:
    """Why `one` waits in a fleet on which the plan was carried out."""
    every, nodes = nodes, open_to(one, nodes)
    usable = [node for node in nodes if node.usable]
    free = sum(node.free for node in usable)
    roomiest = max((node.free for node in usable), default=0)
    code: Code
    if not nodes:
        code = "reserved" if every else "no_nodes"
    elif all(node.width < one.rdus for node in nodes):
        code = "too_wide"
    elif most is not None and used + one.rdus > most:
        code = "quota"
    elif all(node.width < one.rdus for node in usable):
        code = "unusable"
    elif free < one.rdus:
        code = "none_free"
    else:
        code = "fragmented"
        assert roomiest < one.rdus
    names = [node.name for node in usable if node.free == roomiest]
    return Reason(
        code=code,
        rdus=one.rdus,
        position=position,
        total=sum(node.width for node in usable),
        free=free,
        widest_free=roomiest,
        widest_node=min(names) if roomiest else "",
        widest_width=max((node.width for node in usable), default=0),
        any_width=max((node.width for node in nodes), default=0),
        waiting_nodes=tuple(sorted(Counter(node.why_not for node in nodes if not node.usable).items())),
        waiting_free=sum(node.free for node in nodes if not node.usable),
        quota_used=used,
        quota_maximum=most,
    )


def check(nodes: Sequence[NodeView], queue: Sequence[Waiting], policy: Policy) -> Plan:
    """Make a plan and hold it against everything that must be true of it."""
    result = plan(nodes, queue, policy=policy)
    assert_everybody_once(queue, result)
    assert_within_nodes(nodes, queue, result)
    assert_each_on_its_rightful_node(nodes, queue, result, policy)
    assert_within_quota(queue, result, policy)
    assert_guarantees_go_first(nodes, queue, result, policy)
    assert_nobody_is_on_anothers_node(nodes, queue, result)
    assert_reasons_are_true(nodes, queue, result, policy)
    return result


def assert_everybody_once(queue: Sequence[Waiting], result: Plan) -> None:
    told = [each.instance for each in (*result.placements, *result.waits)]
    assert sorted(told) == sorted(one.instance for one in queue)
    assert result.moves == ()


def assert_within_nodes(nodes: Sequence[NodeView], queue: Sequence[Waiting], result: Plan) -> None:
    wanted = {one.instance: one.rdus for one in queue}
    usable = {node.id for node in nodes if node.usable}
    assert all(each.node in usable and each.rdus == wanted[each.instance] for each in result.placements)
    assert all(node.free >= 0 for node in after(nodes, result))


def assert_each_on_its_rightful_node(
    nodes: Sequence[NodeView], queue: Sequence[Waiting], result: Plan, policy: Policy
) -> None:
    queued = {one.instance: one for one in queue}
    holding: defaultdict[str, set[str]] = defaultdict(set)
    for number, each in enumerate(result.placements):
        one = queued[each.instance]
        seen = after(nodes, replace(result, placements=result.placements[:number]))
        assert each.node == rightful_node(seen, one, holding[one.endpoint] | one.avoids, policy)
        holding[one.endpoint].add(each.node)


def assert_within_quota(queue: Sequence[Waiting], result: Plan, policy: Policy) -> None:
    for tenant in {
        one.tenant for one in queue if one.instance in {each.instance for each in result.placements}
    }:
        most = maximum(tenant, policy)
        assert most is None or used_after(tenant, queue, result, policy) <= most


def assert_guarantees_go_first(
    nodes: Sequence[NodeView], queue: Sequence[Waiting], result: Plan, policy: Policy
) -> None:
    """Whoever waits within the guarantee of their tenant found no room before anybody went beyond theirs."""
    queued = {one.instance: one for one in queue}
    used = Counter({tenant: policy.quotas[tenant].used for tenant in policy.quotas})
    within = 0
    for each in result.placements:
        one = queued[each.instance]
        if used[one.tenant] + one.rdus > guarantee(one.tenant, policy):
            break
        used[one.tenant] += one.rdus
        within += 1
    seen = after(nodes, replace(result, placements=result.placements[:within]))
    late = {each.instance for each in (*result.placements[within:], *result.waits)}
    for one in (queued[instance] for instance in late):
        if used[one.tenant] + one.rdus <= guarantee(one.tenant, policy):
            assert not [node for node in open_to(one, seen) if node.usable and node.free >= one.rdus]


def assert_nobody_is_on_anothers_node(
    nodes: Sequence[NodeView], queue: Sequence[Waiting], result: Plan
) -> None:
    whose, queued = {node.id: node.tenant for node in nodes}, {one.instance: one for one in queue}
    assert all(whose[each.node] in ("", queued[each.instance].tenant) for each in result.placements)


def assert_reasons_are_true(
    nodes: Sequence[NodeView], queue: Sequence[Waiting], result: Plan, policy: Policy
) -> None:
    """Also: nobody waits who could still be placed, for no code describes such a fleet (see `true_reason`)."""
    left = [one for one in in_order(queue) if one.instance in {each.instance for each in result.waits}]
    seen = after(nodes, result)
    assert list(result.waits) == [
        Wait(
            one.instance,
            true_reason(
                seen,
                one,
                position,
                used_after(one.tenant, queue, result, policy),
                maximum(one.tenant, policy),
            ),
        )
        for position, one in enumerate(left, 1)
    ]


# --- properties -----------------------------------------------------------------------------------------


@given(fleets(), queues(), policies)
def test_a_plan_keeps_every_promise(nodes: list[NodeView], queue: list[Waiting], policy: Policy) -> None:
    check(nodes, queue, policy)


@given(fleets(), queues(), policies, st.randoms(use_true_random=False))
def test_the_order_of_the_arguments_is_of_no_account(nodes, queue, policy, chance) -> None:
    shuffled_nodes, shuffled_queue = list(nodes), list(queue)
    chance.shuffle(shuffled_nodes)
    chance.shuffle(shuffled_queue)
    assert plan(nodes, queue, policy=policy) == plan(shuffled_nodes, shuffled_queue, policy=policy)


def left_out(nodes: Sequence[NodeView], queue: Sequence[Waiting]) -> tuple[list[NodeView], list[Alike]]:
    """As few nodes as may be listed, and the rest by kind."""
    most = len(queue)
    groups: defaultdict[tuple[int, int, bool, str, str], list[NodeView]] = defaultdict(list)
    for node in sorted(nodes, key=lambda node: (node.name, node.id)):
        groups[node.width, node.free, node.usable, node.why_not, node.tenant].append(node)
    listed, rest = [], []
    for (width, free, usable, why_not, tenant), alike in groups.items():
        here = alike[:most] if usable and free else []
        listed += here
        rest.append(Alike(width, free, usable, len(alike) - len(here), why_not, tenant))
    return listed, rest


@given(fleets(), fleets(), queues(), policies)
def test_nodes_that_no_plan_comes_to_need_not_be_listed(some, more, queue, policy) -> None:
    nodes = [*some, *(node._replace(id=f"more-{node.id}") for node in more)]
    strangers = [replace(one, avoids=frozenset()) for one in queue[:4]]
    listed, rest = left_out(nodes, strangers)
    assert plan(listed, strangers, policy=policy, rest=rest) == plan(nodes, strangers, policy=policy)


@given(st.integers(1, 40), st.sampled_from((2, 8)), queues(), policies)
def test_many_nodes_alike_are_told_by_the_first_of_them(count, width, queue, policy) -> None:
    nodes = [NodeView(f"id{number}", f"{number}", width, width, True) for number in range(count)]
    strangers = [replace(one, avoids=frozenset()) for one in queue]
    listed, rest = left_out(nodes, strangers)
    assert plan(listed, strangers, policy=policy, rest=rest) == plan(nodes, strangers, policy=policy)


@given(fleets(), queues(), policies)
def test_a_plan_carried_out_leaves_nothing_to_plan(nodes, queue, policy) -> None:
    first = plan(nodes, queue, policy=policy)
    left = [one for one in queue if one.instance in {each.instance for each in first.waits}]
    held = {
        tenant: Quota(
            used_after(tenant, queue, first, policy), maximum(tenant, policy), guarantee(tenant, policy)
        )
        for tenant in TENANTS
    }
    again = plan(after(nodes, first), left, policy=replace(policy, quotas=held))
    assert again == Plan(waits=first.waits)


@given(fleets(), queues(), policies)
def test_every_reason_survives_its_row(nodes, queue, policy) -> None:
    for each in plan(nodes, queue, policy=policy).waits:
        assert Reason.from_json(each.reason.as_json()) == each.reason


@given(st.lists(st.sampled_from((1, 2, 4, 8)), min_size=1, max_size=40), st.integers(1, 6))
def test_powers_of_two_fill_a_fleet_without_loss(sizes: list[int], count: int) -> None:
    """Static fill: best fit refuses nobody whom a pool without node borders would take."""
    nodes = [NodeView(f"{number}", f"{number}", 8, 8, usable=True) for number in range(count)]
    queue = [Waiting(f"i{n}", f"e{n:02}", "default", rdus, n) for n, rdus in enumerate(sizes)]
    assert all(each.reason.code != "fragmented" for each in plan(nodes, queue).waits)


# --- a fleet that lives ---------------------------------------------------------------------------------


class LivingFleet(RuleBasedStateMachine):
    """Nodes come and go, instances arrive and leave, plans are carried out; no RDU is lost or held twice."""

    nodes = Bundle("nodes")

    def __init__(self) -> None:
        super().__init__()
        self.fleet: dict[str, NodeView] = {}
        self.queue: dict[str, Waiting] = {}
        self.placed: dict[str, tuple[str, Waiting]] = {}  # instance: (node, what it wanted)
        self.count = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    @rule(target=nodes, width=st.sampled_from(WIDTHS))
    def add_node(self, width: int) -> str:
        node = f"n{self.number():03}"
        self.fleet[node] = NodeView(node, node, width, width, usable=True)
        return node

    @rule(node=nodes, word=st.sampled_from(("", *WORDS)))
    def change_state(self, node: str, word: str) -> None:
        self.fleet[node] = self.fleet[node]._replace(usable=not word, why_not=word)

    @rule(node=nodes, tenant=st.sampled_from(("", *TENANTS)))
    def assign(self, node: str, tenant: str) -> None:
        """What runs there stays; the driver of moves is another."""
        self.fleet[node] = self.fleet[node]._replace(tenant=tenant)

    @rule(node=consumes(nodes))
    def remove_node(self, node: str) -> None:
        """Its instances wait again, at their old place in the queue."""
        del self.fleet[node]
        for instance, (home, one) in list(self.placed.items()):
            if home == node:
                del self.placed[instance]
                self.queue[instance] = one

    @rule(
        rdus=st.integers(1, 16),
        instances=st.integers(1, 3),
        tenant=st.sampled_from(TENANTS),
        urgent=st.booleans(),
    )
    def arrive(self, rdus: int, instances: int, tenant: str, urgent: bool) -> None:
        number = self.number()
        for ordinal in range(instances):
            instance = f"e{number}/{ordinal}"
            self.queue[instance] = Waiting(
                instance, f"e{number}", tenant, rdus, float(number), ordinal, int(urgent)
            )

    @rule(chance=st.randoms(use_true_random=False))
    def leave(self, chance) -> None:
        if self.placed:
            node, one = self.placed.pop(chance.choice(sorted(self.placed)))
            self.fleet[node] = self.fleet[node]._replace(free=self.fleet[node].free + one.rdus)

    @rule(
        maximum=st.none() | st.integers(10, 40),
        guaranteed=st.integers(0, 10),
        favoured=st.sampled_from(TENANTS),
        spare_nodes=st.integers(0, 1),
    )
    def plan_and_carry_out(
        self, maximum: int | None, guaranteed: int, favoured: str, spare_nodes: int
    ) -> None:
        held: Counter[str] = Counter()
        for _, one in self.placed.values():
            held[one.tenant] += one.rdus
        quotas = {tenant: Quota(held[tenant], maximum) for tenant in TENANTS}
        quotas[favoured] = replace(quotas[favoured], guaranteed=guaranteed)
        policy = Policy(quotas, spare_nodes)
        queue = [replace(one, avoids=self.homes(one.endpoint)) for one in self.queue.values()]
        result = check(list(self.fleet.values()), queue, policy)
        self.fleet = {node.id: node for node in after(list(self.fleet.values()), result)}
        for each in result.placements:
            self.placed[each.instance] = (each.node, self.queue.pop(each.instance))

    def homes(self, endpoint: str) -> frozenset[str]:
        return frozenset(node for node, one in self.placed.values() if one.endpoint == endpoint)

    @invariant()
    def free_and_held_make_the_width(self) -> None:
        held: Counter[str] = Counter()
        for node, one in self.placed.values():
            held[node] += one.rdus
        assert all(node.free + held[node.id] == node.width for node in self.fleet.values())
        assert held.keys() <= self.fleet.keys()
        assert not self.placed.keys() & self.queue.keys()


LivingFleet.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
TestLivingFleet = LivingFleet.TestCase
