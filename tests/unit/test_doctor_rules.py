"""The doctor's checks alone: nothing is a wedge before its time, and each says its numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.rules import STATES
from studio.doctor import rules
from studio.doctor.rules import GRACE, SWEEPS, Finding, Standing

NOW = datetime(2026, 11, 7, 9, 30, tzinfo=UTC)
LEASE = timedelta(seconds=15)


def standing(state: str, seconds: float, **facts: object) -> Standing:
    node = {} if state == "awaiting" else {"node": "n1", "node_state": "ready"}
    return Standing(**{"id": "i", "state": state, "since": NOW - timedelta(seconds=seconds)} | node | facts)


@given(st.sampled_from(STATES), st.floats(0, 30), st.booleans(), st.integers(0, 3600))
def test_nothing_is_stuck_in_its_first_half_minute(
    state: str, seconds: float, ready: bool, drain: int
) -> None:
    row = standing(state, seconds, was_ready=ready, drain_seconds=drain)
    assert rules.check_instance(row, NOW) is None


@given(
    st.sampled_from(STATES),
    st.integers(0, 10**7),
    st.sampled_from(["suspect", "lost", "returning", "joining"]),
)
def test_where_the_node_does_not_answer_clocks_stand_still(state: str, seconds: int, node_state: str) -> None:
    found = rules.check_instance(standing(state, seconds, node_state=node_state), NOW)
    assert found is None or found.code == "instance-unplanned"


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        (standing("placed", 0), 30),
        (standing("starting", 0, start_seconds=200), 200),
        (standing("starting", 0, was_ready=True), 15),
        (standing("warming", 0), 60),
        (standing("draining", 0, drain_seconds=300, stop_seconds=5), 305),
        (standing("draining", 0, stop_seconds=5), 5),
        (standing("lost", 0), 0),
        (standing("awaiting", 0), 0),
    ],
)
def test_each_state_has_its_deadline_and_half_a_minute_more(row: Standing, limit: int) -> None:
    at = NOW + timedelta(seconds=limit) + GRACE
    assert rules.check_instance(row, at) is None
    found = rules.check_instance(row, at + timedelta(seconds=1))
    assert found is not None
    assert f"{limit + 31} seconds" in found.sentence


@pytest.mark.parametrize("state", ["ready", "failed", "stopped"])
def test_what_rests_is_never_stuck(state: str) -> None:
    assert rules.check_instance(standing(state, 10**7), NOW) is None


def test_what_waits_for_a_reason_waits_as_long_as_it_takes() -> None:
    assert rules.check_instance(standing("awaiting", 10**7, has_reason=True), NOW) is None


@given(st.integers(1, 64), st.integers(0, 64), st.integers(0, 64))
def test_a_counter_is_right_or_named_with_the_right_number(width: int, free: int, held: int) -> None:
    found = rules.check_free("n1", width, free, held)
    assert (found is None) == (free == width - held)
    assert found is None or f"so {width - held} are" in found.sentence


@given(st.integers(1, 64), st.sets(st.integers(0, 70)))
def test_rows_are_those_of_the_width(width: int, indices: set[int]) -> None:
    found = rules.check_rdus("n1", width, indices)
    assert (found is None) == (indices == set(range(width)))


@given(st.integers(0, 9), st.integers(0, 9), st.one_of(st.none(), st.integers(-60, 120)))
def test_a_plan_is_behind_only_where_nobody_works_on_it(
    demand: int, planned: int, seconds: int | None
) -> None:
    held_until = None if seconds is None else NOW + timedelta(seconds=seconds)
    works = seconds is not None and 0 <= seconds <= 45
    found = rules.check_plan("SN40L", demand, planned, held_until, NOW, LEASE)
    assert (found is None) == (demand == planned or works)


@pytest.mark.parametrize("name", list(SWEEPS))
def test_a_sweep_is_stale_after_four_rounds_and_a_minute(name: str) -> None:
    limit = 4 * SWEEPS[name] + 60
    fresh = dict.fromkeys(SWEEPS, NOW)
    at_limit, over = NOW - timedelta(seconds=limit), NOW - timedelta(seconds=limit + 1)
    assert rules.check_sweeps(fresh | {name: at_limit}, NOW, NOW) == []
    (late,) = rules.check_sweeps(fresh | {name: over}, NOW, NOW)
    assert (late.code, late.subject) == ("sweep-stale", name)
    (early,) = rules.check_sweeps(fresh | {name: NOW + timedelta(minutes=1)}, NOW, NOW)
    assert "in the future" in early.sentence
    del fresh[name]
    assert rules.check_sweeps(fresh, at_limit, NOW) == []
    (never,) = rules.check_sweeps(fresh, over, NOW)
    assert "never ran" in never.sentence


def test_only_what_both_looks_find_alike_lasts() -> None:
    stays, moves = Finding("a", "x", "It is.", "1"), Finding("a", "y", "It is.", "1")
    moved, new = Finding("a", "y", "It is.", "2"), Finding("b", "x", "It is.", "1")
    assert rules.lasting([stays, moves], [stays, moved, new]) == [stays]
