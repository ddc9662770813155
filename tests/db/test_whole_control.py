"""The whole control plane against simulated nodes: whatever happens, in whatever order, it settles.

People create, edit, stop and delete; operators cordon, drain and remove; processes crash, machines go down,
agents fall silent and return; nudges are lost. After every step the counters are exact, no RDU is held or used
twice and only legal arrows were written (the database refuses others). In the end everything heals, and what
is wished is the case.
"""

import os

import hypothesis
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from endpoints import routing, services, wire
from endpoints.models import Endpoint
from scheduler import services as nodes
from scheduler.models import LIVE, Allocation, Instance, Node
from scheduler.rules import NodeState
from studio import keyring
from studio.errors import Conflict
from tests.support.cast import make_cast, speaking_to, view_of
from tests.support.control import Control, arrows_checked
from tests.support.effort import examples
from tests.support.fleet import Agent, agent_of

# On PostgreSQL they show that every statement is one of its own, too.
EXAMPLES = int(os.environ.get("EXAMPLES", "0")) or examples(10 if settings.SQLITE else 3, at_most=100)
ROUNDS = 80  # sweeps in which everything must have settled
QUIET = 4  # sweeps in which nothing moves, then nothing will
NUMBERS = st.integers(0, 20)


class WholeControl(RuleBasedStateMachine):
    broker_url = ""
    client = None

    # --- the world ----------------------------------------------------------------------------------------

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.speaking = speaking_to(self.broker_url, self.client)
        self.speaking.__enter__()
        self.control = Control(self.client).__enter__()
        self.agents: dict[str, Agent] = {}
        self.made = 0

    @initialize(
        widths=st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=3),
        wishes=st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 3)), min_size=1, max_size=2),
    )
    def begin(self, widths: list[int], wishes: list[tuple[int, int]]) -> None:
        """A platform on which something runs already."""
        self.checked = arrows_checked()
        self.checked.__enter__()
        self.cast = make_cast()
        for width in widths:
            self._join(width)
        for rdus, instances in wishes:
            self.create(rdus=rdus, instances=instances)
        self.everybody_works()

    def _join(self, width: int) -> None:
        self.made += 1
        node, _ = nodes.add_node(
            actor=self.cast.otto, name=f"n{self.made}", generation="SN40L", width=width, now=self.control.now
        )
        self.agents[node.name] = agent_of(self.client, node)
        self.agents[node.name].say()
        self.control.take(self.agents[node.name])

    def teardown(self) -> None:
        try:
            if self.agents:
                self.heal()
        finally:
            self.control.__exit__()
            self.speaking.__exit__()
            connection.run_on_commit = []
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def _endpoint(self, number: int) -> Endpoint | None:
        found = list(Endpoint.objects.exclude(desired="deleted").order_by("name"))
        return found[number % len(found)] if found else None

    def _agent(self, number: int) -> Agent:
        return sorted(self.agents.values(), key=lambda agent: agent.node)[number % len(self.agents)]

    def _node(self, number: int) -> Node:
        return Node.objects.get(name=self._agent(number).node)

    # --- people -------------------------------------------------------------------------------------------

    @precondition(lambda self: Endpoint.objects.exclude(desired="deleted").count() < 4)
    @rule(rdus=st.sampled_from([1, 1, 2, 4, 16]), instances=st.integers(1, 3))
    def create(self, rdus: int, instances: int) -> None:
        parameters = {"model_parallel_rdus": rdus}
        self.cast.endpoint(parameters=parameters, instances=instances)

    @rule(number=NUMBERS, edit=st.sampled_from(["more", "fewer", "other version", "wider", "words"]))
    def update(self, number: int, edit: str) -> None:
        endpoint = self._endpoint(number)
        if endpoint is None:
            return
        edits = {
            "more": {"instances": endpoint.instances + 1},
            "fewer": {"instances": max(1, endpoint.instances - 1)},
            "other version": {"model_version": 3 - endpoint.model_version.number},
            "wider": {"parameters": {"model_parallel_rdus": endpoint.rdus % 4 + 1}},
            "words": {"description": f"words {number}"},
        }
        services.update_endpoint(
            actor=self.cast.owen, endpoint=endpoint, edit=services.Edit(**edits[edit]), now=self.control.now
        )

    @rule(number=NUMBERS, verb=st.sampled_from(["stop", "restart", "restart", "delete"]))
    def wish(self, number: int, verb: str) -> None:
        endpoint = self._endpoint(number)
        if endpoint is not None:
            service = getattr(services, f"{verb}_endpoint")
            service(actor=self.cast.owen, endpoint=endpoint, now=self.control.now)

    # --- operators ------------------------------------------------------------------------------------------

    @rule(number=NUMBERS, verb=st.sampled_from(["cordon", "uncordon", "uncordon", "drain"]))
    def steer_node(self, number: int, verb: str) -> None:
        service = getattr(nodes, f"{verb}_node")
        service(actor=self.cast.otto, node=self._node(number), now=self.control.now)

    @precondition(lambda self: len(self.agents) < 4)
    @rule(width=st.sampled_from([2, 4, 8]))
    def join(self, width: int) -> None:
        self._join(width)

    @precondition(lambda self: len(self.agents) > 1)
    @rule(number=NUMBERS)
    def remove(self, number: int) -> None:
        """The operator keeps their word: the machine is gone."""
        name = self._agent(number).node
        try:
            nodes.remove_node(actor=self.cast.otto, node=self._node(number), now=self.control.now)
        except Conflict:
            return
        del self.agents[name]

    # --- machines -------------------------------------------------------------------------------------------

    @rule(number=NUMBERS)
    def agent_hears(self, number: int) -> None:
        self._agent(number).hear()

    @rule(number=NUMBERS, taken=st.booleans())
    def agent_says(self, number: int, taken: bool) -> None:
        agent = self._agent(number)
        if agent.say() and taken:
            self.control.take(agent)

    @rule(number=NUMBERS, rounds=st.integers(1, 4))
    def agent_works(self, number: int, rounds: int) -> None:
        agent = self._agent(number)
        for _ in range(rounds):
            self.control.deliver()
            agent.round()
            self.control.take(agent)

    @rule(rounds=st.integers(1, 4))
    def everybody_works(self, rounds: int = 4) -> None:
        for _ in range(rounds):
            self.control.deliver()
            for agent in self.agents.values():
                agent.round()
            self.control.take(*self.agents.values())

    @rule(number=NUMBERS, looks=st.sampled_from([7, 10, 20, 20]))
    def one_node_falls_silent(self, number: int, looks: int) -> None:
        """The others speak on meanwhile."""
        self._agent(number).away = True
        for agent in self.agents.values():
            agent.away = agent.away and agent is self._agent(number)
        self.time_passes(seconds=2, times=looks, spoken=True)

    @rule(number=NUMBERS, error=st.sampled_from(["crash", "crash", "launch"]))
    def process_crashes(self, number: int, error: str) -> None:
        agent = self._agent(number)
        living = sorted(name for name, process in agent.living().items() if process.state != "draining")
        if living:
            agent.crash(living[number % len(living)], error)

    @rule(number=NUMBERS, what=st.sampled_from(["reboot", "restart", "forget_everything"]))
    def machine_fails(self, number: int, what: str) -> None:
        getattr(self._agent(number), what)()

    @rule(number=NUMBERS)
    def silence_begins_or_ends(self, number: int) -> None:
        agent = self._agent(number)
        agent.away = not agent.away

    # --- control --------------------------------------------------------------------------------------------

    @rule(number=NUMBERS)
    def one_nudge_arrives(self, number: int) -> None:
        self.control.deliver(number)

    @rule()
    def nudges_are_lost(self) -> None:
        self.control.lose_nudges()

    @rule()
    def reports_are_taken(self) -> None:
        """Whatever stands in the registers, however old."""
        self.control.take(*self.agents.values())

    @rule(
        seconds=st.sampled_from([1, 2, 2, 5]), times=st.sampled_from([1, 1, 3, 8, 16]), spoken=st.booleans()
    )
    def time_passes(self, seconds: float, times: int, spoken: bool) -> None:
        for _ in range(times):
            for agent in self.agents.values() if spoken or times > 1 else ():
                agent.say()
            self.control.sweep(seconds)

    @rule()
    def broker_comes_back_empty(self) -> None:
        self.control.commit()
        self.client.flushall()

    # --- what holds always ------------------------------------------------------------------------------------

    @invariant()
    def counters_are_exact(self) -> None:
        live = Count("rdus__allocations", filter=Q(rdus__allocations__released_at=None))
        for node in Node.objects.annotate(held=live):
            assert node.free + node.held == node.width, f"{node}: {node.free} free, {node.held} held"

    @invariant()
    def instances_hold_what_they_need(self) -> None:
        live = Count("allocations", filter=Q(allocations__released_at=None))
        for row in Instance.objects.annotate(held=live):
            at_work = row.state in LIVE and row.node_id is not None
            assert row.held == (row.rdus if at_work else 0), f"{row.state} {row} holds {row.held}"

    @invariant()
    def processes_stand_on_their_own_rdus(self) -> None:
        rows = Allocation.objects.filter(released_at=None)
        held = {
            (name, index): str(pk)
            for name, index, pk in rows.values_list("rdu__node__name", "rdu__index", "instance_id")
        }
        for agent in self.agents.values():
            for name, process in agent.living().items():
                for rdu in process.rdus:
                    assert held.get((agent.node, rdu)) == name, f"{agent.node}:{rdu} runs {name}"

    # --- the end ----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Everybody is there and does their work; after a while the wish is the case."""
        for agent in self.agents.values():
            agent.away = False
        seen: list[object] = []
        while len(seen) < ROUNDS and not (seen[-QUIET:] == QUIET * seen[-1:] and len(seen) > QUIET):
            self.control.deliver()
            for agent in self.agents.values():
                agent.round()
            self.control.take(*self.agents.values())
            self.control.sweep()
            self.counters_are_exact()
            self.processes_stand_on_their_own_rdus()
            seen.append(None if Instance.objects.exclude(retry_at=None).exists() else self._fingerprint())
            seen = seen if seen[-1] else [*seen[:-1], object()]
        assert len(seen) < ROUNDS, "something goes on for ever"
        self.control.look()
        self._all_nodes_answer()
        for endpoint in Endpoint.objects.all():
            self._has_settled(endpoint)
            self._route_says_it(endpoint)

    def _fingerprint(self) -> object:
        rows = Instance.objects.order_by("pk").values_list("pk", "state", "attempt", "node__state")
        return [*rows, *Node.objects.order_by("pk").values_list("pk", "state", "epoch", "free")]

    def _all_nodes_answer(self) -> None:
        for node in Node.objects.exclude(state=NodeState.REMOVED):
            assert node.state == node.intent, f"{node} is {node.state}, meant to be {node.intent}"

    def _has_settled(self, endpoint: Endpoint) -> None:
        rows = list(
            Instance.objects.filter(endpoint=endpoint).exclude(state="stopped").select_related("node")
        )
        said = [(row.state, row.config_version, row.ordinal, str(row.node), row.reason) for row in rows]
        if endpoint.desired != "running":
            assert not rows, f"{endpoint.desired}, and still {said}"
            return
        current = [
            row
            for row in rows
            if row.config_version == endpoint.config_version
            and not (row.node and row.node.intent == "draining")
        ]
        old = [row for row in rows if row not in current]
        assert len(current) == endpoint.instances, f"{endpoint.instances} wished, {said}"
        assert {row.state for row in current} <= {"ready", "awaiting", "failed"}, said
        assert {row.state for row in old} <= {"ready"}, said
        waiting = [row for row in current if row.state == "awaiting"]
        assert all(row.reason for row in waiting), said
        assert len(old) <= len([row for row in current if row.state != "ready"]), f"too many old ones: {said}"

    def _route_says_it(self, endpoint: Endpoint) -> None:
        raw = self.client.hget(wire.ROUTES, str(endpoint.pk))
        route = wire.unpack(raw, keyring.routes_seal(), [public_key()])
        assert route.version == endpoint.route_version == endpoint.published_version
        present = routing.build([endpoint.pk])[0]
        # The sentence is published anew when its reason changes, not whenever a number in it does.
        assert route == replace(present, sentence=route.sentence)
        assert bool(route.sentence) == bool(present.sentence)
        if endpoint.desired == "running":
            assert len(route.upstreams) == view_of(endpoint).ready
            assert all(upstream.token and upstream.port for upstream in route.upstreams)


def public_key() -> bytes:
    from studio import env, seal

    return seal.ring(env.secret("routes_verify").reveal())[0]


@pytest.mark.timeout(900)
def test_whatever_happens_control_settles(db, broker_url, broker_client):
    WholeControl.broker_url, WholeControl.client = broker_url, broker_client
    hypothesis.stateful.run_state_machine_as_test(
        WholeControl,
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            print_blob=True,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate],
        ),
    )
