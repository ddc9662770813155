"""Wishes down and reports up, through a real broker: built once per epoch, taken once, believed from one agent."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints import rollouts, services
from scheduler import driver, listening, placing, registers, wire
from scheduler.models import Allocation, Control, Instance, Node
from scheduler.rules import NodeState
from studio import enqueue
from tests.support.cast import TOKEN, view_of
from tests.support.fleet import Agent, agent_of


class Site:
    """One node of eight RDUs with its agent, and an endpoint of owen placed on it."""

    def __init__(self, cast, broker, **spec) -> None:
        self.cast = cast
        self.node = cast.node()
        self.agent = agent_of(broker, self.node)
        self.endpoint = cast.endpoint(**({"parameters": {"model_parallel_rdus": 2}} | spec))
        placing.place_pending("SN40L")

    def drive(self):
        assert driver.drive_node(self.node.name)
        return self.agent.hear()

    def take(self) -> int:
        return driver.take_reports([self.node.name])

    def say_and_take(self) -> int:
        self.agent.say()
        return self.take()

    def make_ready(self) -> None:
        self.drive()
        for _ in range(3):
            self.agent.progress()
        assert self.say_and_take() == 1

    @property
    def row(self) -> Instance:
        return Instance.objects.order_by("ordinal").first()

    def fresh(self) -> Node:
        self.node.refresh_from_db()
        return self.node


@pytest.fixture
def site(cast, control_broker) -> Site:
    return Site(cast, control_broker)


def now():
    return datetime.now(UTC)


# --- the wish -------------------------------------------------------------------------------------------------


def test_the_wish_says_all_of_it(site):
    wish = site.drive()
    (wished,) = wish.instances
    assert (wish.node, wish.agent, wish.incarnation, wish.epoch) == (
        "sn40l-1",
        site.agent.id,
        1,
        site.fresh().epoch,
    )
    assert (wished.id, wished.desired, wished.attempt, wished.rdus) == (str(site.row.pk), "run", 1, [0, 1])
    assert wished.experts[0].path == "Help/2"
    assert wished.experts[0].files[0].path == "model.gguf"
    assert wished.parameters["model_parallel_rdus"] == 2
    assert len(wished.token) > 20
    assert site.node.wished_epoch == wish.epoch


def test_no_token_stands_in_the_broker_in_clear(site, control_broker):
    wished = site.drive().instances[0]
    everything = b"".join(
        b"".join(control_broker.hgetall(name).values()) for name in control_broker.keys("node:*")
    )
    assert wished.token.encode() not in everything
    assert TOKEN.encode() not in everything


def test_the_agent_is_woken_through_its_own_queue(site, control_broker):
    site.drive()
    assert control_broker.llen(f"node.{site.node.name}") == 1


@pytest.mark.parametrize(
    ("facts", "desired"),
    [
        ({"state": "draining", "drain_mode": "drain"}, "drain"),
        ({"state": "draining", "drain_mode": "stop"}, "stop"),
        ({"state": "failed"}, "stop"),
        ({"state": "lost"}, "run"),
        ({"retry_at": datetime(2000, 1, 1, tzinfo=UTC)}, "hold"),
    ],
)
def test_each_state_is_one_word_in_the_wish(site, facts, desired):
    Instance.objects.update(**facts)
    assert site.drive().instances[0].desired == desired


def test_an_older_wish_is_refused(site, control_broker):
    wish = site.drive()
    standing = registers.put_wish(control_broker, site.node.name, wish.number - 1, b"old")
    assert (standing.taken, standing.number) == (False, wish.number)


def test_a_restored_database_begins_a_new_incarnation(site, control_broker):
    """The broker remembers epoch 40 of the day before; the database woke up at epoch 3."""
    registers.put_wish(control_broker, site.node.name, wire.packed(1, 40), b"from before")
    driver.drive_node(site.node.name)
    assert Control.objects.get().incarnation == 2
    wish = site.drive()
    assert wish.incarnation == 2
    driver.drive_node(site.node.name)
    assert Control.objects.get().incarnation == 2, "once"


def test_without_a_broker_the_wish_waits_and_is_swept_later(site, control_broker, monkeypatch):
    import redis

    gone = redis.Redis.from_url("unix:///nowhere.sock", retry=None)
    with monkeypatch.context() as away:
        away.setattr(enqueue, "_client", gone)
        assert driver.drive_node(site.node.name) is False
    assert registers.get_wish(control_broker, site.node.name) is None
    listening.mend(now())
    assert registers.get_wish(control_broker, site.node.name) is not None


def test_a_broker_that_came_back_empty_gets_its_wish_again(site, control_broker):
    site.drive()
    control_broker.flushall()
    listening.mend(now())
    assert registers.get_wish_numbers(control_broker, [site.node.name])


# --- reports --------------------------------------------------------------------------------------------------


def test_a_report_is_taken_once(site):
    site.drive()
    assert site.say_and_take() == 1
    assert site.take() == 0
    assert site.say_and_take() == 0, "it says the same again"


def test_a_quiet_fleet_costs_no_write(site, django_assert_max_num_queries):
    site.make_ready()
    site.drive()
    site.say_and_take()
    site.agent.say()
    with django_assert_max_num_queries(6) as captured:
        assert site.take() == 0
    assert not [query for query in captured.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]


def test_an_older_report_changes_nothing(site):
    site.drive()
    old = site.agent.report()
    site.make_ready()
    assert driver.take_report(site.fresh(), site.agent.sealed(old)) is False
    assert site.row.state == "ready"


def test_a_report_of_a_stale_reader_is_taken_once_under_the_lock(site):
    """Two workers read the same report; the second still has the node as it was."""
    site.drive()
    stale = site.fresh()
    body = site.agent.sealed(site.agent.report())
    assert driver.take_report(stale, body) is True
    epoch = site.fresh().epoch
    assert driver.take_report(Node(**{f.attname: getattr(stale, f.attname) for f in Node._meta.fields}), body) in (
        True, False,
    )  # fmt: skip
    assert (site.fresh().epoch, site.row.state) == (epoch, "starting")


def test_a_report_with_another_key_or_none_is_not_believed(site):
    stranger = Agent(site.agent.broker, site.node.name, "another token", id=site.agent.id)
    for body in (stranger.sealed(stranger.report()), b"", b"nonsense" * 10):
        assert driver.take_report(site.fresh(), body) is False
    assert site.fresh().report_number == 0


def test_a_second_agent_is_not_believed_but_shown_and_the_first_holds_the_node_again(site, control_broker):
    site.make_ready()
    control_broker.flushall()
    second = agent_of(control_broker, site.node, id="a second one", boot=9)
    second.say()
    assert site.take() == 0
    assert site.fresh().intruder == "a second one"
    with pytest.raises(registers.HeldByAnother):
        second.say()
    site.agent.say()
    site.agent.crash(str(site.row.pk))
    assert site.say_and_take() == 1
    assert (site.fresh().intruder, site.row.state) == ("", "placed")


def test_one_report_that_cannot_be_taken_keeps_no_other_from_being_taken(cast, control_broker, monkeypatch):
    first = Site(cast, control_broker)
    other = cast.node("sn40l-0")
    agent_of(control_broker, other).say()
    first.drive()
    first.agent.say()
    take = driver._take

    def poisoned(node_id, report):
        if node_id == other.pk:
            raise RuntimeError("poison")
        return take(node_id, report)

    monkeypatch.setattr(driver, "_take", poisoned)
    Node.objects.filter(pk=other.pk).update(state=NodeState.SUSPECT)
    assert driver.take_reports(["sn40l-0", "sn40l-1"]) == 1
    assert first.row.state == "starting"


# --- joining --------------------------------------------------------------------------------------------------


def test_the_first_agent_with_the_token_joins_and_is_bound(
    cast, control_broker, django_capture_on_commit_callbacks
):
    node = cast.node(state=NodeState.JOINING, agent="")
    agent = agent_of(control_broker, node)
    agent.say()
    with django_capture_on_commit_callbacks(execute=True):
        assert driver.take_reports([node.name]) == 1
    node.refresh_from_db()
    assert (node.state, node.agent, node.address) == ("ready", agent.id, "127.0.0.1")
    with pytest.raises(registers.HeldByAnother):
        agent_of(control_broker, node, id="late").say()


def test_a_node_joins_as_its_operator_meant(cast, control_broker):
    node = cast.node(state=NodeState.JOINING, intent=NodeState.CORDONED, agent="")
    agent_of(control_broker, node).say()
    driver.take_reports([node.name])
    node.refresh_from_db()
    assert node.state == "cordoned"


def test_on_sqlite_a_node_on_another_machine_does_not_join_and_hears_why(cast, control_broker, settings):
    settings.SQLITE = True
    node = cast.node(state=NodeState.JOINING, agent="")
    far = agent_of(control_broker, node, machine="another machine", id="far")
    far.say()
    assert driver.take_reports([node.name]) == 0
    node.refresh_from_db()
    assert (node.state, node.agent, node.refusal) == ("joining", "", driver.ONE_MACHINE)
    epoch = node.epoch
    driver.drive_node(node.name)
    assert far.hear().refusal == driver.ONE_MACHINE
    far.say()
    driver.take_reports([node.name])
    node.refresh_from_db()
    assert node.epoch == epoch, "told once"

    near = agent_of(control_broker, node, id="near", boot=2)
    near.say()
    assert driver.take_reports([node.name]) == 1
    node.refresh_from_db()
    assert (node.state, node.agent, node.refusal) == ("ready", "near", "")
    driver.drive_node(node.name)
    assert near.hear().refusal == ""


def test_on_postgresql_any_machine_may_join(cast, control_broker, settings):
    settings.SQLITE = False
    node = cast.node(state=NodeState.JOINING, agent="")
    agent_of(control_broker, node, machine="another machine").say()
    assert driver.take_reports([node.name]) == 1
    node.refresh_from_db()
    assert (node.state, node.machine) == ("ready", "another machine")


def test_a_wish_of_an_older_control_is_still_understood():
    import msgspec

    plain = {"node": "n", "agent": "", "incarnation": 1, "epoch": 1, "instances": []}
    assert wire.decode_wish(msgspec.msgpack.encode(plain)).refusal == ""


# --- crashes ----------------------------------------------------------------------------------------------------


def crash_and_mend(site) -> Instance:
    site.drive()
    site.agent.crash(str(site.row.pk))
    site.say_and_take()
    listening.mend(site.row.retry_at or now())
    return site.row


def test_a_crashing_instance_is_tried_six_times_and_keeps_its_rdus_meanwhile(site):
    for attempt in range(2, 7):
        row = crash_and_mend(site)
        assert (row.state, row.attempt, row.retry_at) == ("placed", attempt, None)
        assert site.fresh().free == 6
    row = crash_and_mend(site)
    assert (row.state, row.attempt, row.reason["code"]) == ("failed", 6, "crash")
    assert view_of(site.endpoint).status == "Failed"
    site.drive()
    site.say_and_take()
    assert (site.fresh().free, site.row.node, site.row.state) == (8, None, "failed")
    services.restart_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    assert sorted(Instance.objects.values_list("state", flat=True)) == ["awaiting", "stopped"]


def test_while_it_pauses_the_rdus_are_held_without_a_process(site):
    site.drive()
    Instance.objects.update(crashes=1)
    site.agent.crash(str(site.row.pk))
    site.say_and_take()
    assert site.row.retry_at > now()
    assert site.drive().instances[0].desired == "hold"
    assert site.agent.living() == {}
    listening.mend(now())
    assert site.drive().instances[0].desired == "hold", "not yet"
    listening.mend(now() + timedelta(seconds=2))
    assert site.drive().instances[0].desired == "run"
    assert site.agent.living()[str(site.row.pk)].attempt == 2


# --- leaving ----------------------------------------------------------------------------------------------------


def test_what_serves_drains_and_gives_its_rdus_back_when_nothing_lives(site):
    site.make_ready()
    services.stop_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    assert (site.row.state, site.row.drain_mode) == ("draining", "drain")
    site.drive()
    site.say_and_take()
    assert (site.row.state, site.fresh().free) == ("draining", 6)
    site.agent.progress()
    site.say_and_take()
    assert (site.row.state, site.row.port, site.fresh().free) == ("stopped", 0, 8)
    assert Allocation.objects.filter(released_at=None).count() == 0
    assert site.drive().instances == []


def test_what_does_not_serve_yet_is_stopped_at_once(site):
    site.drive()
    services.delete_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    assert site.drive().instances[0].desired == "stop"
    site.say_and_take()
    assert site.row.state == "stopped"


def test_room_that_came_free_is_planned_at_once(site, django_capture_on_commit_callbacks, monkeypatch):
    wide = site.cast.endpoint(parameters={"model_parallel_rdus": 8})
    placing.place_pending("SN40L")
    assert view_of(wide).status == "Awaiting RDU"
    site.make_ready()
    services.stop_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    site.drive()
    site.agent.progress()
    nudges = []
    monkeypatch.setattr(enqueue, "nudge", lambda task, subject, *, queue: nudges.append((task, subject)))
    with django_capture_on_commit_callbacks(execute=True):
        site.say_and_take()
    assert ("scheduler.tasks.place", "SN40L") in nudges
    assert placing.place_pending("SN40L") == 1


# --- making room in place ---------------------------------------------------------------------------------------


def parameters(rdus: int):
    return services.Edit(parameters={"model_parallel_rdus": rdus})


def roll(site, edit) -> None:
    services.update_endpoint(actor=site.cast.owen, endpoint=site.endpoint, edit=edit, now=now())
    placing.place_pending("SN40L")
    rollouts.converge(site.endpoint.pk, now=now())


def test_a_full_node_makes_room_from_one_of_the_old(cast, control_broker):
    site = Site(cast, control_broker, instances=4)
    site.make_ready()
    roll(site, services.Edit(model_version=1))
    assert Instance.objects.filter(state="draining").count() == 1
    rollouts.converge(site.endpoint.pk, now=now())
    assert Instance.objects.filter(state="draining").count() == 1, "no second one while the first is leaving"
    site.drive()
    site.agent.progress()
    site.say_and_take()
    rollouts.converge(site.endpoint.pk, now=now())
    assert Instance.objects.filter(state="ready").count() == 3, (
        "the planner has not looked since: nobody else goes"
    )
    placing.place_pending("SN40L")
    rollouts.converge(site.endpoint.pk, now=now())
    assert (
        Instance.objects.filter(state="ready").count(),
        Instance.objects.filter(state="placed").count(),
    ) == (3, 1)


def test_an_old_one_on_another_generation_serves_on(cast, control_broker):
    site = Site(cast, control_broker)
    site.make_ready()
    roll(site, services.Edit(arch="SN30"))
    cast.node("sn30-1", 1, generation_id="SN30")
    placing.place_pending("SN30")
    rollouts.converge(site.endpoint.pk, now=now())
    assert sorted(Instance.objects.values_list("state", flat=True)) == ["awaiting", "ready"]


def test_no_old_one_ends_where_all_of_them_together_would_not_be_enough(cast, control_broker):
    site = Site(cast, control_broker)
    other = cast.endpoint(parameters={"model_parallel_rdus": 4})
    placing.place_pending("SN40L")
    site.make_ready()
    assert other.rows.get().node == site.node
    roll(site, parameters(8))
    assert site.endpoint.rows.filter(state="ready").count() == 1
    roll(site, parameters(4))
    assert site.endpoint.rows.filter(state="draining").count() == 1
