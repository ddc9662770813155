"""Nodes that are kept for a tenant: who is placed there, what moves off, and how they come back."""

import pytest

from endpoints import rollouts
from scheduler import placing, selectors, services
from scheduler.models import Demand, Instance, Node
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, NotFound
from studio.people.services import archive_tenant
from tests.support.cast import NOW


def assign(cast, node: Node, tenant: str = "", by: str = "olga") -> Node:
    wanted = cast.tenants[tenant] if tenant else None
    return services.assign_node(actor=getattr(cast, by), node=node, tenant=wanted, now=NOW)


def homes(endpoint) -> list[str]:
    rows = endpoint.rows.exclude(state="stopped").values_list("node__name", "state")
    return sorted(f"{node} {state}" for node, state in rows)


def test_others_are_never_placed_on_it_and_its_tenant_comes_there_first(cast):
    assign(cast, cast.node("a-theirs"), "research")
    cast.node("shared", width=2)
    ours, theirs = cast.endpoint(instances=3), cast.endpoint(by="oskar", project=cast.project_of("oskar"))
    placing.place_pending("SN40L")
    assert homes(theirs) == ["a-theirs placed"]
    assert homes(ours) == ["None awaiting", "shared placed", "shared placed"]
    assert ours.rows.get(state="awaiting").reason["total"] == 2


def test_where_all_are_anothers_that_is_the_reason_and_no_generation_is_recommended(cast):
    assign(cast, cast.node(), "research")
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    assert hello.rows.get().reason["code"] == "reserved"
    wish = {"generation": "SN40L", "min_width": 0, "rdus": 1, "instances": 1}
    preview = selectors.preview(cast.owen, **wish)
    assert preview.waits == [
        (1, "Every SN40L node is assigned to another tenant; it needs 1 RDU in a single node.")
    ]
    assert (preview.capacity.total, preview.capacity.free, preview.nodes) == (0, 0, [])
    assert selectors.preview(cast.oskar, **wish).waits == []
    options = list(cast.help.deploy_options.all())
    kinds = {who: selectors.kinds_for(options, getattr(cast, who).tenant) for who in ("owen", "oskar")}
    assert [selectors.recommended(options, found) for found in kinds.values()] == ["", "SN40L"]


def test_what_others_run_there_moves_off_without_a_gap(cast):
    old = cast.node("old")
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=1)
    assign(cast, old, "research")
    assert hello.pk in rollouts.unsettled()
    rollouts.converge(hello.pk, now=NOW)
    assert (placing.place_pending("SN40L"), homes(hello)) == (0, ["None awaiting", "old ready"])
    cast.node("new")
    placing.place_pending("SN40L")
    Instance.objects.filter(node__name="new").update(state="ready", port=2)
    rollouts.converge(hello.pk, now=NOW)
    assert homes(hello) == ["new ready", "old draining"]


def test_what_its_tenant_runs_there_stays(cast):
    node = cast.node()
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=1)
    assign(cast, node, "default")
    assert rollouts.unsettled() == []
    rollouts.converge(hello.pk, now=NOW)
    assert homes(hello) == ["sn40l-1 ready"]


def test_a_node_that_is_taken_from_a_tenant_is_shared_again_and_planned_at_once(cast):
    node = assign(cast, cast.node(), "research")
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    before = Demand.objects.get(pk="SN40L").count
    for _ in range(2):
        node = assign(cast, node)
    assert Demand.objects.get(pk="SN40L").count == before + 1
    assert (placing.place_pending("SN40L"), homes(hello)) == (1, ["sn40l-1 placed"])
    told = [row.changes for row in Event.objects.filter(verb="assign").order_by("id")]
    assert told == [{"tenant": ["shared by all", "research"]}, {"tenant": ["research", "shared by all"]}]


def test_an_assignment_after_the_plan_is_seen_when_it_is_written(cast):
    node = cast.node()
    row = cast.endpoint().rows.get()
    fence = placing._take_lease("SN40L", NOW)
    plan = [placing.planner.Placement(str(row.pk), node.name, 1)]
    assign(cast, node, "research")
    assert placing.write_placements("SN40L", fence, plan) == 0


@pytest.mark.parametrize("who", ["tina", "owen", "oskar", "otto"])
def test_only_an_org_admin_assigns(cast, who):
    with pytest.raises(Forbidden, match="Only an OrgAdmin"):
        assign(cast, cast.node(), "default", by=who)


def test_no_node_is_given_to_an_archived_tenant_and_none_that_is_removed(cast):
    node = cast.node()
    cast.tenants["research"] = archive_tenant(actor=cast.olga, tenant=cast.tenants["research"], now=NOW)
    with pytest.raises(Conflict, match="archived"):
        assign(cast, node, "research")
    Node.objects.update(state="removed")
    with pytest.raises(NotFound):
        assign(cast, node, "default")
