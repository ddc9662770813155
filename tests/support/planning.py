"""Fleets, queues and policies of every kind, and the planner's promises worked out anew, slowly and plainly."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from scheduler.planner import Code, NodeView, Plan, Policy, Quota, Reason, Wait, Waiting, plan

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
            relieves=draw(st.just(0) | st.integers(0, 17)),
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


def gets_past(one: Waiting, used: int, most: int) -> bool:
    """At its maximum: in the place of one that it relieves, and while nobody else is past it."""
    return one.relieves > 0 and used <= most and used + one.rdus <= most + one.relieves


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
    elif most is not None and used + one.rdus > most and not gets_past(one, used, most):
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
    """Past its maximum a tenant comes by the last of its placements alone, and only until it gives back as much."""
    queued, placed = {one.instance: one for one in queue}, defaultdict(list)
    for each in result.placements:
        placed[queued[each.instance].tenant].append(queued[each.instance])
    for tenant, ones in placed.items():
        most, used = maximum(tenant, policy), used_after(tenant, queue, result, policy)
        if most is not None and used > most:
            assert used - ones[-1].rdus <= most
            assert used - ones[-1].relieves <= most


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
