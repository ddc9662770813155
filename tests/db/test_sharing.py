"""Sharing: who is given what, who sees it then, and what ends with it."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.hub import selectors as hub
from studio.hub.models import Model
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.sharing import selectors, services
from studio.sharing.models import EndpointTenantGrant, EndpointUserGrant
from studio.sharing.rules import Wish
from studio.tenants.models import Membership, Organization, Tenant
from studio.tenants.rules import Role, may
from studio.tenants.selectors import actor_of
from tests.support.cast import NOW, Cast, make_model

OSKAR, MILA = Wish("user", "oskar", "viewer"), Wish("user", "mila", "editor")
RESEARCH = Wish("tenant", "research", "viewer")


def share(cast: Cast, thing: Any, *wishes: Wish, by: str = "olga", **more: Any) -> Any:
    return services.share(actor=getattr(cast, by), thing=thing, shared_with=wishes, **more)


def own_model(cast: Cast) -> Model:
    own = {"owner": cast.users["owen"], "tenant": cast.tenants["default"]}
    return make_model(cast.help.app, "Mine", versions=1, **own)


@pytest.fixture
def things(cast: Cast) -> dict[str, Any]:
    return {"project": cast.project, "endpoint": cast.bare_endpoint(), "model": own_model(cast)}


def role(cast: Cast, name: str, thing: Any) -> Role | None:
    fresh = type(thing).objects.get(pk=thing.pk)
    return services.KINDS[type(thing)].facts(getattr(cast, name), fresh).share


# ----- who is given a role has it ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["project", "endpoint", "model"])
def test_a_user_and_a_whole_tenant_are_given_roles(cast: Cast, things: dict[str, Any], kind: str) -> None:
    thing = things[kind]
    shares = share(cast, thing, RESEARCH, MILA)
    assert [(each.kind, each.name, each.role) for each in shares.grants] == [
        ("tenant", "research", "viewer"),
        ("user", "mila", "editor"),
    ]
    assert role(cast, "mila", thing) is Role.EDITOR
    assert role(cast, "oskar", thing) is Role.VIEWER
    assert role(cast, "otto", thing) is None


@pytest.mark.parametrize("kind", ["project", "endpoint", "model"])
def test_who_is_given_nothing_any_more_sees_nothing_any_more(
    cast: Cast, things: dict[str, Any], kind: str
) -> None:
    thing = things[kind]
    share(cast, thing, OSKAR)
    assert seen(cast, "oskar") != set()
    share(cast, thing)
    assert seen(cast, "oskar") == set()


def test_the_best_of_several_roles_counts(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    share(cast, endpoint, RESEARCH)
    assert role(cast, "oskar", endpoint) is Role.VIEWER
    share(cast, cast.project, Wish("user", "oskar", "editor"))
    assert role(cast, "oskar", endpoint) is Role.EDITOR
    services.share(actor=cast.owen, thing=cast.project, general_access="tenant_viewer", shared_with=[MILA])
    assert role(cast, "mila", endpoint) is Role.EDITOR
    assert role(cast, "otto", endpoint) is Role.VIEWER


def test_a_shared_project_opens_what_is_in_it_and_a_shared_endpoint_only_itself(cast: Cast) -> None:
    first, second = cast.bare_endpoint(), cast.bare_endpoint()
    share(cast, first, OSKAR)
    assert seen(cast, "oskar") == {first.name}
    share(cast, cast.project, OSKAR)
    assert seen(cast, "oskar") == {"demo", first.name, second.name}


def seen(cast: Cast, name: str) -> set[str]:
    """All that is not everybody's."""
    actor = getattr(cast, name)
    found = [*projects.visible(actor), *endpoints.visible(actor), *hub.visible(actor).exclude(tenant=None)]
    return {each.name for each in found}


def test_what_is_shared_stands_in_the_lists_of_whoever_it_is_shared_with(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    cast.instance(endpoint, state="ready", node=cast.node())
    share(cast, endpoint, RESEARCH)
    oskar = cast.oskar
    assert list(endpoints.in_tenant(oskar)) == [endpoint]
    assert endpoints.answering(oskar, 2) == [endpoint.pk]
    assert endpoints.named(oskar, endpoint.name) == endpoint
    with pytest.raises(NotFound):
        projects.named(oskar, str(endpoint.project_id))
    share(cast, cast.project, Wish("user", "oskar", "editor"))
    assert list(projects.creatable(cast.oskar)) == [cast.project]
    assert projects.named(cast.oskar, "demo") == cast.project


def test_a_project_of_the_active_tenant_comes_before_a_shared_one_of_the_same_name(cast: Cast) -> None:
    own = cast.project_of("oskar", name="demo")
    share(cast, cast.project, OSKAR)
    assert projects.named(cast.oskar, "demo") == own


@pytest.mark.parametrize("name", ["mila", "oskar", "otto", "tina", "owen"])
@pytest.mark.parametrize("role_name", ["viewer", "editor", None])
def test_lists_and_rules_agree(cast: Cast, things: dict[str, Any], name: str, role_name: str | None) -> None:
    wishes = [Wish("user", name, role_name)] if role_name and name != "owen" else []
    for thing in things.values():
        share(cast, thing, *wishes)
    actor = getattr(cast, name)
    listed = {Project: projects.visible(actor), Endpoint: endpoints.visible(actor), Model: hub.visible(actor)}
    for word, thing in things.items():
        facts = services.KINDS[type(thing)].facts(actor, thing)
        assert (thing in listed[type(thing)]) is may(actor, f"{word}.see", facts)
    project = cast.project
    assert (project in projects.creatable(actor)) is may(
        actor, "endpoint.create", projects.facts(actor, project)
    )


# ----- who may share, and with whom -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["project", "endpoint", "model"])
def test_owner_and_admins_share_others_do_not(cast: Cast, things: dict[str, Any], kind: str) -> None:
    thing = things[kind]
    for who in ("olga", "tina", "owen"):
        share(cast, thing, MILA, by=who)
    with pytest.raises(Forbidden):
        share(cast, thing, by="mila")
    with pytest.raises(NotFound):
        share(cast, thing, by="oskar")
    with pytest.raises(Forbidden):
        services.shares(actor=cast.mila, thing=thing)


def test_owen_shares_only_with_whom_he_may_know(cast: Cast) -> None:
    for wish in (OSKAR, RESEARCH, Wish("user", "nobody", "viewer"), Wish("user", "", "viewer")):
        with pytest.raises(Invalid) as refusal:
            share(cast, cast.project, wish, by="owen")
        assert "shared_with" in refusal.value.fields
    share(cast, cast.project, Wish("user", "MILA", "viewer"), Wish("tenant", "Default", "editor"), by="owen")


def test_owen_keeps_and_removes_whom_an_admin_has_shared_with(cast: Cast) -> None:
    share(cast, cast.project, OSKAR)
    share(cast, cast.project, Wish("user", "oskar", "editor"), by="owen")
    assert role(cast, "oskar", cast.project) is Role.EDITOR
    share(cast, cast.project, by="owen")
    assert role(cast, "oskar", cast.project) is None


def test_a_deactivated_person_is_not_shared_with(cast: Cast) -> None:
    cast.users["mila"].is_active = False
    cast.users["mila"].save()
    with pytest.raises(Invalid, match="no user 'mila'"):
        share(cast, cast.project, MILA)


@pytest.mark.parametrize(
    "wishes",
    [
        [MILA, Wish("user", "Mila", "viewer")],
        [Wish("user", "owen", "viewer")],
        [Wish("user", "mila", "owner")],
        [Wish("team", "mila", "viewer")],
    ],
    ids=["twice", "the owner", "an unknown role", "an unknown kind"],
)
def test_what_makes_no_sense_is_refused_at_its_field(cast: Cast, wishes: list[Wish]) -> None:
    with pytest.raises(Invalid) as refusal:
        share(cast, cast.project, *wishes)
    assert "shared_with" in refusal.value.fields


def test_the_providers_models_are_not_shared(cast: Cast) -> None:
    with pytest.raises(Conflict, match="everybody can use it"):
        share(cast, cast.help, MILA)


def test_what_is_deleted_is_not_shared(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(desired="deleted", deleted_at=NOW)
    with pytest.raises(Conflict, match="is deleted"):
        share(cast, endpoint, MILA)


# ----- one state after the other ----------------------------------------------------------------------------


def test_a_change_of_an_older_state_is_refused(cast: Cast) -> None:
    old = services.shares(actor=cast.owen, thing=cast.project).version
    new = share(cast, cast.project, MILA, seen=old)
    with pytest.raises(services.Changed):
        share(cast, cast.project, seen=old)
    share(cast, cast.project, seen=new.version)


def test_what_is_said_twice_is_written_once(cast: Cast) -> None:
    share(cast, cast.project, MILA, general_access="tenant_viewer")
    share(cast, cast.project, MILA, general_access="tenant_viewer")
    (event,) = Event.objects.filter(verb="share")
    assert event.changes == {"general_access": ["private", "tenant_viewer"], "user mila": ["", "editor"]}
    assert (event.thing_name, event.role, event.actor_name) == ("demo", "OrgAdmin", "olga")
    share(cast, cast.project, Wish("user", "mila", "viewer"))
    assert Event.objects.filter(verb="share").first().changes == {"user mila": ["editor", "viewer"]}


def test_what_is_not_named_stays(cast: Cast) -> None:
    share(cast, cast.project, MILA)
    shares = services.share(actor=cast.owen, thing=cast.project, general_access="tenant_editor")
    assert [each.name for each in shares.grants] == ["mila"]
    shares = share(cast, cast.project)
    assert shares.general_access == "tenant_editor"


def test_one_grant_for_a_thing_and_a_grantee(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    share(cast, endpoint, MILA, RESEARCH)
    for table in (EndpointUserGrant, EndpointTenantGrant):
        row = table.objects.get()
        row.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


def test_a_tenants_group_is_made_once_and_has_no_members(cast: Cast) -> None:
    share(cast, cast.project, RESEARCH)
    share(cast, cast.bare_endpoint(), RESEARCH)
    group = Tenant.objects.get(name="research").group
    assert group is not None
    assert group.user_set.count() == 0
    assert EndpointTenantGrant.objects.get().group == group


def test_who_leaves_a_tenant_loses_what_was_shared_with_it(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    share(cast, endpoint, RESEARCH)
    assert may(cast.oskar, "endpoint.see", endpoints.facts(cast.oskar, endpoint))
    Membership.objects.filter(user=cast.users["oskar"]).delete()
    assert seen(cast, "oskar") == set()


# ----- all tenants ------------------------------------------------------------------------------------------


def test_all_tenants_only_where_an_org_admin_allows_it(cast: Cast) -> None:
    for who in ("olga", "owen"):
        with pytest.raises(Invalid) as refusal:
            services.share(actor=getattr(cast, who), thing=cast.project, general_access="all_viewer")
        assert "general_access" in refusal.value.fields
    for who in ("tina", "owen", "otto", "oskar"):
        with pytest.raises(Forbidden):
            services.allow_all_tenants(actor=getattr(cast, who), allowed=True, now=NOW)
    services.allow_all_tenants(actor=cast.olga, allowed=True, now=NOW)
    services.share(actor=cast.owen, thing=cast.project, general_access="all_viewer")
    assert role(cast, "oskar", cast.project) is Role.VIEWER


def test_what_is_taken_back_closes_what_was_open_to_all(cast: Cast, things: dict[str, Any]) -> None:
    services.allow_all_tenants(actor=cast.olga, allowed=True, now=NOW)
    for thing in things.values():
        services.share(actor=cast.owen, thing=thing, general_access="all_viewer")
    assert services.allow_all_tenants(actor=cast.olga, allowed=False, now=NOW) == 3
    assert seen(cast, "oskar") == set()
    assert seen(cast, "mila") == {thing.name for thing in things.values()}
    assert not Organization.objects.get().all_tenants
    assert Event.objects.filter(verb="share", actor_name="olga").count() == 3
    assert Event.objects.get(thing_type="organization", changes__closed=3).changes["all_tenants"] == [
        True,
        False,
    ]


# ----- what it costs ----------------------------------------------------------------------------------------


def test_grants_are_read_once_in_a_request_and_not_for_owners_and_admins(cast: Cast) -> None:
    endpoint = cast.bare_endpoint()
    share(cast, endpoint, OSKAR, MILA)
    for name, most in {"owen": 0, "tina": 0, "olga": 0, "mila": 1}.items():
        actor = getattr(cast, name)
        with CaptureQueriesContext(connection) as asked:
            for _ in range(2):
                endpoints.facts(actor, endpoint)
        assert len(asked) == most, name


def test_very_many_grants_are_not_named_one_by_one(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, others = cast.bare_endpoint(), cast.bare_endpoint()
    share(cast, endpoint, OSKAR)
    share(cast, others, RESEARCH)
    share(cast, cast.project, Wish("tenant", "research", "editor"))
    monkeypatch.setattr(selectors, "FEW", 0)
    actor = actor_of(cast.users["oskar"])
    assert set(endpoints.visible(actor)) == {endpoint, others}
    assert list(projects.creatable(actor)) == [cast.project]
