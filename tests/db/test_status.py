"""The status people see: the pure rule and its twin in SQL agree on every endpoint there can be."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from endpoints import rules, selectors, statuses
from endpoints.models import Endpoint
from scheduler import placing
from scheduler.rules import STATES
from studio.errors import NotFound
from studio.projects.models import Project
from tests.support.cast import NOW, make_cast
from tests.support.effort import examples

AT_WORK = ("placed", "starting", "warming", "ready", "draining", "lost")
rows = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.sampled_from([1, 2]),  # its configuration; the endpoint's is 2
        st.booleans(),  # on a node, where the state leaves it open
        st.sampled_from(
            [None, {"code": "none_free", "rdus": 1}, {"code": "crash", "sentence": "It crashed."}]
        ),
    ),
    max_size=5,
)
endpoints = st.lists(st.tuples(st.sampled_from(Endpoint.Desired.values), rows), min_size=1, max_size=4)


class StatusAgrees(TestCase):
    @given(endpoints)
    @settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_the_rule_and_the_query_say_the_same_word(self, wished):
        cast = make_cast()
        node = cast.node()
        for desired, instances in wished:
            endpoint = cast.bare_endpoint(
                desired=desired, deleted_at=NOW if desired == "deleted" else None, config_version=2
            )
            for ordinal, (state, config, on_node, reason) in enumerate(instances, 1):
                there = state in AT_WORK or (state == "failed" and on_node)
                cast.instance(
                    endpoint, ordinal=ordinal, state=state, config_version=config, reason=reason,
                    node=node if there else None,
                )  # fmt: skip
        counted = statuses.tallies(list(Endpoint.objects.all()))
        words = {pk: rules.status(tally) for pk, tally in counted.items()}
        for word in {word for word, _ in rules.STATUSES}:
            having = statuses.having(Endpoint.objects.all(), word).values_list("pk", flat=True)
            assert sorted(having) == sorted(pk for pk, said in words.items() if said == word)
        answering = selectors.answering(cast.olga, len(words))
        live = {pk for pk, said in words.items() if said in (rules.LIVE, rules.UPDATING)}
        assert set(answering) == live


def test_a_page_of_endpoints_costs_the_same_queries_however_many(cast, django_assert_num_queries):
    node, owen = cast.node(), cast.owen
    for _ in range(3):
        endpoint = cast.endpoint(instances=3)
        endpoint.rows.update(state="ready", node=node, port=9001)
    # what is shared with owen, once; endpoints; instances with their nodes; allocations
    with django_assert_num_queries(4):
        first = selectors.views(selectors.visible(owen)[:1], whole=True)
    with django_assert_num_queries(3):
        whole = selectors.views(selectors.visible(owen), whole=True)
    with django_assert_num_queries(2):
        plain = selectors.views(selectors.visible(owen))
        assert [view.predict_path for view in plain]
        assert {view.endpoint.project.tenant.name for view in plain} == {"default"}
    assert (len(first), len(whole), len(plain)) == (1, 3, 3)
    assert whole[0].tally == "3 of 3 instances"


def test_fifteen_of_forty_and_each_other_says_why(cast):
    cast.node("a", 8)
    cast.node("b", 8, state="cordoned")
    hello = cast.endpoint(instances=40)
    other = cast.endpoint(parameters={"model_parallel_rdus": 1})
    assert placing.place_pending("SN40L") == 8
    hello.rows.filter(state="placed").update(state="ready", port=9001)
    view = selectors.view(hello)
    assert (view.status, view.tally, len(view.waiting)) == ("Live", "8 of 40 instances", 32)
    assert [each.position for each in sorted(view.waiting, key=lambda each: each.position)] == list(
        range(1, 33)
    )
    assert view.waiting[0].reason == (
        "Nothing is free: it needs 1 RDU in a single node, all 8 SN40L RDUs are in use (not counted: 1 node cordoned)."
        " First in the queue."
    )
    assert selectors.view(other).reason.endswith("Position 33 in the queue.")


def test_a_name_that_fits_several_endpoints_names_them(cast):
    project = cast.project_of("owen", name="second")
    cast.endpoint(name="hello")
    cast.endpoint(name="Hello", project=project)
    with pytest.raises(NotFound, match=r"(demo/hello|second/Hello) \(.*(demo/hello|second/Hello)"):
        selectors.named(cast.owen, "hello")
    assert selectors.named(cast.owen, "hello", project).name == "Hello"
    assert Project.objects.count() == 2
