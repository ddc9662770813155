"""What the Edit endpoint window foretells, against what then happens on simulated nodes."""

import hypothesis
import pytest
from django.db import connection, transaction
from hypothesis import strategies as st

from endpoints import rules, services
from endpoints.models import Endpoint
from endpoints.specs import Edit
from scheduler.models import Instance
from scheduler.services import add_node
from tests.support.cast import Cast, make_cast
from tests.support.control import Control
from tests.support.effort import examples
from tests.support.fleet import Agent, agent_of

pytestmark = pytest.mark.django_db

ROUNDS = 60
QUIET = 6  # rounds in which nothing moves, then nothing will


class Platform:
    """Nodes of these widths, each with its simulated agent."""

    def __init__(self, broker, control: Control, widths: list[int]) -> None:
        self.control, self.cast = control, make_cast()
        self.agents: list[Agent] = []
        for number, width in enumerate(widths):
            node, _ = add_node(
                actor=self.cast.otto, name=f"n{number}", generation="SN40L", width=width, now=control.now
            )
            self.agents.append(agent_of(broker, node))
            self.agents[-1].say()
        self.control.take(*self.agents)

    def settle(self, endpoint: Endpoint) -> list[int]:
        """Everybody works until nothing moves; how many instances answered in each round."""
        ready, seen = [], []
        while len(seen) < ROUNDS and not (len(seen) > QUIET and seen[-QUIET:] == QUIET * seen[-1:]):
            self.control.deliver()
            for agent in self.agents:
                agent.round()
            self.control.take(*self.agents)
            self.control.sweep()
            rows = Instance.objects.exclude(state="stopped").order_by("pk")
            ready.append(rows.filter(endpoint=endpoint, state="ready").count())
            seen.append(list(rows.values_list("pk", "state", "node")))
        assert len(seen) < ROUNDS, "something goes on for ever"
        return ready


def foretold_and_seen(broker, widths, filler, before, edit) -> tuple[rules.Forecast, int, list[int]]:
    """(forecast, instances that answered before, answering in each round after)"""
    with transaction.atomic(), Control(broker) as control:
        broker.flushall()
        platform = Platform(broker, control, widths)
        cast: Cast = platform.cast
        if filler:
            cast.endpoint(name="filler", parameters={"model_parallel_rdus": filler})
        rdus, instances = before
        endpoint = cast.endpoint(
            name="hello", instances=instances, parameters={"model_parallel_rdus": rdus}, model_version=1
        )
        answered = platform.settle(endpoint)[-1]
        endpoint = Endpoint.objects.select_related("model_version__model__app", "project__tenant").get(
            pk=endpoint.pk
        )
        foretold = services.foresee_edit(actor=cast.owen, endpoint=endpoint, edit=edit).forecast
        services.update_endpoint(actor=cast.owen, endpoint=endpoint, edit=edit, now=control.now)
        after = platform.settle(endpoint)
        connection.run_on_commit = []
        transaction.set_rollback(True)
    return foretold, answered, after


def check(foretold: rules.Forecast, answered: int, wanted: int, after: list[int]) -> None:
    lowest = min(after)
    match foretold.effect:
        case rules.NOTHING | rules.UNTOUCHED | rules.MORE:
            assert lowest >= answered
        case rules.FEWER | rules.ROLLS:
            assert lowest >= min(answered, 1)
        case rules.REPLACES:
            assert answered == 0
        case rules.IN_TURN:
            assert 1 <= lowest < answered
        case rules.GAP:
            assert (lowest, after[-1] > 0, answered > 0) == (0, True, True)
        case rules.WAITS:
            assert after[-1] == lowest == min(answered, wanted)
        case _:
            raise AssertionError(f"not foretold in this test: {foretold.effect}")


EDITS = st.fixed_dictionaries(
    {},
    optional={
        "model_version": st.sampled_from([1, 2]),
        "parameters": st.sampled_from([1, 2, 3, 4, 8]).map(lambda rdus: {"model_parallel_rdus": rdus}),
        "instances": st.integers(1, 4),
        "description": st.just("other words"),
    },
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@hypothesis.settings(
    max_examples=examples(6, at_most=60),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(
    widths=st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=3),
    filler=st.sampled_from([0, 0, 1, 2, 4]),
    before=st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 4)),
    edit=EDITS,
)
def test_what_is_foretold_is_what_happens(control_broker, widths, filler, before, edit):
    foretold, answered, after = foretold_and_seen(control_broker, widths, filler, before, Edit(**edit))
    check(foretold, answered, edit.get("instances", before[1]), after)


def further(*cases: tuple[object, ...]) -> list[object]:
    return [pytest.param(*case, marks=pytest.mark.alike) for case in cases]


@pytest.mark.parametrize(
    ("widths", "before", "edit", "effect"),
    [
        ([8], (2, 2), {"model_version": 2}, rules.ROLLS),
        ([8], (4, 2), {"model_version": 2}, rules.IN_TURN),
        *further(
            ([8], (4, 2), {"parameters": {"model_parallel_rdus": 8}, "instances": 1}, rules.GAP),
            ([8], (8, 1), {"model_version": 2}, rules.GAP),
            ([4, 4], (4, 2), {"parameters": {"model_parallel_rdus": 8}}, rules.WAITS),
            ([8], (4, 2), {"model_version": 2, "instances": 1}, rules.ROLLS),
            ([8], (2, 2), {"instances": 4}, rules.MORE),
            ([8], (2, 4), {"instances": 2}, rules.FEWER),
            ([2], (4, 1), {"model_version": 2}, rules.REPLACES),
        ),
    ],
)
def test_each_effect(control_broker, widths, before, edit, effect):
    foretold, answered, after = foretold_and_seen(control_broker, widths, 0, before, Edit(**edit))
    assert foretold.effect == effect
    check(foretold, answered, edit.get("instances", before[1]), after)


@pytest.mark.parametrize(
    ("verb", "edit", "effect"),
    [
        ("", {"instances": 0}, rules.STOPS),
        ("stop", {"instances": 1}, rules.STARTS),
        ("stop", {"model_version": 1}, rules.LATER),
        ("stop", {}, rules.NOTHING),
    ],
)
def test_stopping_and_starting_are_foretold(cast, verb, edit, effect):
    endpoint = cast.endpoint()
    if verb:
        services.stop_endpoint(actor=cast.owen, endpoint=endpoint, now=endpoint.created_at)
        endpoint.refresh_from_db()
    prospect = services.foresee_edit(actor=cast.owen, endpoint=endpoint, edit=Edit(**edit))
    assert prospect.forecast.effect == effect
    endpoint.refresh_from_db()
    assert endpoint.spec_version == (2 if verb else 1), "asking changes nothing"
