"""What a sighting by the agent means: legal, of this attempt only, and the same when it is seen again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import wire
from scheduler.advance import NOTHING, Standing, advance
from scheduler.rules import ARROWS

NOW = datetime(2024, 1, 2, tzinfo=UTC)
ON_NODE = ("placed", "starting", "warming", "ready", "draining", "failed", "lost")
SEEN = ("absent", "verifying", "starting", "warming", "ready", "draining", "exited", "stopped")

standings = st.builds(
    Standing,
    state=st.sampled_from(ON_NODE),
    attempt=st.integers(1, 3),
    crashes=st.integers(0, 6),
    ready_at=st.none() | st.sampled_from([NOW, NOW - timedelta(hours=1)]),
    host=st.sampled_from(["", "127.0.0.1"]),
    port=st.sampled_from([0, 9001]),
    pid=st.sampled_from([0, 7]),
    progress=st.none() | st.just({"phase": "verify", "done": 1, "total": 2}),
)
sightings = st.builds(
    wire.Seen,
    id=st.just("i"),
    attempt=st.integers(1, 3),
    state=st.sampled_from(SEEN),
    host=st.sampled_from(["", "127.0.0.1"]),
    port=st.sampled_from([0, 9001, 9002]),
    pid=st.sampled_from([0, 7]),
    progress=st.none() | st.builds(wire.Progress, st.just("verify"), st.integers(0, 2), st.just(2)),
    error=st.sampled_from(["", "crash", "manifest", "launch", "machine"]),
    sentence=st.sampled_from(["", "It does not answer."]),
    log_tail=st.lists(st.text(max_size=3), max_size=3),
)


def after(row: Standing, change) -> Standing:
    """The row as the driver would leave it."""
    kept = {name: value for name, value in change.fields.items() if name in Standing.__slots__}
    return replace(row, **kept, **({"state": change.state} if change.state else {}))


def row(state: str, **facts) -> Standing:
    return Standing(**{"state": state, "attempt": 1, "crashes": 0, "ready_at": None, "host": "", "port": 0,
                       "pid": 0, "progress": None} | facts)  # fmt: skip


def seen(state: str, **facts) -> wire.Seen:
    return wire.Seen(**{"id": "i", "attempt": 1, "state": state} | facts)


# --- always --------------------------------------------------------------------------------------------------


@given(standings, sightings)
def test_every_arrow_it_draws_is_in_the_table(row, seen):
    change = advance(row, seen, NOW)
    assert change.state in ("", *ARROWS[row.state])


@given(standings, sightings)
def test_a_sighting_of_another_attempt_changes_nothing(row, seen):
    if seen.attempt != row.attempt:
        assert advance(row, seen, NOW) is NOTHING


@given(standings, sightings)
def test_the_same_sighting_again_changes_nothing_more(row, seen):
    change = advance(row, seen, NOW)
    if not change.released:  # then the row has left the node
        assert not advance(after(row, change), seen, NOW)


@given(standings, sightings)
def test_rdus_are_released_only_of_what_leaves_and_has_no_process(row, seen):
    change = advance(row, seen, NOW)
    if change.released:
        assert row.state in ("draining", "failed")
        assert seen.state in ("stopped", "exited")
        assert seen.attempt == row.attempt


@given(standings, sightings)
def test_a_new_attempt_is_wished_aloud(row, seen):
    change = advance(row, seen, NOW)
    if change.fields.get("attempt", row.attempt) != row.attempt:
        assert change.wish_moved
        assert change.state == "placed"
        assert change.fields["port"] == 0


@given(standings, sightings)
def test_what_gateways_route_by_is_never_changed_silently(row, seen):
    change = advance(row, seen, NOW)
    new = after(row, change)
    if (row.state == "ready") != (new.state == "ready") or (new.state == "ready" and new.port != row.port):
        assert change.seen_outside


# --- by example ------------------------------------------------------------------------------------------------


def test_a_start_is_followed_to_ready():
    placed = row("placed")
    starting = advance(placed, seen("verifying", progress=wire.Progress("verify", 1, 2)), NOW)
    assert (starting.state, starting.fields["progress"]["done"]) == ("starting", 1)
    ready = advance(after(placed, starting), seen("ready", host="127.0.0.1", port=9001, pid=7), NOW)
    assert (ready.state, ready.fields["port"], ready.fields["ready_at"]) == ("ready", 9001, NOW)
    assert ready.seen_outside


def test_a_crash_is_tried_again_after_a_pause():
    first = advance(
        row("ready", ready_at=NOW, port=9001), seen("exited", error="crash", sentence="Killed."), NOW
    )
    assert (first.state, first.fields["attempt"], first.fields["retry_at"]) == ("placed", 2, None)
    assert first.fields["reason"] == {"code": "crash", "sentence": "Killed."}
    second = advance(row("starting", attempt=2, crashes=1), seen("exited", attempt=2, error="crash"), NOW)
    assert second.fields["retry_at"] == NOW + timedelta(seconds=1)


def test_the_sixth_crash_in_a_row_is_the_last():
    last = advance(row("starting", crashes=5), seen("exited", error="crash", log_tail=["out of memory"]), NOW)
    assert (last.state, last.fields["log_tail"]) == ("failed", ["out of memory"])
    assert not last.released, "its RDUs stay until the agent says that nothing lives"


def test_an_hour_of_service_forgives():
    row_ = row("ready", crashes=5, ready_at=NOW - timedelta(hours=1))
    assert advance(row_, seen("exited", error="crash"), NOW).fields["crashes"] == 1


@pytest.mark.parametrize("error", ["manifest", "launch"])
def test_what_would_fail_again_fails_at_once(error):
    assert advance(row("starting"), seen("exited", error=error), NOW).state == "failed"


def test_going_down_with_the_machine_costs_nothing():
    change = advance(row("ready", crashes=3), seen("exited", error="machine"), NOW)
    assert (change.state, change.fields["crashes"], change.fields["reason"]) == ("placed", 3, None)
    assert change.fields["retry_at"] is None


def test_a_ready_server_is_not_doubted_because_its_agent_looks_anew():
    assert not advance(row("ready", port=9001, pid=7, host="127.0.0.1"), seen("starting"), NOW).state


def test_a_server_that_stopped_answering_is_not_ready():
    change = advance(row("ready"), seen("starting", sentence="It does not answer."), NOW)
    assert (change.state, change.fields["reason"]["code"], change.seen_outside) == (
        "starting",
        "silent",
        True,
    )


def test_an_agent_that_knows_nothing_of_it_begins_anew():
    change = advance(row("ready", port=9001), seen("absent"), NOW)
    assert (change.state, change.fields["port"], change.seen_outside) == ("placed", 0, True)


def test_a_lost_instance_that_still_serves_is_taken_back():
    assert advance(row("lost"), seen("ready", port=9001), NOW).state == "ready"
    assert advance(row("lost"), seen("absent"), NOW).state == "placed"


def test_what_drains_is_over_once_nothing_lives():
    assert advance(row("draining"), seen("draining"), NOW) is NOTHING
    over = advance(row("draining", port=9001), seen("stopped"), NOW)
    assert (over.state, over.released, over.fields["port"]) == ("stopped", True, 0)
    assert advance(row("draining"), seen("exited"), NOW).released


def test_an_old_exit_frees_nothing_while_the_next_attempt_may_live():
    """The wish for attempt 2 went out, then the instance was to end; an older report is read last."""
    assert advance(row("draining", attempt=2), seen("exited", attempt=1), NOW) is NOTHING
    assert advance(row("draining", attempt=2), seen("stopped", attempt=1), NOW) is NOTHING


def test_what_failed_gives_its_rdus_back_and_stays_to_be_seen():
    change = advance(row("failed"), seen("stopped"), NOW)
    assert (change.state, change.released) == ("", True)
    assert not advance(row("failed"), seen("exited", error="crash"), NOW)
