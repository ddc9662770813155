"""The doctor: each classic wedge is made, named, mended; a platform that works has none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import redis
from django.db import IntegrityError, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F

from apikeys.models import ApiKey
from endpoints import routing, services, wire
from endpoints.models import Endpoint
from scheduler import listening, registers
from scheduler.models import Allocation, Control, Demand, Instance, Node, Placement, Rdu, Sweep
from scheduler.placing import place_pending
from studio.audit.models import Event
from studio.doctor.looking import Look, examine, look
from studio.doctor.repairs import REPAIRS, RUNS, repair
from studio.doctor.rules import SWEEPS, Finding
from studio.errors import Conflict
from studio.repeats.models import Answered
from tests.support.cast import Cast
from tests.support.fleet import Process
from tests.support.site import Site

AGES = timedelta(days=3)
MINUTES = timedelta(minutes=20)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def site(cast: Cast, control_broker: redis.Redis) -> Site:
    """An endpoint that is Live, with everything told to everybody."""
    site = Site(cast, control_broker)
    site.make_ready()
    Sweep.objects.bulk_create(Sweep(name=name, last=now()) for name in SWEEPS)
    settle(site)
    return site


def settle(site: Site) -> None:
    """What nudges would do by now, and the agent."""
    for generation in ("SN40L", "SN30"):
        place_pending(generation)
    before: Any = None
    while site.fresh().state != "removed" and (rows := rows_of(site)) != before:
        before = rows
        site.drive()
        site.agent.progress()
        site.say_and_take()
    for endpoint in Endpoint.objects.all():
        services.rollouts.converge(endpoint.pk, now=now())
    for generation in ("SN40L", "SN30"):
        place_pending(generation)
    routing.look()
    routing.look()


def rows_of(site: Site) -> Any:
    """What a round of the agent may change."""
    processes = [(name, process.state) for name, process in site.agent.processes.items()]
    rows = Instance.objects.order_by("pk").values_list("pk", "state", "attempt", "node")
    return [*rows, *Node.objects.values_list("epoch", "free", "state"), *processes]


def codes(found: Look) -> set[str]:
    return {finding.code for finding in found.findings}


# ----- wedges ---------------------------------------------------------------------------------------------


def stand_still(site: Site, **row: Any) -> None:
    Instance.objects.update(**{"state_since": now() - MINUTES} | row)
    Node.objects.update(state_since=now() - AGES)


def leave_for_ever(site: Site) -> None:
    services.stop_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    settle_wish(site)
    stand_still(site, drain_seconds=10)


def settle_wish(site: Site) -> None:
    """The node knows its wish, and has not done it yet."""
    site.drive()
    site.say_and_take()
    routing.look()


def strand(site: Site) -> None:
    Node.objects.update(state="removed", intent="removed")


def overlook(site: Site) -> None:
    """A planner said that it had met a wish, and did not."""
    site.cast.endpoint()
    Placement.objects.filter(pk="SN40L").update(planned=Demand.objects.get(pk="SN40L").count)
    Instance.objects.filter(state="awaiting").update(state_since=now() - MINUTES)
    routing.look()


def keep_for_nobody(site: Site) -> None:
    over = site.cast.instance(site.endpoint, state="stopped", node=site.node, ordinal=9)
    Allocation.objects.create(rdu=site.node.rdus.get(index=7), instance=over)
    Node.objects.update(free=F("free") - 1)


def haunt(site: Site) -> None:
    site.agent.processes[str(uuid4())] = Process(1, "ready", (), 9999)
    site.agent.say()


def forget(site: Site) -> None:
    site.agent.wish = msgspec.structs.replace(site.agent.wish, instances=[])
    site.agent.processes.clear()
    site.agent.say()


def unwrite(site: Site) -> None:
    site.agent.broker.delete(registers.wish_key(site.node.name))


def keep_answers(site: Site) -> None:
    Answered.objects.create(
        user=site.cast.users["owen"], key="old", fingerprint=b"f", sealed=b"s", created_at=now() - AGES
    )


def keep_values(site: Site) -> None:
    gone = site.cast.endpoint()
    services.delete_endpoint(actor=site.cast.owen, endpoint=gone, now=now())
    settle(site)
    Endpoint.objects.filter(pk=gone.pk).update(deleted_at=now() - AGES)


WEDGES: dict[str, tuple[str, Callable[[Site], object]]] = {
    "placed for ever": ("instance-stuck", lambda site: stand_still(site, state="placed", ready_at=None)),
    "starting for ever": ("instance-stuck", lambda site: stand_still(site, state="starting", ready_at=None)),
    "warming for ever": ("instance-stuck", lambda site: stand_still(site, state="warming")),
    "a pause without end": (
        "instance-stuck", lambda site: stand_still(site, state="placed", retry_at=now() - MINUTES),
    ),
    "draining for ever": ("instance-stuck", leave_for_ever),
    "on a removed node": ("instance-on-removed-node", strand),
    "looked at by no planner": ("instance-unplanned", overlook),
    "a counter that drifted": ("free-drift", lambda site: Node.objects.update(free=1)),
    "held by what is over": ("rdu-held-by-nobody", keep_for_nobody),
    "RDUs without rows": ("rdus-missing", lambda site: Rdu.objects.filter(index__gte=6).delete()),
    "a process of nobody": ("process-orphaned", haunt),
    "a row its node forgot": ("instance-forgotten", forget),
    "a wish the broker lost": ("wish-not-written", unwrite),
    "an epoch nobody wrote": ("wish-not-written", lambda site: Node.objects.update(epoch=F("epoch") + 1)),
    "a sweep that stands": ("sweep-stale", lambda site: Sweep.objects.filter(name="settle").update(last=now() - AGES)),
    "a sweep in the future": (
        "sweep-stale", lambda site: Sweep.objects.filter(name="forget deleted").update(last=now() + AGES),
    ),
    "a sweep that never ran": (
        "sweep-stale",
        lambda site: Sweep.objects.filter(name="watch").delete()
        and MigrationRecorder.Migration.objects.update(applied=now() - AGES),
    ),
    "a wish nobody planned": ("plan-behind", lambda site: Demand.objects.filter(pk="SN30").update(count=7)),
    "a lease of nobody": (
        "plan-behind",
        lambda site: Demand.objects.filter(pk="SN30").update(count=7)
        and Placement.objects.filter(pk="SN30").update(holder="x", held_until=now() + AGES),
    ),
    "an instance too few": ("endpoint-unsettled", lambda site: Endpoint.objects.update(instances=2)),
    "an instance too many": (
        "endpoint-unsettled", lambda site: site.cast.instance(site.endpoint, ordinal=2, reason={"code": "held"}),
    ),
    "routes not told": (
        "routes-unpublished", lambda site: Endpoint.objects.update(route_version=F("route_version") + 1),
    ),
    "routes the broker lost": (
        "routes-absent", lambda site: site.agent.broker.hdel(wire.ROUTES, str(site.endpoint.pk)),
    ),
    "answers past their day": ("answers-kept", keep_answers),
    "values past their day": ("values-kept", keep_values),
}  # fmt: skip


def test_a_platform_that_works_has_nothing_wedged(site: Site) -> None:
    assert look(now()) == Look([], [])


@pytest.mark.parametrize("name", list(WEDGES))
def test_each_wedge_is_named_mended_and_gone(site: Site, name: str) -> None:
    code, make = WEDGES[name]
    make(site)
    found = look(now()).findings
    assert {finding.code for finding in found} == {code}
    for finding in found:
        assert finding.repairs
        repair(finding, now=now())
    settle(site)
    assert look(now()) == Look([], [])


def test_every_repair_is_shown_above() -> None:
    assert {code for code, _ in WEDGES.values()} == set(REPAIRS)


def test_a_mended_instance_serves_again(site: Site) -> None:
    stand_still(site, state="starting", ready_at=None)
    repair(look(now()).findings[0], now=now())
    assert (site.row.state, site.row.attempt) == ("placed", 2)
    settle(site)
    assert site.row.state == "ready"


def test_what_is_lost_on_a_node_that_answers_is_told_anew(site: Site) -> None:
    stand_still(site, state="lost")
    found = {finding.code: finding for finding in look(now()).findings}
    assert set(found) == {"instance-stuck", "endpoint-unsettled"}
    repair(found["instance-stuck"], now=now())
    settle(site)
    assert look(now()) == Look([], [])


def test_an_instance_of_a_removed_node_is_over_and_gets_a_successor(site: Site) -> None:
    strand(site)
    repair(look(now()).findings[0], now=now())
    assert site.row.state == "stopped"
    assert not Allocation.objects.filter(released_at=None).exists()
    site.cast.node("another")
    settle(site)
    assert Instance.objects.filter(state="placed", node__name="another").count() == 1


def test_a_repair_of_rows_is_in_the_audit_by_the_platform_itself(site: Site) -> None:
    Node.objects.update(free=1)
    repair(look(now()).findings[0], now=now())
    said = Event.objects.get(verb="repair")
    assert (said.actor_name, said.role, said.thing_id) == ("Studio", "platform", site.node.pk)
    assert said.changes["finding"] == "free-drift"


def test_a_repair_that_comes_too_late_changes_nothing(site: Site) -> None:
    for finding in (
        Finding("instance-stuck", str(site.row.pk), "It stood still."),
        Finding("instance-on-removed-node", str(site.row.pk), "Its node was gone."),
        Finding("rdu-held-by-nobody", f"{site.node.name}:0 {site.row.pk}", "It was over."),
    ):
        repair(finding, now=now())
    assert site.row.state == "ready"
    assert Allocation.objects.filter(released_at=None).count() == 2
    assert look(now()) == Look([], [])


def test_what_stood_still_while_control_was_away_gets_its_time(site: Site) -> None:
    stand_still(site, state="starting", ready_at=None)
    Control.objects.update_or_create(pk=1, defaults={"resumed_at": now()})
    assert look(now()) == Look([], [])


def test_a_late_report_is_taken_before_anything_is_restarted(site: Site) -> None:
    """Control was away for hours: the row says starting, the node has said ready long ago."""
    stand_still(site, state="starting", ready_at=None)
    Sweep.objects.filter(name="watch").update(last=now() - AGES)
    Node.objects.update(report_number=F("report_number") - 1)
    for finding in look(now()).findings:
        repair(finding, now=now())
    assert (site.row.state, site.row.attempt) == ("ready", 1)


def test_rows_beyond_a_nodes_width_are_for_a_person(site: Site) -> None:
    Rdu.objects.create(node=site.node, index=8)
    (finding,) = look(now()).findings
    assert (finding.code, finding.repairs) == ("rdus-beyond", "")
    assert "Drain the node" in finding.remedy


def test_what_the_database_forbids_is_no_wedge(site: Site) -> None:
    """Two holders of one RDU, a counter beyond the width, work without a node, a name twice."""
    taken = Allocation.objects.first()
    other = site.cast.instance(site.endpoint, ordinal=7)
    for forbidden in (
        lambda: Allocation.objects.create(rdu=taken.rdu, instance=other),
        lambda: Node.objects.update(free=F("width") + 1),
        lambda: Instance.objects.update(node=None),
        lambda: Rdu.objects.create(node=site.node, index=0),
        lambda: ApiKey.objects.update(revoked_at=now()),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            forbidden()


# ----- passing moments ------------------------------------------------------------------------------------


def test_what_the_next_moment_ends_is_no_finding(site: Site) -> None:
    """A nudge on its way, routes not out yet, a node that ends a process: all gone at the second look."""
    site.cast.endpoint()
    services.stop_endpoint(actor=site.cast.owen, endpoint=site.endpoint, now=now())
    assert codes(look(now())) >= {"routes-unpublished", "plan-behind", "wish-not-written"}
    assert examine(clock=now, pause=lambda: settle(site)).findings == []


def test_what_is_there_at_both_looks_is_one(site: Site) -> None:
    Node.objects.update(free=1)
    assert codes(examine(clock=now, pause=lambda: settle(site))) == {"free-drift"}


def test_what_changes_between_the_looks_is_no_finding(site: Site) -> None:
    Node.objects.update(free=1)
    assert examine(clock=now, pause=lambda: Node.objects.update(free=2)).findings == []


def test_a_healthy_platform_is_looked_at_once(site: Site) -> None:
    assert examine(clock=now, pause=lambda: pytest.fail("it waited")) == Look([], [])


def test_an_instance_on_its_way_and_one_that_waits_are_no_findings(site: Site) -> None:
    site.cast.endpoint(instances=5, parameters={"model_parallel_rdus": 2})
    place_pending("SN40L")
    site.drive()
    site.say_and_take()
    routing.look()
    assert {"awaiting", "ready"} < set(Instance.objects.values_list("state", flat=True))
    site.drive()
    site.agent.say()
    assert codes(look(now())) == set()


def test_a_lost_node_stops_its_clocks_and_is_not_the_doctors_to_decide(site: Site) -> None:
    listening._change_state(site.fresh(), "lost", 40.0, now())
    routing.look()
    place_pending("SN40L")
    Instance.objects.filter(state="lost").update(state_since=now() - AGES)
    assert "instance-stuck" not in codes(look(now()))


# ----- the broker away ------------------------------------------------------------------------------------


@pytest.fixture
def broker_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    monkeypatch.setattr("studio.enqueue._client", nowhere)


def test_without_its_broker_the_rows_are_looked_at(site: Site, broker_away: None) -> None:
    Node.objects.update(free=1)
    found = look(now())
    assert codes(found) == {"broker-away", "free-drift"}
    assert found.unlooked == ["wishes, reports and routes in the broker"]


def test_a_repair_that_needs_it_says_so(site: Site, broker_away: None) -> None:
    with pytest.raises(Conflict, match="The broker does not answer"):
        repair(Finding("wish-not-written", site.node.name, "Not written."), now=now())


def test_every_sweep_can_be_run_by_a_repair() -> None:
    assert set(RUNS) == set(SWEEPS)
