"""An instance's life as control leads it: crashes and pauses, leaving, and making room for its successor."""

from datetime import UTC, datetime, timedelta

import pytest

from endpoints import rollouts, services
from scheduler import listening, placing
from scheduler.models import Allocation, Instance
from studio import enqueue
from tests.support.cast import view_of
from tests.support.site import Site


@pytest.fixture
def site(cast, control_broker) -> Site:
    return Site(cast, control_broker)


def now():
    return datetime.now(UTC)


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
