"""The two sums that spare a create its plan, against the plan."""

import hypothesis
import pytest
from django.db import transaction
from hypothesis import strategies as st

from scheduler import selectors
from scheduler.models import Node, Quota
from scheduler.room import surely_fits
from scheduler.rules import NodeState
from tests.support.cast import Cast, make_cast
from tests.support.effort import examples

pytestmark = pytest.mark.django_db

NODES = st.lists(
    st.tuples(
        st.sampled_from([4, 8, 16]),
        st.integers(0, 16),
        st.sampled_from(["ready", "cordoned"]),
        st.sampled_from([None, None, "default", "research"]),
    ),
    max_size=4,
)


def both(
    cast: Cast, *, rdus: int, instances: int, min_width: int = 0, others: tuple[int, ...] = ()
) -> tuple[bool, bool]:
    """(surely fits, the planner leaves none of it waiting)"""
    for want in others:
        cast.instance(cast.bare_endpoint(rdus=want), state="awaiting")
    own = cast.bare_endpoint(rdus=rdus)
    cast.instance(own, state="awaiting")
    wish = {"generation": "SN40L", "min_width": min_width, "rdus": rdus, "instances": instances}
    preview = selectors.preview(cast.owen, **wish, endpoint=own.pk)
    return surely_fits(**wish, tenant=cast.owen.tenant, without=own.pk), not preview.waits


@hypothesis.settings(
    max_examples=examples(40, at_most=400),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    nodes=NODES,
    rdus=st.sampled_from([1, 2, 3, 8]),
    instances=st.integers(0, 6),
    min_width=st.sampled_from([0, 8, 16]),
    others=st.lists(st.sampled_from([1, 2, 5, 16]), max_size=4).map(tuple),
    maximum=st.none() | st.integers(0, 20),
)
def test_what_surely_fits_waits_for_nothing(db, nodes, rdus, instances, min_width, others, maximum):
    with transaction.atomic():
        cast = make_cast()
        for number, (width, free, state, tenant) in enumerate(nodes):
            Node.objects.create(
                name=f"n{number}", generation_id="SN40L", width=width, free=min(free, width), virtual=True,
                state=state, sealed_token=b"-", tenant=cast.tenants.get(tenant),
            )  # fmt: skip
        Quota.objects.create(tenant=cast.tenants["default"], generation_id="SN40L", maximum=maximum)
        sure, fits = both(cast, rdus=rdus, instances=instances, min_width=min_width, others=others)
        transaction.set_rollback(True)
    assert fits or not sure
    assert sure or not fits or others, "where nobody else waits it is as good as the plan"


def test_there_is_room_beside_those_who_wait_before(cast: Cast) -> None:
    cast.node(width=8)
    assert both(cast, rdus=2, instances=2, others=(3, 16)) == (True, True)


def test_a_node_that_takes_nothing_now_is_no_room(cast: Cast) -> None:
    cast.node(width=8, state=NodeState.CORDONED)
    assert both(cast, rdus=1, instances=1) == (False, False)


def test_a_preview_draws_where_something_lands_else_what_is_there(cast):
    for name in ("a", "b", "c"):
        cast.node(name, width=8)
    wish = {"generation": "SN40L", "min_width": 0, "rdus": 8}

    def drawn(**more: int) -> list[tuple[str, list[int]]]:
        preview = selectors.preview(cast.owen, **wish | more)
        return [(node.name, node.lands) for node in preview.nodes]

    assert drawn(instances=2) == [("a", [1]), ("b", [2])]
    assert [name for name, _ in drawn(instances=1, rdus=16)] == ["a", "b", "c"], "where all of it waits"
    assert drawn(instances=0) == []
