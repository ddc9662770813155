"""Tenants renamed and archived, people added, changed and deactivated: rows, audit, refusals."""

from datetime import UTC, datetime
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY

from endpoints.services import Spec, create_endpoint, delete_endpoint, restore_endpoint
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, NotFound, NotSignedIn
from studio.people import services
from studio.projects.services import create_project
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import Membership, PlatformKey, User
from studio.tenants.rules import STUDIO
from studio.tenants.selectors import actor_of, tenant_named, visible
from studio.tenants.services import authenticate_key, create_tenant, create_user, new_platform_key

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def last_event() -> Event:
    return Event.objects.order_by("-id")[0]


def roles(cast, name: str, changes: dict[str, str], by: str = "olga", **more) -> User:
    wanted = {cast.tenants[tenant].pk: role for tenant, role in changes.items()}
    return services.change_roles(
        actor=getattr(cast, by), user=cast.users[name], roles=wanted, now=NOW, **more
    )


# --- tenants --------------------------------------------------------------------------------------------------


def test_a_tenant_is_renamed_once_and_the_audit_has_both_names(cast):
    research = cast.tenants["research"]
    services.rename_tenant(actor=cast.olga, tenant=research, name="science", now=NOW)
    services.rename_tenant(actor=cast.olga, tenant=research, name="science", now=NOW)
    assert [row.changes for row in Event.objects.filter(verb="rename")] == [{"name": ["research", "science"]}]
    with pytest.raises(Conflict, match="'DEFAULT' already"):
        services.rename_tenant(actor=cast.olga, tenant=research, name="DEFAULT", now=NOW)


@pytest.mark.parametrize("deed", ["rename_tenant", "archive_tenant", "unarchive_tenant"])
@pytest.mark.parametrize(("who", "refusal"), [("tina", Forbidden), ("owen", Forbidden), ("oskar", NotFound)])
def test_only_an_org_admin_manages_tenants(cast, deed, who, refusal):
    more = {"name": "x"} if deed == "rename_tenant" else {}
    with pytest.raises(refusal):
        getattr(services, deed)(actor=getattr(cast, who), tenant=cast.tenants["default"], now=NOW, **more)


def test_who_may_not_create_tenants_hears_who_can(cast):
    with pytest.raises(Forbidden, match="Only an OrgAdmin"):
        create_tenant(actor=cast.tina, name="mine", now=NOW)


def test_in_an_archived_tenant_nothing_new_is_created_and_what_runs_goes_on(cast):
    running, gone = cast.endpoint(), cast.endpoint()
    delete_endpoint(actor=cast.owen, endpoint=gone, now=datetime.now(UTC))
    default = services.archive_tenant(actor=cast.olga, tenant=cast.tenants["default"], now=NOW)
    assert last_event().changes == {"archived": [False, True]}
    cast.project.refresh_from_db()
    gone.refresh_from_db()
    spec = Spec(name="new", model="Help", arch="SN40L")
    for create in (
        lambda: create_project(actor=cast.owen, tenant=default, name="new", now=NOW),
        lambda: create_endpoint(actor=cast.owen, project=cast.project, spec=spec, now=NOW),
        lambda: restore_endpoint(actor=cast.owen, endpoint=gone, now=datetime.now(UTC)),
        lambda: create_user(
            actor=STUDIO, name="new", password="correct-horse-battery", tenant=default, now=NOW
        ),
        lambda: roles(cast, "oskar", {"default": "member"}),
    ):
        with pytest.raises(Conflict, match="Tenant default is archived"):
            create()
    running.refresh_from_db()
    assert (running.desired, running.rows.count()) == ("running", 1)


def test_nobody_can_be_in_an_archived_tenant(cast):
    services.archive_tenant(actor=cast.olga, tenant=cast.tenants["default"], now=NOW)
    assert actor_of(cast.users["owen"], "default").tenant is None
    assert actor_of(cast.users["olga"], "default").tenant == cast.tenants["research"].pk
    for who in (cast.owen, cast.olga):
        with pytest.raises(NotFound):
            tenant_named(who, "default")
    services.unarchive_tenant(actor=cast.olga, tenant=cast.tenants["default"], now=NOW)
    assert actor_of(cast.users["owen"]).tenant == cast.tenants["default"].pk


def test_the_last_open_tenant_stays_open(cast):
    for _ in "twice is fine":
        services.archive_tenant(actor=cast.olga, tenant=cast.tenants["research"], now=NOW)
    with pytest.raises(Conflict, match="only open tenant"):
        services.archive_tenant(actor=cast.olga, tenant=cast.tenants["default"], now=NOW)


def test_an_org_admin_can_be_in_every_tenant(cast):
    assert {each.name for each in visible(cast.olga)} == {"default", "research"}
    assert actor_of(cast.users["olga"], "research").tenant == cast.tenants["research"].pk


# --- roles ----------------------------------------------------------------------------------------------------


def test_somebody_joins_another_tenant_and_rises_and_leaves(cast):
    roles(cast, "mila", {"research": "member"})
    assert last_event().changes == {"tenant": "research", "role": ["none", "member"]}
    roles(cast, "mila", {"research": "tenant_admin"})
    assert (last_event().changes, last_event().tenant_id) == (
        {"tenant": "research", "role": ["member", "TenantAdmin"]},
        cast.tenants["research"].pk,
    )
    roles(cast, "mila", {"default": ""})
    mila = User.objects.get(username="mila")
    assert mila.default_tenant == cast.tenants["research"]
    assert actor_of(mila).tenants == {cast.tenants["research"].pk: "tenant_admin"}
    roles(cast, "mila", {"research": ""})
    assert User.objects.get(username="mila").default_tenant is None


def test_what_does_not_change_is_no_event(cast):
    before = Event.objects.count()
    roles(cast, "mila", {"default": "member", "research": ""}, org_admin=False)
    assert Event.objects.count() == before


def test_a_tenant_admin_removes_a_member_and_makes_no_tenant_admin(cast):
    for change in ({"default": "tenant_admin"}, {"research": "member"}):
        with pytest.raises(Forbidden):
            roles(cast, "mila", change, by="tina")
    roles(cast, "mila", {"default": ""}, by="tina")
    assert not Membership.objects.filter(user__username="mila").exists()
    with pytest.raises(Forbidden, match=r"Only an OrgAdmin, or a TenantAdmin"):
        roles(cast, "mila", {"default": "member"}, by="owen")


def test_a_tenant_admin_creates_members_only(cast):
    new = {"password": "correct-horse-battery", "now": NOW}
    create_user(actor=cast.tina, name="nina", tenant=cast.tenants["default"], **new)
    for tenant, role, refusal in (
        ("default", "tenant_admin", Forbidden),
        ("research", "member", NotFound),
    ):
        with pytest.raises(refusal):
            create_user(actor=cast.tina, name="nora", tenant=cast.tenants[tenant], role=role, **new)


def test_the_last_org_admin_stays_one(cast):
    with pytest.raises(Conflict, match="last OrgAdmin"):
        roles(cast, "olga", {}, org_admin=False)
    with pytest.raises(Conflict, match="last OrgAdmin"):
        services.deactivate_user(actor=STUDIO, user=cast.users["olga"], now=NOW)
    roles(cast, "mila", {}, org_admin=True)
    assert last_event().changes == {"OrgAdmin": [False, True]}
    roles(cast, "olga", {}, org_admin=False)
    with pytest.raises(Conflict, match="last OrgAdmin"):
        roles(cast, "mila", {}, org_admin=False)


# --- deactivation ---------------------------------------------------------------------------------------------


def test_a_deactivated_persons_sessions_and_key_end_for_good_and_their_endpoints_go_on(cast):
    store = import_module(settings.SESSION_ENGINE).SessionStore
    sessions = {}
    for name in ("owen", "mila"):
        session = store()
        session[SESSION_KEY] = str(cast.users[name].pk)
        session.save()
        sessions[name] = session.session_key
    key = new_platform_key(actor=cast.owen, user=cast.users["owen"], now=NOW).reveal()
    endpoint = cast.endpoint()
    services.deactivate_user(actor=cast.tina, user=cast.users["owen"], now=NOW)
    assert last_event().changes == {"active": [True, False]}
    assert (store().exists(sessions["owen"]), store().exists(sessions["mila"])) == (False, True)
    services.reactivate_user(actor=cast.tina, user=cast.users["owen"], now=NOW)
    with pytest.raises(NotSignedIn):
        authenticate_key(key, wanted_tenant="", address="", request_id="", now=NOW)
    assert not PlatformKey.objects.filter(user=cast.users["owen"]).exists()
    endpoint.refresh_from_db()
    assert (endpoint.desired, endpoint.rows.count()) == ("running", 1)


@pytest.mark.parametrize("name", ["olga", "otto", "tina"])
def test_a_tenant_admin_deactivates_no_administrator_and_not_themselves(cast, name):
    with pytest.raises((Forbidden, Conflict)):
        services.deactivate_user(actor=cast.tina, user=cast.users[name], now=NOW)
    assert User.objects.get(username=name).is_active


# --- a new password -------------------------------------------------------------------------------------------


def reset(cast, name: str, by: str = "tina") -> str:
    return services.reset_password(actor=getattr(cast, by), user=cast.users[name], now=NOW).reveal()


def test_a_new_password_is_the_only_one_that_counts_and_is_to_be_changed(cast):
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session[SESSION_KEY] = str(cast.users["mila"].pk)
    session.save()
    value = reset(cast, "mila")
    mila = User.objects.get(username="mila")
    assert (mila.check_password(value), mila.password_is_initial) == (True, True)
    assert not store().exists(session.session_key), "signed out everywhere"
    event = last_event()
    assert (event.verb, event.actor_name, event.role, event.concerns) == (
        "new password", "tina", "TenantAdmin", mila.pk,
    )  # fmt: skip
    assert value not in str([vars(each) for each in Event.objects.all()])
    assert not mila.check_password(reset(cast, "mila", by="olga")), "each is another one"


@pytest.mark.parametrize("name", ["olga", "otto", "tina", "oskar"])
def test_a_tenant_admin_resets_no_administrator_nor_whom_they_do_not_manage(cast, name):
    before = User.objects.get(username=name).password
    with pytest.raises((Forbidden, Conflict)):
        reset(cast, name)
    assert User.objects.get(username=name).password == before


def test_a_tenant_admin_resets_nobody_who_is_in_another_tenant(cast):
    roles(cast, "mila", {"research": "member"})
    with pytest.raises(Forbidden, match="tenants that you do not administer"):
        reset(cast, "mila")
    reset(cast, "mila", by="olga")


@pytest.mark.parametrize("way", ["given an endpoint", "given a project", "owns a project"])
def test_a_tenant_admin_resets_nobody_who_has_something_elsewhere(cast, way):
    project = cast.project_of("oskar")
    if way == "owns a project":
        type(project).objects.filter(pk=project.pk).update(owner=cast.users["mila"])
    else:
        thing = cast.endpoint(by="oskar", project=project) if way == "given an endpoint" else project
        share(actor=cast.olga, thing=thing, shared_with=[Wish("user", "mila", "viewer")])
    with pytest.raises(Forbidden, match="has something in tenants that you do not administer"):
        reset(cast, "mila")
    reset(cast, "mila", by="olga")


def test_an_operators_password_is_not_an_org_admins_way_to_their_desk(cast):
    with pytest.raises(Forbidden, match="only an operator who is an OrgAdmin"):
        reset(cast, "otto", by="olga")


def test_somebody_who_is_deactivated_gets_none(cast):
    services.deactivate_user(actor=cast.tina, user=cast.users["mila"], now=NOW)
    with pytest.raises(Conflict, match="reactivate them first"):
        services.reset_password(actor=cast.tina, user=User.objects.get(username="mila"), now=NOW)
