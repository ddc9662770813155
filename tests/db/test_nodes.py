"""What operators do to nodes: add, cordon, drain, remove."""

from datetime import timedelta

import pytest
import redis

from endpoints import rollouts
from scheduler import placing, registers, services
from scheduler.models import Allocation, Demand, Instance, Node, Rdu
from scheduler.rules import NodeState
from studio import enqueue, keyring
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from tests.support.cast import NOW, view_of
from tests.support.control import arrows_checked

VERBS = ["cordon", "uncordon", "drain", "remove"]


def add(cast, by: str = "otto", **facts):
    wanted = {"name": "n1", "generation": "SN40L", "width": 8} | facts
    return services.add_node(actor=getattr(cast, by), now=NOW, **wanted)


def do(verb: str, cast, node: Node, by: str = "otto", now=NOW) -> Node:
    return getattr(services, f"{verb}_node")(actor=getattr(cast, by), node=node, now=now)


def test_otto_adds_a_node_and_sees_its_token_once(cast):
    node, secret = add(cast, virtual=True)
    token = secret.reveal()
    assert (node.state, node.free, node.width, node.virtual) == ("joining", 8, 8, True)
    assert list(Rdu.objects.filter(node=node).values_list("index", flat=True)) == list(range(8))
    assert keyring.open_value(node.sealed_token, "join") == token
    event = Event.objects.get(verb="add")
    assert token not in str(event.changes)
    assert event.thing_name == "n1"


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("name", {"name": ""}), ("name", {"name": "two words"}), ("name", {"name": "n/1"}),
        ("name", {"name": "x" * 64}), ("width", {"width": 0}), ("width", {"width": 65}),
        ("generation", {"generation": "TPU"}),
    ],
)  # fmt: skip
def test_a_bad_node_is_refused_at_its_field(cast, field, facts):
    with pytest.raises(Invalid) as refusal:
        add(cast, **facts)
    assert set(refusal.value.fields) == {field}
    assert not Node.objects.exists()


def test_a_nodes_name_is_taken_once(cast):
    add(cast)
    with pytest.raises(Conflict):
        add(cast, name="N1")


@pytest.mark.parametrize("name", ["tina", "owen", "mila", "oskar"])
def test_only_operators_and_olga_manage_nodes(cast, name):
    node = cast.node()
    with pytest.raises(Forbidden, match="operator"):
        add(cast, by=name)
    for verb in VERBS:
        with pytest.raises(Forbidden, match="operator"):
            do(verb, cast, node, by=name)
    assert do("cordon", cast, node, by="olga").state == "cordoned"


@pytest.mark.parametrize(
    ("verb", "state"), [("cordon", "cordoned"), ("drain", "draining"), ("uncordon", "ready")]
)
def test_a_node_that_answers_obeys_at_once_and_one_that_does_not_when_it_is_back(cast, verb, state):
    here, away = cast.node("here"), cast.node("away", state=NodeState.LOST)
    assert (do(verb, cast, here).state, do(verb, cast, here).intent) == (state, state)
    assert (do(verb, cast, away).state, do(verb, cast, away).intent) == ("lost", state)
    assert set(Event.objects.values_list("verb", flat=True)) == {verb}


@pytest.mark.parametrize("verb", VERBS)
def test_whatever_changes_the_pool_is_planned_again(cast, verb):
    node = cast.node()
    before = Demand.objects.get(pk="SN40L").count
    do(verb, cast, node)
    assert Demand.objects.get(pk="SN40L").count > before


def test_nothing_is_placed_on_a_cordoned_node(cast):
    node = cast.node()
    do("cordon", cast, node)
    hello = cast.endpoint()
    assert placing.place_pending("SN40L") == 0
    assert view_of(hello).status == "Awaiting RDU"
    assert "No SN40L node takes instances now (not counted: 1 node cordoned)" in view_of(hello).reason
    do("uncordon", cast, node)
    assert placing.place_pending("SN40L") == 1


def test_a_drained_node_is_left_only_when_the_replacement_serves(cast):
    old = cast.node("old")
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=9001)
    cast.node("new")
    do("drain", cast, old)
    rollouts.converge(hello.pk, now=NOW)
    placing.place_pending("SN40L")
    first, second = Instance.objects.order_by("-node__name")
    rollouts.converge(hello.pk, now=NOW)
    first.refresh_from_db()
    assert (first.state, second.node.name) == ("ready", "new")
    Instance.objects.filter(pk=second.pk).update(state="ready", port=9002)
    rollouts.converge(hello.pk, now=NOW)
    first.refresh_from_db()
    assert (first.state, first.drain_mode) == ("draining", "drain")


# --- remove -------------------------------------------------------------------------------------------------


def test_a_node_that_answers_and_runs_something_is_not_removed(cast):
    node = cast.node()
    cast.endpoint()
    placing.place_pending("SN40L")
    with pytest.raises(Conflict, match="drain it first"):
        do("remove", cast, node, now=node.heard_at)


def test_a_node_that_is_silent_while_the_clocks_are_frozen_can_be_removed(cast):
    node = cast.node()
    cast.endpoint()
    placing.place_pending("SN40L")
    assert do("remove", cast, node, now=node.heard_at + timedelta(seconds=31)).state == "removed"


@pytest.mark.parametrize("state", ["placed", "ready", "draining", "failed", "lost"])
def test_removing_a_silent_node_draws_only_legal_arrows(cast, state):
    node = cast.node(state=NodeState.SUSPECT)
    cast.instance(cast.bare_endpoint(), state=state, node=node)
    with arrows_checked():
        do("remove", cast, node)
    assert Instance.objects.get().state == "stopped"


def test_removing_a_lost_node_ends_its_instances_and_starts_others(cast):
    node = cast.node()
    hello = cast.endpoint(parameters={"model_parallel_rdus": 4})
    placing.place_pending("SN40L")
    Instance.objects.update(state="lost", port=9001)
    Node.objects.update(state=NodeState.LOST)
    removed = do("remove", cast, node)
    row = Instance.objects.get()
    assert (row.state, row.port, removed.free, removed.state) == ("stopped", 0, 8, "removed")
    assert not Allocation.objects.filter(released_at=None).exists()
    rollouts.converge(hello.pk, now=NOW)
    assert Instance.objects.filter(state="awaiting").count() == 1


@pytest.mark.parametrize("name", ["n1", "x" * 63])
def test_a_removed_node_frees_its_name_and_its_registers(
    cast, control_broker, name, django_capture_on_commit_callbacks
):
    node = cast.node(name, agent="agent")
    registers.bind(control_broker, name, "agent")
    registers.put_wish(control_broker, name, 1, b"wish")
    with django_capture_on_commit_callbacks(execute=True):
        do("remove", cast, node)
    assert control_broker.keys("node:*") == []
    again, _ = add(cast, name=name)
    assert again.state == "joining"
    for verb in VERBS:
        with pytest.raises(NotFound):
            do(verb, cast, node)


def test_a_node_removed_while_the_broker_is_away_leaves_nothing_to_the_next_of_its_name(
    cast, control_broker, monkeypatch, django_capture_on_commit_callbacks
):
    node = cast.node(agent="agent")
    registers.bind(control_broker, node.name, "agent")

    def away():
        return redis.Redis(unix_socket_path="/nowhere/broker.sock")

    with monkeypatch.context() as broken, django_capture_on_commit_callbacks(execute=True):
        broken.setattr(enqueue, "broker", away)
        do("remove", cast, node)
    assert control_broker.keys("node:*") != []
    with django_capture_on_commit_callbacks(execute=True):
        add(cast, name="sn40l-1")
    assert control_broker.keys("node:*") == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_change_of_a_node_and_its_audit_row_stand_or_fall_together(cast, verb, monkeypatch):
    node = cast.node()

    def broken(*args, **kwargs):
        raise RuntimeError("the audit cannot be written")

    monkeypatch.setattr(services, "record", broken)
    with pytest.raises(RuntimeError):
        do(verb, cast, node)
    node.refresh_from_db()
    assert (node.state, node.intent, node.name) == ("ready", "ready", "sn40l-1")
