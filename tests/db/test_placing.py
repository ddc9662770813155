"""One planner per generation: its lease, its fence, and demand that is never missed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduler import placing, planner, services
from scheduler.models import Allocation, Demand, Instance, Node, Placement
from tests.support.cast import NOW


def lease() -> Placement:
    return Placement.objects.get(pk="SN40L")


def demand() -> int:
    return Demand.objects.get(pk="SN40L").count


def placements(*rows: Instance, node: Node) -> list[planner.Placement]:
    return [planner.Placement(str(row.pk), node.name, row.rdus) for row in rows]


def test_each_instance_gets_rdus_of_its_own_and_the_counter_is_exact(cast):
    node = cast.node()
    cast.endpoint(instances=3, parameters={"model_parallel_rdus": 2})
    assert placing.place_pending("SN40L") == 3
    node.refresh_from_db()
    held = Allocation.objects.filter(released_at=None).values_list("rdu__index", flat=True)
    assert (sorted(held), node.free, node.epoch) == ([0, 1, 2, 3, 4, 5], 2, 2)
    assert len({row.sealed_token for row in Instance.objects.all()}) == 3


def test_who_does_not_fit_learns_why(cast):
    cast.node()
    wide = cast.endpoint(parameters={"model_parallel_rdus": 16})
    assert placing.place_pending("SN40L") == 0
    reason = wide.rows.get().reason
    assert (reason["code"], reason["rdus"], reason["any_width"], reason["position"]) == ("too_wide", 16, 8, 1)


def test_a_least_width_is_kept(cast):
    cast.node("narrow", 8)
    narrow, wide = cast.endpoint(), cast.endpoint(arch="SN40L-16")
    placing.place_pending("SN40L")
    assert (narrow.rows.get().state, wide.rows.get().state) == ("placed", "awaiting")
    cast.node("wide", 16)
    placing.place_pending("SN40L")
    assert wide.rows.get().node.name == "wide"


def test_generations_are_planned_apart(cast):
    cast.node("a", generation_id="SN30")
    cast.endpoint(arch="SN40L")
    assert placing.place_pending("SN30") == 0
    assert Instance.objects.get().state == "awaiting"


@pytest.mark.parametrize(
    "state", ["joining", "cordoned", "draining", "suspect", "lost", "returning", "removed"]
)
def test_only_a_ready_node_takes_instances(cast, state):
    cast.node(state=state)
    cast.endpoint()
    assert placing.place_pending("SN40L") == 0


def test_the_older_request_goes_first(cast):
    cast.node(width=1)
    late, early = cast.endpoint(), cast.endpoint()
    Instance.objects.filter(endpoint=early).update(created_at=NOW)
    placing.place_pending("SN40L")
    assert (early.rows.get().state, late.rows.get().state) == ("placed", "awaiting")


# --- the lease ------------------------------------------------------------------------------------------------


def test_while_one_plans_another_returns_at_once(cast):
    cast.node()
    cast.endpoint()
    Placement.objects.update(held_until=datetime.now(UTC) + timedelta(seconds=9), holder="another")
    assert placing.place_pending("SN40L") == 0
    assert Instance.objects.get().state == "awaiting"


def test_a_dead_planners_lease_runs_out(cast):
    cast.node()
    cast.endpoint()
    Placement.objects.update(held_until=datetime.now(UTC) - timedelta(seconds=1), holder="dead", fence=7)
    assert placing.place_pending("SN40L") == 1
    assert (lease().fence, lease().holder, lease().planned) == (8, "", demand())


def test_a_planner_that_was_frozen_writes_nothing(cast):
    node = cast.node()
    row = cast.endpoint().rows.get()
    fence = placing._take_lease("SN40L", datetime.now(UTC))
    Placement.objects.update(fence=fence + 1)
    for write in (
        lambda: placing.write_placements("SN40L", fence, placements(row, node=node)),
        lambda: placing.write_reasons("SN40L", fence, {row.pk: {"code": "none_free"}}),
    ):
        with pytest.raises(placing.FenceLost):
            write()
    row.refresh_from_db()
    assert (row.state, row.reason) == ("awaiting", None)


def test_a_planner_that_lost_its_lease_while_planning_gives_nothing_back(cast, monkeypatch):
    cast.node()
    cast.endpoint()
    plan_once = placing._plan_once

    def overtaken(generation, fence):
        Placement.objects.update(fence=fence + 1, holder="the next")
        return plan_once(generation, fence)

    monkeypatch.setattr(placing, "_plan_once", overtaken)
    assert placing.place_pending("SN40L") == 0
    assert (lease().holder, lease().planned) == ("the next", 0)


def test_a_planner_that_fails_leaves_the_lease_free_and_the_demand_open(cast, monkeypatch):
    cast.node()
    cast.endpoint()
    with monkeypatch.context() as broken:
        broken.setattr(placing.planner, "plan", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            placing.place_pending("SN40L")
    assert (lease().held_until, lease().planned) == (None, 0)
    assert placing.place_pending("SN40L") == 1


def test_a_wish_that_comes_while_planning_is_not_missed(cast, monkeypatch):
    cast.node()
    cast.endpoint()
    plan_once, rounds = placing._plan_once, []

    def meanwhile(generation, fence):
        placed = plan_once(generation, fence)
        if not rounds:
            cast.endpoint()
        rounds.append(placed)
        return placed

    monkeypatch.setattr(placing, "_plan_once", meanwhile)
    assert placing.place_pending("SN40L") == 2
    assert rounds == [1, 1]
    assert lease().planned == demand()


# --- guarded writes -------------------------------------------------------------------------------------------


def written(row: Instance, node: Node) -> int:
    fence = placing._take_lease("SN40L", datetime.now(UTC))
    return placing.write_placements("SN40L", fence, placements(row, node=node))


def test_what_was_withdrawn_meanwhile_is_not_placed(cast):
    node, row = cast.node(), cast.endpoint().rows.get()
    Instance.objects.update(state="stopped")
    assert written(row, node) == 0


@pytest.mark.parametrize("facts", [{"free": 0}, {"state": "cordoned"}, {"state": "lost"}])
def test_a_node_that_changed_meanwhile_takes_nothing(cast, facts):
    node, row = cast.node(), cast.endpoint().rows.get()
    Node.objects.update(**facts)
    assert written(row, node) == 0
    assert not Allocation.objects.exists()


def test_rdus_that_are_held_are_not_taken_whatever_the_counter_says(cast):
    node = cast.node(width=2)
    holder = cast.endpoint(parameters={"model_parallel_rdus": 2}).rows.get()
    placing.place_pending("SN40L")
    Node.objects.update(free=2)
    row = cast.endpoint().rows.get()
    assert written(row, node) == 0
    assert Allocation.objects.filter(released_at=None, instance=holder).count() == 2


def test_a_reason_is_written_only_where_it_changed(cast):
    row = cast.endpoint().rows.get()
    placing.place_pending("SN40L")
    row.refresh_from_db()
    fence = placing._take_lease("SN40L", datetime.now(UTC))
    with CaptureQueriesContext(connection) as captured:
        placing.write_reasons("SN40L", fence, {row.pk: row.reason})
    assert not [query for query in captured.captured_queries if query["sql"].startswith("UPDATE")]


def test_releasing_raises_the_counter_by_what_was_held_and_only_once(cast):
    node = cast.node()
    row = cast.endpoint(parameters={"model_parallel_rdus": 4}).rows.get()
    placing.place_pending("SN40L")
    row.refresh_from_db()
    before = demand()
    for _ in range(2):
        services.release([row], now=NOW)
    node.refresh_from_db()
    assert node.free == 8
    assert demand() == before + 2


def test_a_big_plan_is_written_in_batches(cast, monkeypatch):
    cast.node(width=64)
    cast.endpoint(instances=30)
    monkeypatch.setattr(placing, "BATCH", 7)
    sizes = []
    write = placing.write_placements
    monkeypatch.setattr(
        placing, "write_placements", lambda g, f, batch: sizes.append(len(batch)) or write(g, f, batch)
    )
    assert placing.place_pending("SN40L") == 30
    assert sizes == [7, 7, 7, 7, 2]
