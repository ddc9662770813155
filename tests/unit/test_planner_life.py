"""A fleet that lives: nodes come, go and change hands, instances arrive and leave, plans are carried out."""

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from scheduler.planner import NodeView, Policy, Quota, Waiting
from tests.support.effort import examples
from tests.support.planning import TENANTS, WIDTHS, WORDS, after, check


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
        relieves=st.just(0) | st.integers(1, 16),
    )
    def arrive(self, rdus: int, instances: int, tenant: str, urgent: bool, relieves: int) -> None:
        number = self.number()
        for ordinal in range(instances):
            instance = f"e{number}/{ordinal}"
            self.queue[instance] = Waiting(
                instance, f"e{number}", tenant, rdus, float(number), ordinal, int(urgent), relieves=relieves
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
