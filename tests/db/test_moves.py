"""Endpoints into other projects, projects into other tenants, and what belongs to somebody else afterwards."""

from datetime import UTC, datetime

import pytest

from endpoints import selectors
from endpoints.moves import services
from endpoints.rollouts import unsettled
from scheduler import placing
from scheduler.models import Demand, Instance
from scheduler.services import assign_node, set_quotas
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.hub.models import Model
from studio.people.services import archive_tenant, change_roles, deactivate_user
from studio.projects.models import Project
from studio.tenants.rules import STUDIO
from studio.tenants.selectors import actor_of

NOW = datetime.now(UTC)


def move(cast, endpoint, project, by="owen"):
    return services.move_endpoint(actor=getattr(cast, by), endpoint=endpoint, project=project, now=NOW)


def move_project(cast, project, tenant="research", by="olga"):
    return services.move_project(
        actor=getattr(cast, by), project=project, tenant=cast.tenants[tenant], now=NOW
    )


def events(verb="move") -> list[tuple[str, dict]]:
    rows = Event.objects.filter(verb__startswith=verb).order_by("id")
    return [(row.verb, row.changes) for row in rows]


# --- endpoints ------------------------------------------------------------------------------------------------


def test_an_endpoint_moves_and_its_route_is_told_anew(cast):
    hello, other = cast.endpoint(), cast.project_of("owen", name="other")
    before = hello.route_version
    moved = move(cast, hello, other)
    assert (moved.project, moved.spec_version) == (other, hello.spec_version + 1)
    assert moved.route_version > before, "the project is part of its URLs"
    assert events() == [("move", {"project": ["demo", "other"]})]
    assert move(cast, moved, other).spec_version == moved.spec_version, "it is there already"
    assert hello.rows.count() == 1


@pytest.mark.parametrize(
    ("access", "target_owner", "by", "refusal"),
    [
        ("tenant_editor", "mila", "mila", Forbidden),
        ("tenant_viewer", "mila", "mila", Forbidden),
        ("private", "mila", "mila", NotFound),
        ("private", "mila", "owen", NotFound),
        ("private", "owen", "tina", None),
        ("private", "owen", "olga", None),
        ("private", "owen", "otto", NotFound),
        ("private", "owen", "oskar", NotFound),
    ],
)
def test_who_may_share_an_endpoint_moves_it_where_they_may_edit(cast, access, target_owner, by, refusal):
    Project.objects.filter(pk=cast.project.pk).update(general_access=access)
    cast.project.refresh_from_db()
    hello, target = cast.endpoint(), cast.project_of(target_owner)
    if refusal is None:
        assert move(cast, hello, target, by=by).project == target
        return
    with pytest.raises(refusal):
        move(cast, hello, target, by=by)


def test_a_name_that_is_taken_there_and_a_project_that_is_gone(cast):
    hello, other = cast.endpoint(name="hello"), cast.project_of("owen", name="other")
    cast.endpoint(name="HELLO", project=other)
    with pytest.raises(Conflict) as refusal:
        move(cast, hello, other)
    assert list(refusal.value.fields) == ["project"]
    gone = cast.project_of("owen", deleted_at=NOW)
    with pytest.raises(Conflict, match="is deleted"):
        move(cast, hello, gone)


# --- projects -------------------------------------------------------------------------------------------------


def test_a_project_moves_with_its_endpoints_and_both_tenants_can_read_it(cast):
    cast.node()
    hello = cast.endpoint(instances=2)
    placing.place_pending("SN40L")
    demand = Demand.objects.get(pk="SN40L").count
    moved = move_project(cast, cast.project)
    assert (moved.tenant.name, moved.owner.username) == ("research", "owen")
    assert hello.rows.filter(state="placed").count() == 2
    assert Demand.objects.get(pk="SN40L").count == demand + 1, "one tenant has room by now"
    told = Event.objects.filter(thing_id=moved.pk, verb__startswith="move").order_by("id")
    assert [(row.verb, row.tenant_id) for row in told] == [
        ("move", cast.tenants["default"].pk), ("move here", cast.tenants["research"].pk),
    ]  # fmt: skip
    assert selectors.visible(cast.owen).filter(pk=hello.pk).exists(), "the owner stays the owner"
    assert not selectors.visible(cast.tina).filter(pk=hello.pk).exists()


def test_only_who_may_in_both_tenants_moves_it(cast):
    with pytest.raises(NotFound, match="no such tenant"):
        move_project(cast, cast.project, by="owen")
    with pytest.raises(NotFound):
        move_project(cast, cast.project, by="oskar")
    research = {cast.tenants["research"].pk: "member"}
    change_roles(actor=cast.olga, user=cast.users["owen"], roles=research, now=NOW)
    both = actor_of(cast.users["owen"])
    moved = services.move_project(actor=both, project=cast.project, tenant=cast.tenants["research"], now=NOW)
    assert moved.tenant.name == "research"


def test_a_quota_of_the_new_tenant_is_kept(cast):
    cast.node()
    cast.endpoint(instances=3)
    placing.place_pending("SN40L")
    set_quotas(actor=STUDIO, tenant=cast.tenants["research"], wanted={"SN40L": (0, 2)}, now=NOW)
    with pytest.raises(
        Conflict, match=r"holds 3 SN40L RDUs, 1 more than the quota of tenant research leaves"
    ):
        move_project(cast, cast.project)
    set_quotas(actor=STUDIO, tenant=cast.tenants["research"], wanted={"SN40L": (0, 3)}, now=NOW)
    move_project(cast, cast.project)


def test_what_ran_on_a_node_of_the_old_tenant_has_to_leave_it(cast):
    node = cast.node()
    hello = cast.endpoint()
    placing.place_pending("SN40L")
    Instance.objects.update(state="ready", port=1)
    assign_node(actor=cast.olga, node=node, tenant=cast.tenants["default"], now=NOW)
    move_project(cast, cast.project)
    assert unsettled() == [hello.pk]


def test_nothing_moves_into_an_archived_tenant_or_onto_a_name(cast):
    cast.project_of("oskar", name="DEMO")
    with pytest.raises(Conflict) as refusal:
        move_project(cast, cast.project)
    assert list(refusal.value.fields) == ["tenant"]
    cast.tenants["research"] = archive_tenant(actor=cast.olga, tenant=cast.tenants["research"], now=NOW)
    with pytest.raises(Conflict, match="archived"):
        move_project(cast, cast.project)


# --- owners ---------------------------------------------------------------------------------------------------


def transfer(cast, kind: str, thing, owner: str, by: str):
    deed = getattr(services, f"transfer_{kind}")
    return deed(actor=getattr(cast, by), owner=owner, now=NOW, **{kind: thing})


@pytest.fixture
def things(cast) -> dict[str, object]:
    mine = Model.objects.create(
        name="Mine", app=cast.help.app, tenant=cast.tenants["default"], owner=cast.users["owen"]
    )
    return {"endpoint": cast.endpoint(), "project": cast.project, "model": mine}


@pytest.mark.parametrize("kind", ["endpoint", "project", "model"])
@pytest.mark.parametrize(
    ("by", "refusal"),
    [
        ("owen", None),
        ("tina", None),
        ("olga", None),
        ("mila", NotFound),
        ("oskar", NotFound),
        ("otto", NotFound),
    ],
)
def test_who_gives_what_away(cast, things, kind, by, refusal):
    if refusal:
        with pytest.raises(refusal):
            transfer(cast, kind, things[kind], "mila", by)
        return
    after = transfer(cast, kind, things[kind], "MILA", by)
    assert after.owner == cast.users["mila"]
    transfer(cast, kind, after, str(cast.users["mila"].pk), "olga")
    assert events("transfer") == [("transfer", {"owner": ["owen", "mila"]})]


def test_a_new_owner_is_an_active_user_of_its_tenant(cast, things):
    deactivate_user(actor=cast.olga, user=cast.users["mila"], now=NOW)
    for name in ("oskar", "mila", "nobody", ""):
        with pytest.raises(Invalid) as refusal:
            transfer(cast, "endpoint", things["endpoint"], name, "owen")
        assert list(refusal.value.fields) == ["owner"]


def test_a_model_of_the_provider_has_no_owner(cast):
    with pytest.raises(Conflict, match="provider's"):
        transfer(cast, "model", cast.help, "mila", "olga")
    with pytest.raises(Forbidden):
        transfer(cast, "model", cast.help, "mila", "owen")


def test_what_a_deactivated_user_owned_is_given_to_another(cast, things):
    deactivate_user(actor=cast.tina, user=cast.users["owen"], now=NOW)
    after = transfer(cast, "endpoint", things["endpoint"], "mila", "tina")
    assert (after.owner.username, after.desired) == ("mila", "running")
