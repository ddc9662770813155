"""The planner by example; test_planner_properties.py says what holds for every fleet and queue."""

import json
from dataclasses import replace

import pytest

from scheduler.planner import NodeView, Plan, Policy, Quota, Reason, Waiting, dry_run, plan


def node(name: str, free: int, width: int = 8, away: str = "", tenant: str = "") -> NodeView:
    return NodeView(f"id-{name}", name, width, free, usable=not away, why_not=away, tenant=tenant)


def wish(
    endpoint: str,
    rdus: int,
    *,
    at: float = 0,
    ordinal: int = 0,
    tenant: str = "default",
    priority: int = 0,
    on: tuple[str, ...] = (),
) -> Waiting:
    avoids = frozenset(f"id-{name}" for name in on)
    return Waiting(f"{endpoint}/{ordinal}", endpoint, tenant, rdus, at, ordinal, priority, avoids)


def wishes(endpoint: str, instances: int, rdus: int) -> list[Waiting]:
    return [wish(endpoint, rdus, ordinal=ordinal) for ordinal in range(instances)]


def where(result: Plan) -> dict[str, str]:
    return {each.instance: each.node.removeprefix("id-") for each in result.placements}


def why(result: Plan) -> dict[str, Reason]:
    return {each.instance: each.reason for each in result.waits}


class TestNode:
    def test_the_tightest_node_that_fits_is_taken(self):
        fleet = [node("a", 8), node("b", 3), node("c", 5)]
        assert where(plan(fleet, [wish("help", 3)])) == {"help/0": "b"}

    def test_a_narrow_node_comes_before_a_tighter_wide_one(self):
        fleet = [node("wide", 2, width=16), node("narrow", 8)]
        assert where(plan(fleet, [wish("help", 2)])) == {"help/0": "narrow"}

    def test_among_equal_nodes_the_name_decides(self):
        assert where(plan([node("b", 4), node("a", 4)], [wish("help", 4)])) == {"help/0": "a"}

    def test_an_instance_is_never_split_over_two_nodes(self):
        assert where(plan([node("a", 4), node("b", 4)], [wish("help", 8)])) == {}

    def test_a_cordoned_node_takes_nothing(self):
        fleet = [node("a", 8, away="cordoned"), node("b", 8)]
        assert where(plan(fleet, [wish("help", 8)])) == {"help/0": "b"}

    def test_what_one_instance_took_is_gone_for_the_next(self):
        result = plan([node("a", 8)], wishes("help", 3, rdus=4))
        assert where(result) == {"help/0": "a", "help/1": "a"}
        assert list(why(result)) == ["help/2"]


class TestSpread:
    def test_the_second_instance_leaves_the_node_that_holds_the_first(self):
        fleet = [node("a", 2), node("b", 5)]
        assert where(plan(fleet, [wish("help", 1, ordinal=1, on=("a",))])) == {"help/1": "b"}

    def test_two_instances_of_one_plan_are_kept_apart_too(self):
        assert where(plan([node("a", 2), node("b", 5)], wishes("help", 2, rdus=1))) == {
            "help/0": "a",
            "help/1": "b",
        }

    def test_an_endpoint_on_two_nodes_already_packs_tightly(self):
        fleet = [node("a", 2), node("b", 5), node("c", 6)]
        assert where(plan(fleet, [wish("help", 1, ordinal=2, on=("a", "b"))])) == {"help/2": "a"}

    def test_of_equally_tight_nodes_one_without_the_endpoint_is_taken(self):
        fleet = [node("a", 2), node("b", 2), node("c", 2)]
        assert where(plan(fleet, [wish("help", 1, ordinal=2, on=("a", "b"))])) == {"help/2": "c"}

    def test_an_empty_node_is_taken_while_another_whole_one_stays_free(self):
        fleet = [node("a", 2), node("b", 8), node("c", 8)]
        assert where(plan(fleet, [wish("help", 1, ordinal=1, on=("a",))])) == {"help/1": "b"}

    def test_the_last_whole_node_is_not_broken_for_spreading(self):
        fleet = [node("a", 2), node("b", 8)]
        assert where(plan(fleet, [wish("help", 1, ordinal=1, on=("a",))])) == {"help/1": "a"}

    def test_spare_nodes_stay_whole(self):
        fleet = [node("a", 2), node("b", 8), node("c", 8)]
        second = wish("help", 1, ordinal=1, on=("a",))
        assert where(plan(fleet, [second], policy=Policy(spare_nodes=1))) == {"help/1": "a"}

    def test_spreading_does_not_reach_for_a_wider_node(self):
        fleet = [node("narrow", 2), node("wide", 5, width=16)]
        assert where(plan(fleet, [wish("help", 1, ordinal=1, on=("narrow",))])) == {"help/1": "narrow"}

    def test_a_preference_never_makes_anybody_wait(self):
        assert where(plan([node("a", 2)], [wish("help", 2, ordinal=1, on=("a",))])) == {"help/1": "a"}


class TestQueue:
    def test_who_came_first_is_served_first(self):
        result = plan([node("a", 4)], [wish("late", 4, at=2), wish("early", 4, at=1)])
        assert where(result) == {"early/0": "a"}

    def test_priority_comes_before_arrival(self):
        result = plan([node("a", 4)], [wish("early", 4, at=1), wish("urgent", 4, at=2, priority=1)])
        assert where(result) == {"urgent/0": "a"}

    def test_a_narrow_one_passes_a_wide_one_that_does_not_fit(self):
        result = plan([node("a", 2)], [wish("wide", 4, at=1), wish("narrow", 2, at=2)])
        assert where(result) == {"narrow/0": "a"}

    def test_positions_count_those_who_still_wait(self):
        queue = [wish("first", 8, at=1), wish("placed", 2, at=2), wish("second", 8, at=3)]
        result = plan([node("a", 2)], queue)
        assert [(each.instance, each.position) for each in result.waits] == [("first/0", 1), ("second/0", 2)]


class TestReason:
    def test_a_generation_without_nodes(self):
        assert why(plan([], [wish("help", 1)]))["help/0"].code == "no_nodes"

    def test_wider_than_any_node(self):
        reason = why(plan([node("a", 8), node("b", 8, away="lost")], [wish("big", 16)]))["big/0"]
        assert (reason.code, reason.rdus, reason.any_width) == ("too_wide", 16, 8)

    def test_wide_enough_nodes_are_all_away(self):
        fleet = [node("a", 4, width=4), node("b", 8, away="draining"), node("c", 3, away="draining")]
        reason = why(plan(fleet, [wish("help", 8)]))["help/0"]
        assert (reason.code, reason.widest_width, reason.waiting_free) == ("unusable", 4, 11)
        assert reason.waiting_nodes == (("draining", 2),)

    def test_too_few_are_free_in_all_nodes_together(self):
        reason = why(plan([node("a", 2), node("b", 1)], [wish("help", 4)]))["help/0"]
        assert (reason.code, reason.free, reason.total) == ("none_free", 3, 16)
        assert (reason.widest_free, reason.widest_node) == (2, "a")

    def test_enough_are_free_and_no_node_has_them(self):
        reason = why(plan([node("a", 3), node("b", 4)], [wish("help", 6)]))["help/0"]
        assert (reason.code, reason.free, reason.widest_free, reason.widest_node) == ("fragmented", 7, 4, "b")

    def test_nothing_free_names_no_node(self):
        reason = why(plan([node("a", 0)], [wish("help", 1)]))["help/0"]
        assert (reason.code, reason.widest_free, reason.widest_node) == ("none_free", 0, "")

    def test_the_numbers_hold_after_the_plan_not_before(self):
        result = plan([node("a", 4), node("b", 4)], [wish("wide", 8, at=1), wish("narrow", 4, at=2)])
        assert (why(result)["wide/0"].code, why(result)["wide/0"].free) == ("none_free", 4)

    def test_it_survives_the_column_of_a_row(self):
        fleet = [node("a", 3), node("b", 8, away="suspect"), node("c", 8, away="cordoned")]
        quotas = {"default": Quota(3, 40)}
        reason = why(plan(fleet, [wish("help", 4)], policy=Policy(quotas)))["help/0"]
        assert Reason.from_json(json.loads(json.dumps(reason.as_json()))) == reason

    def test_a_row_of_another_version_is_still_read(self):
        assert Reason.from_json({"code": "none_free", "moon": 1}) == Reason("none_free")


class TestQuota:
    def test_a_tenant_stops_at_its_maximum(self):
        queue = [*wishes("help", 3, rdus=2), wish("other", 2, at=1, tenant="research")]
        result = plan([node("a", 8)], queue, policy=Policy({"default": Quota(used=4, maximum=8)}))
        assert list(where(result)) == ["help/0", "help/1", "other/0"]
        reason = why(result)["help/2"]
        assert (reason.code, reason.quota_used, reason.quota_maximum) == ("quota", 8, 8)

    def test_at_the_maximum_one_at_a_time_takes_the_place_of_what_leaves_a_node(self):
        policy = Policy({"default": Quota(used=8, maximum=8)})
        queue = [replace(wish("help", 4, ordinal=number), relieves=4) for number in range(2)]
        result = plan([node("a", 8)], queue, policy=policy)
        assert where(result) == {"help/0": "a"}
        assert why(result)["help/1"].code == "quota"

    @pytest.mark.parametrize(("used", "rdus", "relieves"), [(8, 4, 0), (8, 4, 2), (9, 4, 4)])
    def test_the_maximum_holds_for_all_else(self, used: int, rdus: int, relieves: int):
        """For what replaces nothing, what needs more than it gives back, and whose tenant is past it already."""
        wanted = replace(wish("help", rdus), relieves=relieves)
        result = plan([node("a", 8)], [wanted], policy=Policy({"default": Quota(used, maximum=8)}))
        assert why(result)["help/0"].code == "quota"

    @pytest.mark.parametrize("quotas", [{}, {"default": Quota(used=100, maximum=None)}])
    def test_without_a_maximum_there_is_no_limit(self, quotas: dict[str, Quota]):
        assert where(plan([node("a", 8)], [wish("help", 8)], policy=Policy(quotas)))

    def test_within_its_guarantee_a_tenant_goes_before_who_goes_beyond_theirs(self):
        early, late = wish("early", 4), wish("late", 4, at=9, tenant="research")
        fleet = [node("a", 4)]
        sure = Quota(used=0, maximum=None, guaranteed=4)
        assert where(plan(fleet, [early, late], policy=Policy({"research": sure}))) == {"late/0": "a"}
        both = Policy({"research": sure, "default": sure})
        assert where(plan(fleet, [early, late], policy=both)) == {"early/0": "a"}
        used_up = Policy({"research": Quota(used=4, maximum=None, guaranteed=4)})
        assert where(plan(fleet, [early, late], policy=used_up)) == {"early/0": "a"}

    def test_beyond_its_guarantee_it_has_what_others_do_not_need(self):
        policy = Policy({"default": Quota(used=4, maximum=8, guaranteed=4)})
        assert where(plan([node("a", 8)], [wish("help", 4)], policy=policy)) == {"help/0": "a"}


class TestAssignedNodes:
    def test_a_node_of_a_tenant_takes_that_tenants_instances_alone(self):
        fleet = [node("theirs", 4, tenant="research"), node("shared", 8)]
        queue = [wish("help", 4), wish("other", 4, tenant="research")]
        assert where(plan(fleet, queue)) == {"help/0": "shared", "other/0": "theirs"}

    def test_the_own_nodes_come_first_and_then_those_that_all_share(self):
        fleet = [node("own", 8, width=16, tenant="default"), node("shared", 4)]
        queue = wishes("help", 3, rdus=4)
        assert where(plan(fleet, queue)) == {"help/0": "own", "help/1": "own", "help/2": "shared"}

    def test_whose_nodes_are_all_anothers_learns_that(self):
        reason = why(plan([node("theirs", 8, tenant="research")], [wish("help", 4)]))["help/0"]
        assert (reason.code, reason.total, reason.free) == ("reserved", 0, 0)

    def test_a_reason_tells_of_the_nodes_that_are_open(self):
        fleet = [node("theirs", 8, tenant="research"), node("shared", 2), node("own", 3, tenant="default")]
        reason = why(plan(fleet, [wish("help", 4)]))["help/0"]
        assert (reason.code, reason.total, reason.free, reason.widest_node) == ("fragmented", 16, 5, "own")


class TestDryRun:
    def test_a_wish_stands_behind_those_who_wait_already(self):
        result = dry_run(
            [node("a", 8)],
            [wish("first", 6, at=1)],
            [wish("wish", 2, at=9), wish("wish", 2, at=9, ordinal=1)],
        )
        assert where(result) == {"wish/0": "a"}
        assert list(why(result)) == ["wish/1"]
