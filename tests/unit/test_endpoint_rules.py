"""The endpoint's status word, and the steps from what is to what is wished."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from endpoints import rules
from endpoints.rules import Opening, Part, Tally, next_step, status
from studio.errors import Invalid
from tests.support.effort import examples

# --- status -------------------------------------------------------------------------------------------------

RUNNING = Tally(desired="running")
TABLE = [
    ("Deleting", Tally(desired="deleted", ready=1, coming=1)),
    ("Stopping", Tally(desired="stopped", draining=1)),
    ("Stopping", Tally(desired="stopped", coming=1)),
    ("Stopping", Tally(desired="stopped", ready=1)),
    ("Stopping", Tally(desired="stopped", failed=1, failed_held=1)),
    ("Stopped", Tally(desired="stopped", failed=1)),
    ("Stopped", Tally(desired="stopped", awaiting=1)),
    ("Stopped", Tally(desired="stopped")),
    ("Updating", replace(RUNNING, ready=1, coming=1, outdated=1)),
    ("Live", replace(RUNNING, ready=1, awaiting=25, coming=3, failed=1)),
    ("Setting Up", replace(RUNNING, coming=1, awaiting=2, failed=1)),
    ("Setting Up", replace(RUNNING, coming=1, outdated=1)),
    ("Setting Up", replace(RUNNING, new=1, awaiting=1)),
    ("Awaiting RDU", replace(RUNNING, awaiting=1, failed=1)),
    ("Failed", replace(RUNNING, failed=2)),
    ("Failed", replace(RUNNING, failed=1, draining=1)),
    ("Setting Up", RUNNING),
]


@pytest.mark.parametrize(("word", "tally"), TABLE, ids=[f"{n} {word}" for n, (word, _) in enumerate(TABLE)])
def test_the_first_row_that_holds_is_the_status(word, tally):
    assert status(tally) == word


def test_status_has_one_spelling_in_json():
    assert rules.status_in_json("Setting Up") == "SettingUp"
    assert rules.status_in_json("Awaiting RDU") == "AwaitingRDU"
    assert rules.status_in_json("Live") == "Live"


# --- one step at a time ----------------------------------------------------------------------------------------


def parts(*states: str, config: int = 1, **facts) -> list[Part]:
    return [Part(f"{config}-{n}", n, state, config, **facts) for n, state in enumerate(states, 1)]


def step(wanted: int, config: int, *fleet: Part, desired: str = "running"):
    return next_step(desired=desired, wanted=wanted, config=config, parts=fleet)


def test_a_new_endpoint_opens_all_it_wishes():
    assert step(3, 1).opens == tuple(Opening(n, None, "create") for n in (1, 2, 3))


def test_what_is_not_wished_ends_whole():
    fleet = parts("awaiting", "placed", "ready", "failed", "draining", "lost")
    for desired in ("stopped", "deleted"):
        assert step(6, 1, *fleet, desired=desired).ends == ("1-1", "1-2", "1-3", "1-4")


def test_fewer_instances_end_those_that_serve_least_then_the_highest_number():
    fleet = parts("ready", "ready", "warming", "ready", "awaiting")
    assert step(2, 1, *fleet).ends == ("1-5", "1-3", "1-4")


def test_more_instances_open_only_the_difference():
    fleet = parts("ready", "failed")
    assert step(3, 1, *fleet).opens == (Opening(3, None, "create"),)
    assert step(3, 1, *fleet).ends == ()


def test_a_lost_instance_is_replaced_once():
    fleet = parts("ready", "lost")
    assert step(2, 1, *fleet).opens == (Opening(2, "1-2", "move"),)
    replacement = Part("new", 2, "awaiting", 1, replaces="1-2")
    assert step(2, 1, *fleet, replacement) == rules.Step()


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
def test_a_lost_one_that_returns_after_its_replacement_serves_goes(ids):
    old, new = ids
    fleet = [Part(old, 1, "ready", 1), Part(new, 1, "ready", 1, replaces=old)]
    assert next_step(desired="running", wanted=1, config=1, parts=fleet).ends == (old,)


def test_when_the_lost_one_returns_the_one_that_serves_less_goes():
    back = parts("ready", "ready")
    assert step(2, 1, *back, Part("new", 2, "starting", 1, replaces="1-2")).ends == ("new",)


def test_an_update_opens_the_new_ones_first():
    first = step(2, 2, *parts("ready", "ready"))
    assert first.opens == (Opening(1, None, "rollout"), Opening(2, None, "rollout"))
    assert first.ends == ()


def test_an_old_one_goes_for_each_new_one_that_is_ready():
    new = [Part("a", 1, "ready", 2), Part("b", 2, "warming", 2)]
    assert step(2, 2, *parts("ready", "ready"), *new).ends == ("1-2",)


def test_outdated_ones_that_only_wait_or_failed_go_at_once():
    assert step(2, 2, *parts("awaiting", "failed")).ends == ("1-1", "1-2")


def test_without_room_one_old_one_makes_it():
    waiting = [Part(name, n, "awaiting", 2, waits_for_room=True) for n, name in enumerate("ab", 1)]
    old = parts("ready", "ready")
    assert step(2, 2, *old, *waiting).ends == ("1-2",)
    leaving = replace(old[1], state="draining")
    assert step(2, 2, old[0], leaving, *waiting).ends == (), "one at a time"
    coming = replace(waiting[0], state="starting", waits_for_room=False)
    assert step(2, 2, old[0], coming, waiting[1]).ends == (), "the first one has the room"


def test_an_old_one_that_cannot_give_the_room_keeps_serving():
    waiting = Part("a", 1, "awaiting", 2, waits_for_room=True)
    assert step(1, 2, *parts("ready", makes_room=False), waiting).ends == ()


def test_one_that_leaves_elsewhere_is_no_reason_to_wait():
    waiting = Part("a", 2, "awaiting", 2, waits_for_room=True)
    stuck = Part("gone", 1, "draining", 1, makes_room=False)
    assert step(2, 2, *parts("ready"), stuck, waiting).ends == ("1-1",)


def test_what_moves_serves_until_its_replacement_does():
    moving = parts("ready", moving=True)
    opened = step(1, 1, *moving)
    assert (len(opened.opens), opened.ends) == (1, ())
    waiting = Part("a", 1, "awaiting", 1, waits_for_room=True)
    assert step(1, 1, *moving, waiting) == rules.Step()
    assert step(1, 1, *moving, replace(waiting, state="ready")).ends == ("1-1",)


# --- how an edit will be applied ------------------------------------------------------------------------------


def foretell(*fleet: Part, wanted: int = 2, was: str = "running", desired: str = "running", **facts):
    """An edit that needs new instances of configuration 2, unless it says otherwise."""
    known = {"config": 2, "differs": True, "rolls": True, "holds": {part.id: 4 for part in fleet}} | facts
    return rules.forecast(was=was, desired=desired, wanted=wanted, parts=fleet, **known)


@pytest.mark.parametrize(
    ("effect", "facts"),
    [
        ("nothing", {"differs": False, "rolls": False}),
        ("stops", {"desired": "stopped"}),
        ("later", {"was": "stopped", "desired": "stopped"}),
        ("starts", {"was": "stopped"}),
        ("untouched", {"rolls": False, "config": 1}),
        ("more", {"rolls": False, "config": 1, "wanted": 3}),
        ("fewer", {"rolls": False, "config": 1, "wanted": 1}),
        ("rolls", {"spare": 1, "lacking": 4}),
        ("in turn", {"lacking": 4}),
        ("gap", {"lacking": 8}),
        ("gap", {"lacking": 4, "wanted": 1}),
        ("waits", {"lacking": 9}),
    ],
)
def test_the_effect_of_an_edit(effect, facts):
    forecast = foretell(*parts("ready", "ready"), **facts)
    assert forecast.effect == effect
    assert forecast.sentence.endswith(".")


def test_where_nobody_answers_nothing_is_interrupted():
    assert foretell(*parts("starting", "failed"), lacking=8).effect == "replaces"


def test_those_without_the_room_and_those_that_move_do_not_make_it():
    assert foretell(*parts("ready", "ready", makes_room=False), lacking=4).effect == "waits"
    assert foretell(*parts("ready", "ready", moving=True), lacking=4).effect == "waits"


def test_one_that_only_starts_goes_before_one_that_answers():
    assert foretell(*parts("ready", "warming"), lacking=4).effect == "in turn"


def test_during_a_rollout_only_the_new_ones_count_as_kept():
    fleet = [*parts("ready", "ready"), *parts("ready", "starting", config=2)]
    forecast = foretell(*fleet, rolls=False, wanted=3)
    assert (forecast.effect, forecast.kept, forecast.opens) == ("more", 2, 1)


# --- every way it can go ------------------------------------------------------------------------------------------

GOES_ON = {"placed": "starting", "starting": "warming", "warming": "ready"}


class Fleet(RuleBasedStateMachine):
    """A world of `room` places around `next_step`: planner, agents and machines move as they like."""

    @initialize(wanted=st.integers(1, 4), room=st.integers(1, 6), states=st.lists(st.sampled_from(
        ["awaiting", "placed", "starting", "warming", "ready", "draining", "failed", "lost"]), max_size=6))  # fmt: skip
    def begin(self, wanted: int, room: int, states: list[str]) -> None:
        self.wanted, self.config, self.desired, self.count = wanted, 2, "running", 0
        self.parts: dict[str, Part] = {}
        for number, state in enumerate(states):
            self._add(number + 1, state, config=1 + number % 2)
        self.room = max(room, self._held())

    def _add(self, ordinal: int, state: str, config: int, replaces: str | None = None) -> None:
        self.count += 1
        name = f"p{self.count}"
        self.parts[name] = Part(name, ordinal, state, config, replaces)

    def _held(self) -> int:
        """Places in use; what is lost stands on machines that do not count."""
        at_work = (*rules.AT_WORK, "draining")
        return sum(part.state in at_work and not part.moving for part in self.parts.values())

    def _move(self, part: Part, state: str) -> None:
        self.parts[part.id] = replace(part, state=state, waits_for_room=False)

    def _in(self, *states: str) -> list[Part]:
        return [part for part in self.parts.values() if part.state in states]

    def take_step(self) -> rules.Step:
        before = self._ready()
        room_left = self.room - self._held()
        step = next_step(
            desired=self.desired, wanted=self.wanted, config=self.config, parts=list(self.parts.values())
        )
        self._check(step, before, room_left)
        for name in step.ends:
            part = self.parts[name]
            at_once = part.state in ("awaiting", "failed")
            self._move(part, "stopped" if at_once else "draining")
        for opening in step.opens:
            self._add(opening.ordinal, "awaiting", self.config, opening.replaces)
        return step

    def _ready(self) -> list[Part]:
        return self._in("ready")

    def _check(self, step: rules.Step, ready: list[Part], room_left: int) -> None:
        assert not set(step.ends) & {each.replaces for each in step.opens}
        assert len(set(step.ends)) == len(step.ends)
        replaced = [each.replaces for each in step.opens if each.replaces]
        replaced += [
            part.replaces for part in self.parts.values() if part.replaces and part.state != "stopped"
        ]
        assert len(set(replaced)) == len(replaced), "one lost instance, two replacements"
        if self.desired != "running":
            return
        stay = [part for part in ready if part.id not in step.ends]
        waits = any(part.waits_for_room for part in self.parts.values())
        if not waits:
            assert len(stay) >= min(len(ready), self.wanted), (
                "what serves ended while nothing needed its room"
            )
        else:
            assert len(stay) >= min(len(ready), self.wanted) - 1, "more than one made room"

    # --- the world moves --------------------------------------------------------------------------------------

    @rule()
    def step_is_taken(self) -> None:
        self.take_step()

    @rule()
    def planner_looks(self) -> None:
        for part in self._in("awaiting"):
            if self._held() < self.room:
                self._move(part, "placed")
            else:
                self.parts[part.id] = replace(part, waits_for_room=True)

    def _planner_forgets(self) -> None:
        """A place came free: what the planner said no longer counts until it looks again."""
        for part in self._in("awaiting"):
            self.parts[part.id] = replace(part, waits_for_room=False)

    @rule(number=st.integers(0, 9))
    def one_comes_further(self, number: int) -> None:
        coming = self._in(*GOES_ON)
        if coming:
            part = coming[number % len(coming)]
            self._move(part, GOES_ON[part.state])

    @rule(number=st.integers(0, 9))
    def one_has_drained(self, number: int) -> None:
        leaving = self._in("draining")
        if leaving:
            self._move(leaving[number % len(leaving)], "stopped")
            self._planner_forgets()

    @rule(number=st.integers(0, 9), state=st.sampled_from(["placed", "failed", "lost"]))
    def one_fails(self, number: int, state: str) -> None:
        working = self._in(*rules.AT_WORK)
        if working:
            self._move(working[number % len(working)], state)
            self._planner_forgets()

    @rule(number=st.integers(0, 9), state=st.sampled_from(["ready", "placed"]))
    def a_lost_one_returns(self, number: int, state: str) -> None:
        lost = self._in("lost")
        if lost:
            self._move(lost[number % len(lost)], state)
            self.room = max(self.room, self._held())

    @rule(number=st.integers(0, 9), moving=st.booleans())
    def a_node_is_emptied(self, number: int, moving: bool) -> None:
        working = self._in(*rules.AT_WORK)
        if working:
            part = working[number % len(working)]
            self.parts[part.id] = replace(part, moving=moving)
            self.room = max(self.room, self._held())

    @rule(wanted=st.integers(1, 4))
    def somebody_wants_another_number(self, wanted: int) -> None:
        self.wanted = wanted

    @rule()
    def somebody_edits(self) -> None:
        self.config += 1

    @rule(desired=st.sampled_from(["running", "running", "stopped", "deleted"]))
    def somebody_wishes(self, desired: str) -> None:
        self.desired = desired

    @invariant()
    def nothing_stands_on_no_place(self) -> None:
        if hasattr(self, "room"):
            assert self._held() <= self.room

    # --- and settles ------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "room"):
            return
        for _ in range(40 + 10 * len(self.parts)):
            self.take_step()
            self.planner_looks()
            for part in self._in(*GOES_ON):
                self._move(part, GOES_ON[part.state])
            for part in self._in("draining"):
                self._move(part, "stopped")
                self._planner_forgets()
            self.nothing_stands_on_no_place()
        self._has_settled()

    def _has_settled(self) -> None:
        alive = [part for part in self.parts.values() if part.state not in ("stopped", "lost")]
        if self.desired != "running":
            assert alive == []
            return
        current = [part for part in alive if part.config == self.config and not part.moving]
        others = [part for part in alive if part not in current]
        assert len(current) == self.wanted
        assert {part.state for part in current} <= {"ready", "failed", "awaiting"}
        waiting = sum(part.state == "awaiting" for part in current)
        assert waiting == 0 or self._held() == self.room, "one waits, and there is room"
        assert all(part.moving for part in others if waiting), "an old one keeps the room of a new one"
        assert len(others) <= sum(part.state != "ready" for part in current)


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)


@given(st.data())
@settings(max_examples=examples(200), deadline=None)
def test_the_same_question_gets_the_same_step_in_any_order(data):
    states = data.draw(st.lists(st.sampled_from([*rules.REMOVE_FIRST, "lost", "draining"]), max_size=6))
    fleet = [Part(str(n), n, state, 1 + n % 2) for n, state in enumerate(states, 1)]
    shuffled = data.draw(st.permutations(fleet))
    wanted = data.draw(st.integers(1, 5))
    one, other = step(wanted, 2, *fleet), step(wanted, 2, *shuffled)
    assert set(one.ends) == set(other.ends)
    assert sorted(one.opens, key=repr) == sorted(other.opens, key=repr)


# --- what people type ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [1, "1", " 40 ", 1000])
def test_a_whole_number_of_instances_is_read(typed):
    assert rules.read_instances(typed) == int(typed)


@pytest.mark.parametrize("typed", [0, -1, 1001, 10**30, "", "two", "1.5", None, True, "1e3", "٣" * 5000])
def test_anything_else_is_refused_at_the_field(typed):
    with pytest.raises(Invalid) as refusal:
        rules.read_instances(typed)
    assert set(refusal.value.fields) == {"instances"}
