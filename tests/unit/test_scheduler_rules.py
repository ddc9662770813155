"""States and arrows, joining, silence, deadlines, restarts, and the sentences of those that wait."""

import shlex
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import planner, rules
from scheduler.rules import ARROWS, STATES, IllegalArrow, check_arrow, heard_state, is_stuck
from studio.errors import Invalid

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


# --- arrows -------------------------------------------------------------------------------------------------


@given(st.sampled_from(STATES), st.sampled_from(STATES))
def test_only_the_arrows_of_the_table_may_be_drawn(before, after):
    if after in ARROWS[before]:
        check_arrow(before, after)
    else:
        with pytest.raises(IllegalArrow, match=f"{before} → {after}"):
            check_arrow(before, after)


def test_an_unknown_state_has_no_arrow():
    with pytest.raises(IllegalArrow):
        check_arrow("dreaming", "ready")


def test_every_arrow_has_an_owner_and_leads_to_a_state():
    for targets in ARROWS.values():
        assert set(targets) <= set(STATES)
        assert set(targets.values()) <= {"planner", "agent", "control"}


def test_stopped_is_the_end_and_every_state_leads_there():
    assert ARROWS["stopped"] == {}
    reached, edge = {"stopped"}, {"stopped"}
    while edge:
        edge = {state for state in STATES if edge & set(ARROWS[state])} - reached
        reached |= edge
    assert reached == set(STATES)


def test_only_the_planner_places_and_nothing_goes_back_to_waiting():
    assert ARROWS["awaiting"]["placed"] == "planner"
    assert not any("awaiting" in targets for targets in ARROWS.values())


# --- silence ------------------------------------------------------------------------------------------------


def test_a_word_ends_the_silence():
    assert rules.silence(28.0, heard=True, elapsed=2.0, interval=2.0) == 0.0


def test_silence_counts_what_control_could_have_heard():
    assert rules.silence(4.0, heard=False, elapsed=2.0, interval=2.0) == 6.0
    assert rules.silence(4.0, heard=False, elapsed=3600.0, interval=2.0) == 8.0, "control was away"


@pytest.mark.parametrize(
    ("silent", "known", "frozen"),
    [
        (1, 1, False), (1, 2, False), (2, 2, True), (1, 3, False),
        (2, 6, False), (3, 6, True), (33, 99, False), (34, 99, True),
    ],
)  # fmt: skip
def test_clocks_freeze_when_more_than_a_third_falls_silent_together(silent, known, frozen):
    assert rules.too_many_silent(silent, known) is frozen


@pytest.mark.parametrize(
    ("state", "seconds", "after"),
    [
        ("ready", 0, "ready"), ("ready", 9.9, "ready"), ("ready", 10, "suspect"), ("ready", 30, "lost"),
        ("suspect", 0, "ready"), ("suspect", 12, "suspect"), ("suspect", 31, "lost"),
        ("lost", 31, "lost"), ("lost", 0, "returning"),
        ("returning", 0, "returning"), ("returning", 12, "returning"), ("returning", 30, "lost"),
        ("joining", 99, "joining"), ("removed", 99, "removed"),
    ],
)  # fmt: skip
def test_what_was_heard_of_a_node_says_its_state(state, seconds, after):
    assert heard_state(state, "ready", seconds) == after


@pytest.mark.parametrize("intent", ["cordoned", "draining"])
def test_a_node_comes_back_to_what_the_operator_meant(intent):
    assert heard_state(intent, intent, 11) == "suspect"
    assert heard_state("suspect", intent, 0) == intent


@given(
    st.sampled_from(rules.NODE_STATES), st.sampled_from(["ready", "cordoned", "draining"]), st.floats(0, 99)
)
def test_nothing_heard_ends_a_return_or_a_join(state, intent, seconds):
    after = heard_state(state, intent, seconds)
    assert after in rules.NODE_STATES
    if state in ("lost", "returning", "joining", "removed"):
        assert after not in ("ready", "cordoned", "draining")


# --- restarts and deadlines -----------------------------------------------------------------------------------


def test_pauses_grow_and_then_the_budget_is_used_up():
    pauses = [rules.restart_delay(crashes) for crashes in range(1, 7)]
    assert pauses[-1] is None
    assert pauses[:-1] == sorted(pauses[:-1])


def test_ten_minutes_of_service_forgive_the_crashes_before():
    assert rules.crashes_so_far(4, NOW - rules.STEADY_AFTER, NOW) == 0
    assert rules.crashes_so_far(4, ago(599), NOW) == 4
    assert rules.crashes_so_far(4, None, NOW) == 4


@pytest.mark.parametrize(
    ("state", "seconds", "was_ready", "stuck"),
    [
        ("placed", 30, False, False), ("placed", 31, False, True),
        ("starting", 119, False, False), ("starting", 121, False, True), ("starting", 16, True, True),
        ("warming", 60, False, False), ("warming", 61, False, True),
        ("ready", 10**6, True, False), ("draining", 10**6, True, False), ("lost", 10**6, True, False),
    ],
)  # fmt: skip
def test_what_stands_still_too_long_is_stuck(state, seconds, was_ready, stuck):
    assert is_stuck(state, ago(seconds), None, 120, was_ready, NOW) is stuck


def test_a_big_start_that_moves_is_never_stuck():
    assert not is_stuck("starting", ago(7200), ago(100), 120, False, NOW)
    assert is_stuck("starting", ago(7200), ago(121), 120, False, NOW)
    assert is_stuck("starting", ago(121), ago(7200), 120, False, NOW), "progress of an older attempt"


# --- sentences -----------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from([2, 4, 8]), st.integers(0, 8), st.booleans()), max_size=4),
    st.integers(1, 16),
)
def test_every_reason_of_the_planner_has_a_sentence_with_its_numbers(fleet, rdus):
    nodes = [
        planner.NodeView(str(n), f"n{n}", width, min(free, width), usable, "" if usable else "cordoned")
        for n, (width, free, usable) in enumerate(fleet)
    ]
    found = planner.plan(nodes, [planner.Waiting("i", "e", "t", rdus, 1.0)])
    for wait in found.waits:
        sentence = rules.reason_sentence(wait.reason.as_json(), "SN40L")
        assert sentence.endswith(".")
        assert rules.counted(rdus, "RDU") in sentence
        assert wait.reason.code == "no_nodes" or "SN40L" in sentence


def test_every_code_of_the_planner_has_its_sentence():
    assert set(planner.Code.__args__) <= set(rules.WAITING_SENTENCES)


def test_other_reasons_bring_their_own_sentence():
    assert rules.reason_sentence({"code": "manifest", "sentence": "model.gguf was changed."}, "SN40L") == (
        "model.gguf was changed."
    )
    assert rules.reason_sentence(None, "SN40L") == ""


@pytest.mark.parametrize(
    ("code", "room"), [("none_free", True), ("fragmented", True), ("too_wide", False), ("no_nodes", False)]
)
def test_only_a_release_helps_those_that_wait_for_room(code, room):
    assert rules.waits_for_room({"code": code}) is room
    assert rules.waits_for_room(None) is False


def test_places_in_the_queue_are_counted_from_one():
    assert [rules.in_queue(n) for n in (None, 0, 1, 7)] == [
        "",
        "",
        "First in the queue.",
        "Position 7 in the queue.",
    ]


# --- joining ------------------------------------------------------------------------------------------------

BROKERS = st.one_of(
    st.just("redis://broker:6379/0"),
    st.text(string.printable, max_size=30).map(lambda path: f"redis+socket:///{path}"),
)


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True),
    st.sampled_from(["", "10.0.0.4"]),
    BROKERS,
)
def test_a_shell_reads_the_command_as_it_was_meant(node, address, broker):
    *told, python, option, module = shlex.split(rules.join_command(node, address, broker))
    assert [python, option, module] == ["python", "-m", "scheduler.agent"]
    environment = dict(each.split("=", 1) for each in told)
    assert environment["STUDIO_NODE"] == node
    assert environment["STUDIO_NODE_TOKEN_FILE"] == "-"
    assert environment["STUDIO_NODE_DIR"] == f"$HOME/studio-nodes/{node}"
    assert environment.get("STUDIO_NODE_ADDRESS", "") == address
    assert "@" in broker or environment["STUDIO_BROKER_URL"] == broker


@pytest.mark.parametrize("user", ["", "default"])
def test_the_command_tells_no_password(user):
    command = rules.join_command("n1", "", f"rediss://{user}:hunter2@broker:6380/1")
    assert "hunter2" not in command
    assert f"STUDIO_BROKER_URL=rediss://{user}:PASSWORD@broker:6380/1" in command


@pytest.mark.parametrize("address", ["", " 10.0.0.4 ", "node-1.rack.internal", "2001:db8::4"])
def test_an_address_is_a_host(address):
    assert rules.clean_address("address", address) == address.strip()


@pytest.mark.parametrize("address", ["http://node", "node/1", "a b", "-x", "$(reboot)", "x" * 65, "ü"])
def test_anything_else_is_no_address(address):
    with pytest.raises(Invalid) as refusal:
        rules.clean_address("address", address)
    assert set(refusal.value.fields) == {"address"}


@pytest.mark.parametrize(
    ("state", "seconds", "answers"),
    [
        ("ready", 1, True),
        ("ready", 31, False),
        ("draining", 29, True),
        ("lost", 1, False),
        ("joining", 1, False),
    ],
)
def test_a_node_answers_if_it_was_heard_lately(state, seconds, answers):
    assert rules.answers(state, ago(seconds), NOW) is answers
    assert not rules.answers(state, None, NOW)
