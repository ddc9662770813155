"""The reconciler against a simulated node: any order of wishes, crashes and restarts ends as wished."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scheduler import wire
from scheduler.agent.reconcile import (
    OVER,
    Drain,
    End,
    Forget,
    Kill,
    Known,
    Resume,
    Start,
    Stray,
    foreign,
    reconcile,
)  # fmt: skip
from tests.agent.node import wished
from tests.support.effort import examples

IDS = ["a", "b", "c"]
LIVES = ["up", "draining", "ending", "exited", "stopped"]
DESIRED = ["run", "hold", "drain", "stop"]

wishes = st.lists(
    st.builds(wished, st.sampled_from(IDS), st.sampled_from(DESIRED), st.integers(1, 3)),
    unique_by=lambda one: one.id,
).map(lambda instances: wire.Wish("n", "", 1, 1, instances))
knowns = st.dictionaries(
    st.sampled_from([*IDS, "d"]), st.builds(Known, st.integers(1, 3), st.sampled_from(LIVES))
)
strays = st.lists(
    st.builds(Stray, st.integers(1, 99), st.integers(1, 9), st.sampled_from([*IDS, "d"]), st.integers(1, 3)),
    max_size=4,
)


def about(action) -> str:
    match action:
        case Start(one) | Drain(one):
            return one.id
        case Kill(stray):
            return f"stray {stray}"
    return action.id


@given(wishes, knowns, strays)
@settings(max_examples=examples(300))
def test_one_step_for_an_instance_and_no_start_where_anything_lives(wish, known, marked):
    actions = reconcile(wish, known, marked)
    steps = [action for action in actions if not isinstance(action, Kill)]
    assert len({about(action) for action in steps}) == len(steps)
    living = {id for id, one in known.items() if one.life not in OVER}
    killed = {action.stray.instance for action in actions if isinstance(action, Kill)}
    for action in actions:
        if isinstance(action, Start):
            assert action.wished.id not in living | killed
            assert action.wished.desired == "run"
        if isinstance(action, Forget):
            assert action.id not in living


@given(wishes, knowns, strays)
def test_a_process_of_a_living_attempt_is_never_a_stray(wish, known, marked):
    for action in reconcile(wish, known, marked):
        if isinstance(action, Kill):
            owner = known.get(action.stray.instance)
            assert owner is None or owner.life in OVER or owner.attempt != action.stray.attempt


@given(wishes, knowns, strays)
def test_foreign_is_what_lives_without_being_named(wish, known, marked):
    named = {one.id for one in wish.instances}
    found = foreign(named, known, marked)
    assert not named & set(found)
    assert all(stray.instance in named or stray.instance in found for stray in marked)


class SimulatedNode(RuleBasedStateMachine):
    """Processes are (instance, attempt); an agent knows what it read from its folder."""

    @initialize()
    def begin(self):
        self.pids = itertools.count(1)
        self.processes: dict[int, tuple[str, int]] = {}
        self.known: dict[str, Known] = {}
        self.begun: set[tuple[str, int]] = set()
        self.attempts = dict.fromkeys(IDS, 1)
        self.wish = wire.Wish("n", "", 1, 0, [])

    # --- control ----------------------------------------------------------------------------------------

    @rule(
        desired=st.dictionaries(st.sampled_from(IDS), st.sampled_from(DESIRED)), raised=st.sampled_from(IDS)
    )
    def wish_anew(self, desired, raised):
        if (raised, self.attempts[raised]) in self.begun:
            self.attempts[raised] += 1
        instances = [wished(id, what, self.attempts[id]) for id, what in sorted(desired.items())]
        self.wish = wire.Wish("n", "", 1, self.wish.epoch + 1, instances)

    # --- the agent --------------------------------------------------------------------------------------

    @rule()
    def step(self):
        strays = [Stray(pid, pid, id, attempt) for pid, (id, attempt) in self.processes.items()]
        for action in reconcile(self.wish, self.known, strays):
            self.do(action)

    def do(self, action):
        match action:
            case Start(one):
                assert (one.id, one.attempt) not in self.begun, "an attempt is begun once"
                self.begun.add((one.id, one.attempt))
                self.known[one.id] = Known(one.attempt, "up")
                self.processes[next(self.pids)] = (one.id, one.attempt)
            case Drain(one):
                self.become(one.id, "draining")
            case Resume(id):
                self.become(id, "up")
            case End(id):
                self.become(id, "ending")
            case Forget(id):
                # Only where the wish has let go of it: if it asks for the attempt again, that is another beginning.
                assert self.wish_for(id) in {None, "hold"}
                self.begun.discard((id, self.known.pop(id).attempt))
            case Kill(stray):
                self.processes.pop(stray.pid)

    def wish_for(self, id):
        return next((one.desired for one in self.wish.instances if one.id == id), None)

    def become(self, id, life):
        self.known[id] = Known(self.known[id].attempt, life)

    @precondition(lambda self: any(one.life in {"draining", "ending"} for one in self.known.values()))
    @rule()
    def an_end_comes(self):
        for id, one in self.known.items():
            if one.life in {"draining", "ending"}:
                self.processes = {pid: what for pid, what in self.processes.items() if what[0] != id}
                self.become(id, "stopped")

    # --- the world --------------------------------------------------------------------------------------

    @precondition(lambda self: self.processes)
    @rule(data=st.data())
    def a_process_dies(self, data):
        pid = data.draw(st.sampled_from(sorted(self.processes)))
        id, attempt = self.processes.pop(pid)
        if self.known.get(id) == Known(attempt, "up"):
            self.become(id, "exited")

    @rule()
    def the_agent_restarts(self):
        """It adopts what lives; what was being ended is up again in its eyes."""
        alive = set(self.processes.values())
        for id, one in self.known.items():
            if one.life not in OVER:
                self.become(id, "up" if (id, one.attempt) in alive else "exited")

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def a_folder_is_lost(self, data):
        id = data.draw(st.sampled_from(sorted(self.known)))
        self.begun.discard((id, self.known.pop(id).attempt))

    # --- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def never_two_processes_of_one_instance(self):
        ids = [id for id, _ in self.processes.values()]
        assert len(ids) == len(set(ids))

    def teardown(self):
        """After a quiet time the processes are those wished for, and a further step changes nothing."""
        for _ in range(6):
            self.step()
            self.an_end_comes()
        running = {one.id: one.attempt for one in self.wish.instances if one.desired == "run"}
        for id, attempt in self.processes.values():
            assert running[id] == attempt
        for id in running:
            assert id in self.known
            assert (self.known[id].life == "up") == ((id, running[id]) in self.processes.values())
        assert set(self.known) <= {one.id for one in self.wish.instances}
        assert reconcile(self.wish, self.known, []) == []


TestSimulatedNode = SimulatedNode.TestCase
TestSimulatedNode.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)
