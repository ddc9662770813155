"""What holds for every fleet and every queue; what must be true of a plan stands in tests/support/planning.py."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduler.planner import Alike, NodeView, Plan, Policy, Quota, Reason, Waiting, plan
from tests.support.planning import (
    TENANTS,
    after,
    check,
    fleets,
    guarantee,
    maximum,
    policies,
    queues,
    used_after,
)

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
