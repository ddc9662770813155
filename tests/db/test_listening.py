"""Silence and standing still: suspect, lost, returning; frozen clocks; nothing is ever released on lost."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from endpoints import rollouts, routing, services
from scheduler import driver, listening, placing
from scheduler.models import Allocation, Control, Instance, Node, Sweep
from scheduler.rules import NodeState
from studio import enqueue
from tests.support.cast import view_of
from tests.support.fleet import agent_of

START = datetime.now(UTC)


class Fleet:
    """Nodes n1, n2, … with their agents, an endpoint on n1, and looks every two seconds."""

    def __init__(self, cast, broker, count: int) -> None:
        self.cast = cast
        nodes = [cast.node(f"n{number}", 4) for number in range(1, count + 1)]
        self.agents = {node.name: agent_of(broker, node) for node in nodes}
        self.endpoint = cast.endpoint(parameters={"model_parallel_rdus": 2})
        placing.place_pending("SN40L")
        self.settle()
        self.now = datetime.now(UTC)
        for _ in range(2):
            self.look()

    @property
    def row(self) -> Instance:
        return Instance.objects.filter(endpoint=self.endpoint).order_by("created_at").first()

    def settle(self, *names: str) -> None:
        """The agents do all there is to do, and say so."""
        for name in names or self.agents:
            driver.drive_node(name)
            for _ in range(4):
                self.agents[name].round()
        driver.take_reports(list(names or self.agents))

    def look(self, *silent: str, seconds: float = 2.0) -> None:
        self.now += timedelta(seconds=seconds)
        for name, agent in self.agents.items():
            if name not in silent:
                agent.say()
        listening.listen(self.now)

    def looks(self, times: int, *silent: str) -> None:
        for _ in range(times):
            self.look(*silent)

    def state(self, name: str) -> str:
        return Node.objects.get(name=name).state


@pytest.fixture
def four(cast, control_broker) -> Fleet:
    return Fleet(cast, control_broker, 4)


def test_a_fleet_that_speaks_stays_ready(four):
    four.looks(20)
    assert {node.state for node in Node.objects.all()} == {"ready"}
    assert four.row.state == "ready"


# Control writes down that it heard a node every five seconds only, so silence is noticed so much later.


def test_ten_seconds_of_silence_are_suspect_thirty_are_lost(four):
    four.looks(10, "n1")
    assert four.state("n1") == "suspect"
    assert (four.row.state, view_of(four.endpoint).status) == ("ready", "Live"), "a suspect node serves on"
    four.looks(10, "n1")
    assert (four.state("n1"), four.row.state) == ("lost", "lost")


def test_a_suspect_node_that_speaks_is_ready_again_at_once(four):
    four.looks(10, "n1")
    assert four.state("n1") == "suspect"
    four.look()
    assert four.state("n1") == "ready"


def test_nothing_is_released_on_lost_and_a_replacement_starts_elsewhere(four):
    four.looks(20, "n1")
    rollouts.converge(four.endpoint.pk, now=four.now)
    assert placing.place_pending("SN40L") == 1
    old, new = four.row, Instance.objects.get(replaces=four.row)
    assert (old.state, new.state, new.cause, new.ordinal) == ("lost", "placed", "move", old.ordinal)
    assert new.node.name != "n1"
    assert Allocation.objects.filter(instance=old, released_at=None).count() == 2
    assert Node.objects.get(name="n1").free == 2


def test_gateways_keep_a_lost_instance_as_a_spare_until_its_replacement_serves(four):
    four.looks(20, "n1")
    (upstream,) = routing.build([four.endpoint.pk])[0].upstreams
    assert (upstream.id, upstream.spare) == (str(four.row.pk), True)


def test_a_node_that_returns_in_order_is_ready_and_the_superseded_instance_goes(four):
    four.looks(20, "n1")
    rollouts.converge(four.endpoint.pk, now=four.now)
    placing.place_pending("SN40L")
    four.settle("n2", "n3", "n4")
    four.look()
    assert (four.state("n1"), four.row.state) == ("ready", "ready")
    rollouts.converge(four.endpoint.pk, now=four.now)
    states = sorted(Instance.objects.values_list("state", flat=True))
    assert states == ["draining", "ready"]
    four.settle()
    four.settle()
    assert sorted(Instance.objects.values_list("state", flat=True)) == ["ready", "stopped"]
    assert sum(node.free for node in Node.objects.all()) == 14


def test_a_node_with_foreign_processes_stays_out_of_the_pool_until_they_are_gone(four):
    four.looks(20, "n1")
    agent = four.agents["n1"]
    agent.processes["from another life"] = agent.processes[str(four.row.pk)].__class__(1, "ready", (3,), 9)
    four.looks(3)
    assert four.state("n1") == "returning"
    four.looks(7, "n1")
    assert four.state("n1") == "returning", "silence alone does not make it clean"
    agent.hear()
    four.looks(2)
    assert four.state("n1") == "ready"


def test_a_node_that_returns_with_an_old_wish_gives_nothing_back_yet(four):
    four.looks(20, "n1")
    services.delete_endpoint(actor=four.cast.owen, endpoint=four.endpoint, now=four.now)
    Node.objects.filter(name="n1").update(epoch=99)
    four.look()
    assert four.state("n1") == "returning"
    four.settle("n1")
    four.look()
    assert four.state("n1") == "ready"


@pytest.mark.parametrize("intent", [NodeState.CORDONED, NodeState.DRAINING])
def test_a_node_returns_to_what_its_operator_meant(four, intent):
    Node.objects.filter(name="n2").update(state=intent, intent=intent)
    four.looks(20, "n2")
    assert four.state("n2") == "lost"
    four.looks(2)
    assert four.state("n2") == intent


def test_a_stopped_endpoints_lost_instance_ends_when_its_node_is_back(four):
    four.looks(20, "n1")
    services.stop_endpoint(actor=four.cast.owen, endpoint=four.endpoint, now=four.now)
    assert four.row.state == "lost"
    four.look()
    rollouts.converge(four.endpoint.pk, now=four.now)
    assert four.row.state == "draining"
    assert routing.build([four.endpoint.pk])[0].upstreams == []


# --- whose fault -------------------------------------------------------------------------------------------------


def test_when_half_the_fleet_falls_silent_together_nobody_is_lost(four):
    four.looks(30, "n1", "n2")
    assert [four.state(name) for name in ("n1", "n2")] == ["ready", "ready"]
    four.looks(20, "n1")
    assert [four.state(name) for name in ("n1", "n2")] == ["lost", "ready"]


def test_frozen_clocks_hold_nobody_up_who_speaks(four):
    four.looks(10, "n3")
    assert four.state("n3") == "suspect"
    four.looks(4, "n1", "n2")
    assert four.state("n3") == "ready"


def test_while_control_was_away_nobody_was_silent(four):
    four.looks(2, "n1")
    four.look("n1", "n2", "n3", "n4", seconds=3600)
    assert {node.state for node in Node.objects.all()} == {"ready"}
    assert Control.objects.get().resumed_at == four.now


def test_without_a_broker_nothing_is_counted(four, monkeypatch):
    gone = redis.Redis.from_url("unix:///nowhere.sock", retry=None)
    monkeypatch.setattr(enqueue, "_client", gone)
    with pytest.raises(redis.RedisError):
        listening.listen(four.now + timedelta(seconds=60))
    assert {node.silent_seconds for node in Node.objects.all()} == {0}


# --- what stands still -------------------------------------------------------------------------------------------


def placed_again(cast, control_broker) -> Fleet:
    fleet = Fleet(cast, control_broker, 2)
    Instance.objects.update(state="starting", state_since=fleet.now, progress_at=None, ready_at=None, port=0)
    return fleet


def test_a_start_without_progress_is_tried_anew_and_says_why(cast, control_broker):
    fleet = placed_again(cast, control_broker)
    listening.mend(fleet.now + timedelta(seconds=119))
    assert fleet.row.state == "starting"
    listening.mend(fleet.now + timedelta(seconds=121))
    row = fleet.row
    assert (row.state, row.attempt, row.crashes) == ("placed", 2, 1)
    assert row.reason == {"code": "stuck", "sentence": "No progress for 121 seconds while starting."}


@pytest.mark.parametrize("state", [NodeState.SUSPECT, NodeState.LOST, NodeState.RETURNING])
def test_deadlines_stand_still_while_the_node_is_not_heard(cast, control_broker, state):
    fleet = placed_again(cast, control_broker)
    Node.objects.update(state=state)
    listening.mend(fleet.now + timedelta(seconds=999))
    assert fleet.row.attempt == 1


def test_deadlines_begin_anew_after_controls_own_absence(cast, control_broker):
    fleet = placed_again(cast, control_broker)
    later = fleet.now + timedelta(seconds=3600)
    Control.objects.update(resumed_at=later)
    listening.mend(later + timedelta(seconds=100))
    assert fleet.row.attempt == 1
    listening.mend(later + timedelta(seconds=121))
    assert fleet.row.attempt == 2


# --- sweeps ------------------------------------------------------------------------------------------------------


def test_a_sweep_runs_once_however_many_beats_there_are(db):
    assert listening.claim_sweep("mend", 2.0, START)
    assert not listening.claim_sweep("mend", 2.0, START)
    assert not listening.claim_sweep("mend", 2.0, START + timedelta(seconds=1.9))
    assert listening.claim_sweep("mend", 2.0, START + timedelta(seconds=2.1))
    assert Sweep.objects.count() == 1


def test_lost_nudges_are_swept(cast, control_broker):
    cast.node()
    cast.endpoint()
    control_broker.flushall()
    listening.mend(START)
    assert control_broker.llen("placement") == 1
    placing.place_pending("SN40L")
    control_broker.flushall()
    listening.mend(START)
    assert control_broker.llen("placement") == 0
    assert control_broker.exists("node:sn40l-1:wish")
