"""RDU quotas: what the planner keeps to, what previews say, what a change of them does."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from endpoints.models import Endpoint
from endpoints.rollouts import converge
from endpoints.services import Edit, foresee_edit, restart_endpoint
from scheduler import placing, quotas, resources, selectors, services
from scheduler.models import Allocation, Demand, Instance, Node, Placement, Quota
from studio.audit.models import Event
from studio.errors import Forbidden, Invalid, NotFound
from studio.tenants.rules import STUDIO
from tests.support.cast import view_of

NOW = datetime(2024, 1, 2, tzinfo=UTC)
GANG = {"model_parallel_rdus": 2}


def limit(cast, guaranteed: int = 0, maximum: int | None = None, tenant: str = "default", by=STUDIO) -> None:
    services.set_quotas(
        actor=by, tenant=cast.tenants[tenant], wanted={"SN40L": (guaranteed, maximum)}, now=NOW
    )


def states(endpoint) -> list[str]:
    return sorted(endpoint.rows.exclude(state="stopped").values_list("state", flat=True))


def end_draining() -> None:
    """Their agents have let them go."""
    for row in Instance.objects.filter(state="draining"):
        services.release([row], now=datetime.now(UTC))
        Instance.objects.filter(pk=row.pk).update(state="stopped", port=0, ended_at=datetime.now(UTC))


# --- the planner ----------------------------------------------------------------------------------------------


def test_a_tenant_gets_no_more_than_its_maximum_and_learns_why(cast):
    cast.node()
    limit(cast, maximum=5)
    hello = cast.endpoint(instances=3, parameters=GANG)
    assert placing.place_pending("SN40L") == 2
    waiting = hello.rows.get(state="awaiting")
    assert (waiting.reason["code"], waiting.reason["quota_used"], waiting.reason["quota_maximum"]) == (
        "quota", 4, 5,
    )  # fmt: skip
    assert "4 of 5 SN40L RDUs that the tenant may hold are in use" in view_of(hello).waiting[0].reason


def test_another_generation_and_another_tenant_have_quotas_of_their_own(cast):
    cast.node()
    cast.node("sn30-1", generation_id="SN30")
    limit(cast, maximum=0)
    theirs = cast.project_of("oskar")
    for endpoint in (cast.endpoint(arch="SN30"), cast.endpoint(by="oskar", project=theirs)):
        placing.place_pending(endpoint.generation_id)
        assert states(endpoint) == ["placed"]


def test_what_is_guaranteed_goes_before_what_came_earlier(cast):
    cast.node(width=2)
    limit(cast, guaranteed=2, tenant="research")
    early = cast.endpoint(parameters=GANG)
    late = cast.endpoint(by="oskar", project=cast.project_of("oskar"), parameters=GANG)
    placing.place_pending("SN40L")
    assert (states(early), states(late)) == (["awaiting"], ["placed"])


def test_a_lower_maximum_ends_nothing_and_a_higher_one_is_planned_at_once(cast):
    cast.node()
    hello = cast.endpoint(instances=3)
    placing.place_pending("SN40L")
    limit(cast, maximum=1)
    cast.endpoint(name="more")
    assert (placing.place_pending("SN40L"), states(hello)) == (0, ["placed"] * 3)
    demand = Demand.objects.get(pk="SN40L").count
    limit(cast, maximum=4)
    assert Demand.objects.get(pk="SN40L").count == demand + 1
    assert Placement.objects.get(pk="SN40L").planned == demand, "the planner has work again"
    assert placing.place_pending("SN40L") == 1


# --- at the maximum, an endpoint makes way for its own successor -----------------------------------------------


def test_a_rollout_at_the_maximum_goes_on_in_place_and_was_foretold(cast):
    cast.node()
    limit(cast, maximum=2)
    hello = cast.endpoint(parameters=GANG)
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=1)
    told = foresee_edit(
        actor=cast.owen, endpoint=hello, edit=Edit(model_version="1", spec_version=hello.spec_version)
    )
    assert told.forecast.effect == "gap"
    restart_endpoint(actor=cast.owen, endpoint=hello, now=datetime.now(UTC))
    assert placing.place_pending("SN40L") == 0
    assert hello.rows.get(state="awaiting").reason["code"] == "quota"
    converge(hello.pk, now=datetime.now(UTC))
    assert states(hello) == ["awaiting", "draining"]
    end_draining()
    assert placing.place_pending("SN40L") == 1
    assert Allocation.objects.filter(released_at=None).count() == 2


# --- at the maximum, a drain goes on --------------------------------------------------------------------------


def test_a_drain_goes_on_at_the_maximum_one_instance_at_a_time(cast):
    old = cast.node("a", 4)
    limit(cast, maximum=4)
    hello = cast.endpoint(instances=2, parameters=GANG)
    assert placing.place_pending("SN40L") == 2
    Instance.objects.update(state="ready", port=1)
    cast.node("b", 8)
    services.drain_node(actor=STUDIO, node=old, now=NOW)
    for moved in (1, 2):
        converge(hello.pk, now=datetime.now(UTC))
        assert placing.place_pending("SN40L") == 1, "one at a time is past the maximum"
        assert placing.place_pending("SN40L") == 0
        assert Allocation.objects.filter(released_at=None).count() == 6
        hello.rows.filter(state="placed").update(state="ready", port=1)
        converge(hello.pk, now=datetime.now(UTC))
        end_draining()
        assert Allocation.objects.filter(released_at=None).count() == 4
        assert hello.rows.filter(node__name="b", state="ready").count() == moved


def test_more_instances_are_no_replacement(cast):
    """Nothing would be given back for them: what stands on the node goes on until all that are wished answer."""
    old = cast.node("a", 4)
    limit(cast, maximum=2)
    hello = cast.endpoint(parameters=GANG)
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=1)
    cast.node("b", 8)
    services.drain_node(actor=STUDIO, node=old, now=NOW)
    Endpoint.objects.filter(pk=hello.pk).update(instances=2)
    converge(hello.pk, now=datetime.now(UTC))
    assert states(hello) == ["awaiting", "awaiting", "ready"]
    assert placing.place_pending("SN40L") == 0


def test_what_a_drain_would_do_is_foretold_at_the_maximum_too(cast):
    old = cast.node("a", 4)
    limit(cast, maximum=4)
    cast.endpoint(instances=2, parameters=GANG)
    placing.place_pending("SN40L")
    cast.node("b", 8)
    (row,) = resources.node_rows(cast.olga, [old])
    assert [move.target for move in resources.moves(cast.olga, row)] == ["b", "b"]


# --- previews -------------------------------------------------------------------------------------------------


def test_a_preview_knows_the_quota_and_takes_what_is_edited_for_free(cast):
    cast.node()
    limit(cast, maximum=4)
    hello = cast.endpoint(instances=2, parameters=GANG)
    placing.place_pending("SN40L")
    wish = {"generation": "SN40L", "min_width": 0, "rdus": 2, "instances": 2}
    assert "may hold are in use" in selectors.preview(cast.owen, **wish).waits[0][1]
    assert selectors.preview(cast.owen, **wish, endpoint=hello.pk).waits == []
    assert selectors.preview(cast.oskar, **wish).waits == []
    elsewhere = selectors.preview(cast.oskar, **wish, tenant=cast.tenants["default"].pk)
    assert len(elsewhere.waits) == 2


# --- setting them ---------------------------------------------------------------------------------------------


def test_a_change_is_told_from_old_to_new_and_no_change_is_none(cast):
    for _ in range(2):
        limit(cast, 2, 8, by=cast.olga)
    limit(cast, 2, None, by=cast.olga)
    told = [row.changes for row in Event.objects.filter(verb="quota").order_by("id")]
    assert told == [
        {"SN40L": ["0 guaranteed, no limit", "2 guaranteed, at most 8"]},
        {"SN40L": ["2 guaranteed, at most 8", "2 guaranteed, no limit"]},
    ]


@pytest.mark.parametrize(
    ("guaranteed", "maximum", "field"),
    [(3, 2, "guaranteed"), (-1, None, "guaranteed"), (0, -1, "maximum"), (0, 10**7, "maximum")],
)
def test_what_cannot_be_is_refused(cast, guaranteed, maximum, field):
    with pytest.raises(Invalid) as refusal:
        limit(cast, guaranteed, maximum)
    assert list(refusal.value.fields) == [field]
    with pytest.raises(Invalid, match="no RDU generation"):
        services.set_quotas(actor=STUDIO, tenant=cast.tenants["default"], wanted={"X": (0, 0)}, now=NOW)
    assert not Quota.objects.exists()


def test_the_database_holds_that_a_guarantee_is_within_its_maximum(cast):
    with pytest.raises(IntegrityError), transaction.atomic():
        Quota.objects.create(tenant=cast.tenants["default"], generation_id="SN40L", guaranteed=3, maximum=2)


@pytest.mark.parametrize(("who", "refusal"), [("tina", Forbidden), ("owen", Forbidden), ("oskar", NotFound)])
def test_only_an_org_admin_sets_them(cast, who, refusal):
    with pytest.raises(refusal):
        limit(cast, maximum=1, by=getattr(cast, who))


def test_where_a_tenant_stands(cast):
    cast.node()
    cast.endpoint(instances=2, parameters=GANG)
    placing.place_pending("SN40L")
    limit(cast, 1, 6)
    default, research = cast.tenants["default"].pk, cast.tenants["research"].pk
    assert quotas.standings([default, research]) == {
        default: [quotas.Standing("SN40L", 4, 1, 6)],
        research: [quotas.Standing("SN40L", 0, 0, None)],
    }
    assert (quotas.lacking(default, "SN40L", 2), quotas.lacking(default, "SN40L", 4)) == (0, 2)
    Node.objects.update(state="removed")
    assert quotas.standings([research]) == {research: []}
