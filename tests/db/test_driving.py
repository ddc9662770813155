"""Wishes down and reports up, through a real broker: built once per epoch, taken once, believed from one agent."""

from datetime import UTC, datetime

import pytest

from scheduler import driver, listening, registers, wire
from scheduler.models import Control, Instance, Node
from scheduler.rules import NodeState
from studio import enqueue
from studio.hub.models import Runtime
from tests.support.cast import TOKEN
from tests.support.fleet import Agent, agent_of
from tests.support.site import Site


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


def test_the_wish_says_how_many_requests_an_instance_works_on(site):
    Runtime.objects.update(parallel=4)
    assert site.drive().instances[0].runtime.parallel == 4


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
