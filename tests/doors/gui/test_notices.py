"""The bell: what concerns a person, what is new of it, and how it comes to be read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from endpoints import notices, services
from endpoints.models import Endpoint
from endpoints.moves.services import transfer_project
from endpoints.specs import Edit
from endpoints.views import notices as views
from scheduler.models import Instance
from studio.audit.models import Event
from studio.hub.models import MLApp, Model
from studio.people.services import change_roles
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import User

LATER = datetime.now(UTC) + timedelta(hours=1)
CRASH = {"code": "crashed", "sentence": "The model server ended with code 1."}


@pytest.fixture(autouse=True)
def long_read(world):
    """Nothing that the tests make is old news."""
    User.objects.update(notices_read_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def endpoint(world) -> Endpoint:
    found = world.live("hello", instances=5, rdus=2)
    Instance.objects.filter(endpoint=found, ordinal__gt=3).update(state="awaiting", node=None, reason=waits())
    Instance.objects.filter(endpoint=found, ordinal=3).update(state="failed", reason=CRASH)
    return found


def waits() -> dict[str, object]:
    return {"code": "no_nodes", "rdus": 2}


def test_owen_reads_how_his_endpoints_fare(owen, endpoint):
    text = owen.get("notices").text
    assert "hello : 2 of 5 instances are Live" in text
    assert "hello : 1 of 5 instances has failed" in text
    assert "The model server ended with code 1." in text
    assert "hello : 2 of 5 instances await RDUs" in text
    assert "There is no SN40L node on this platform; it needs 2 RDUs in a single node." in text


def test_an_endpoint_that_is_all_live_is_live(owen, world):
    world.live("words", instances=2)
    assert "words is Live" in owen.get("notices").text


def test_instances_that_nobody_has_looked_at_yet_are_no_news(owen, world):
    world.endpoint()
    assert "Nothing to tell" in owen.get("notices").text


def test_what_others_did_is_told_and_what_oneself_did_is_not(owen, world, endpoint):
    services.stop_endpoint(actor=world.actor("owen"), endpoint=endpoint, now=LATER)
    assert "owen" not in owen.get("notices", part=True).text
    services.restart_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    services.update_endpoint(
        actor=world.actor("olga"), endpoint=endpoint, edit=Edit(description="x"), now=LATER
    )
    text = owen.get("notices").text
    assert "tina restarted hello" in text
    assert "olga edited hello" in text


def test_a_deleted_endpoint_is_told_of_but_has_no_window(owen, world, endpoint):
    services.delete_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    page = owen.get("notices")
    assert "tina deleted hello" in page.text
    assert f"/endpoints/{endpoint.pk}/" not in page.html
    assert "Live" not in owen.get("notices", part=True).text, "it is stopping, and that was asked for"


@pytest.mark.parametrize("name", ["mila", "oskar", "olga"])
def test_nobody_hears_of_endpoints_that_are_not_theirs(person, world, endpoint, name):
    services.stop_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    page = person(name).get("notices")
    assert "Nothing to tell" in page.text
    assert person(name).get("notices-mark", part=True).text == ""


@pytest.mark.parametrize(("verb", "told"), [("show key", False), ("revoke key", True)])
def test_who_only_looked_at_a_key_is_no_news(owen, world, endpoint, verb, told):
    Event.objects.create(
        actor_name="tina",
        role="tenant_admin",
        verb=verb,
        thing_type="endpoint",
        thing_id=endpoint.pk,
        thing_name="hello",
        concerns=endpoint.owner_id,
    )
    assert ("tina revoked an API key of hello" in owen.get("notices").text) is told
    assert ("tina" in owen.get("notices").text) is told


def test_the_mark_stands_until_the_bell_is_opened(owen, endpoint):
    assert owen.get("notices-mark", part=True).text == ", some are new"
    assert "(new)" in owen.get("notices").text, "only to look marks nothing"
    opened = owen.post("notices", part=True)
    assert "(new)" in opened.text
    assert '<span id="bell-mark" hx-swap-oob="innerHTML"></span>' in opened.html
    assert "<h1>" not in opened.html
    assert owen.get("notices-mark", part=True).text == ""
    assert "(new)" not in owen.get("notices").text


def test_the_mark_stays_where_more_are_new_than_the_bell_shows(owen, world, endpoint, monkeypatch):
    monkeypatch.setattr(views, "FEW", 2)
    opened = owen.post("notices", part=True)
    assert (opened.text.count("(new)"), "More are new: all notices" in opened.text) == (2, True)
    assert "bell-mark" not in opened.html
    assert owen.get("notices-mark", part=True).text == ", some are new"
    page = owen.get("notices")
    assert (page.text.count("(new)"), "These are the latest" in page.text) == (3, False)
    owen.post("notices")
    assert "More are new" not in owen.post("notices", part=True).text


def test_without_javascript_a_button_marks_them_read(owen, endpoint):
    page = owen.get("notices")
    assert "Mark all as read" in page.text
    assert owen.post("notices").location == "/notices/"
    page = owen.get("notices")
    assert ("Mark all as read" in page.text, "hello" in page.text) == (False, True)


def test_what_changes_afterwards_is_new_again(owen, endpoint):
    owen.post("notices", part=True)
    Instance.objects.filter(endpoint=endpoint, state="ready").update(state_since=LATER)
    assert owen.get("notices-mark", part=True).text == ", some are new"
    assert owen.get("notices").text.count("(new)") == 1


def test_the_mark_and_the_list_agree_on_what_is_new(world, endpoint):
    services.stop_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    services.restart_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    owen = world.actor("owen")
    ats = [notice.at for notice in notices.latest(owen, 100)]
    assert ats == sorted(ats, reverse=True)
    for since in [*ats, LATER - timedelta(days=400), LATER + timedelta(days=400)]:
        assert notices.any_since(owen, since) is any(at > since for at in ats)


def test_the_list_and_the_mark_cost_the_same_however_much_there_is(world, django_assert_num_queries):
    owen = world.actor("owen")
    for name in ("a", "b", "c"):
        found = world.live(name, instances=2)
        Instance.objects.filter(endpoint=found, ordinal=1).update(state="failed", reason=CRASH)
        services.update_endpoint(
            actor=world.actor("tina"), endpoint=found, edit=Edit(description="x"), now=LATER
        )
    with django_assert_num_queries(5):
        assert len(notices.latest(owen, 100)) == 9
    with django_assert_num_queries(1):
        assert notices.any_since(owen, LATER - timedelta(days=400))


def test_the_newest_are_found_behind_many_instances_of_one_endpoint(world):
    """The rows that are read first are all of one endpoint."""
    for days, name, instances in ((2, "a", 1), (1, "b", 1), (0, "many", 9)):
        found = world.live(name, instances=instances)
        Instance.objects.filter(endpoint=found).update(state_since=LATER - timedelta(days=days))
    owen = world.actor("owen")
    assert [(each.name, each.many) for each in notices.latest(owen, 2)] == [("many", 9), ("b", 1)]
    assert [each.name for each in notices.latest(owen, 100)] == ["many", "b", "a"]


def test_what_was_done_before_it_was_theirs_is_not_told_to_its_new_owner(world, endpoint):
    services.stop_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=LATER)
    Endpoint.objects.filter(pk=endpoint.pk).update(owner=world.actor("mila").id)
    assert notices.latest(world.actor("mila"), 100) == []
    assert notices.latest(world.actor("owen"), 100) == [], "it is not theirs any more"


# ----- what is given and taken ----------------------------------------------------------------------------


def give(world, thing, wishes, by="owen"):
    share(actor=world.actor(by), thing=thing, shared_with=[Wish(*wish) for wish in wishes])


@pytest.mark.parametrize("kind", ["endpoint", "project", "model"])
def test_whoever_is_given_something_hears_so_with_a_link_and_without_one_when_it_is_taken_back(
    world, person, endpoint, kind
):
    mine = Model.objects.create(
        name="Mine", app=MLApp.objects.first(), tenant=world.tenants["default"], owner=world.user("owen")
    )
    thing = {"endpoint": endpoint, "project": world.project, "model": mine}[kind]
    mila = person("mila")
    give(world, thing, [("user", "mila", "viewer")])
    assert mila.get("notices-mark", part=True).text == ", some are new"
    page = mila.get("notices")
    assert f"owen made you Viewer of {kind} {thing.name}" in page.text
    assert f'href="{reverse(kind, args=[thing.pk])}"' in page.html
    give(world, thing, [("user", "mila", "editor")])
    assert f"owen made you Editor of {kind} {thing.name}" in mila.get("notices").text
    give(world, thing, [])
    type(thing).objects.filter(pk=thing.pk).update(name="secret")
    page = mila.get("notices")
    assert f"owen took the role Editor from you in {kind} {thing.name}" in page.text
    assert "secret" not in page.text, "what it is called now is not theirs to know"
    assert reverse(kind, args=[thing.pk]) not in page.html


def test_what_a_tenant_is_given_everybody_in_it_hears_but_who_gave_it(world, person, owen, endpoint):
    give(world, endpoint, [("tenant", "default", "viewer")], by="tina")
    assert "tina made everybody in default Viewer of endpoint hello" in person("mila").get("notices").text
    assert "Nothing to tell" in person("tina").get("notices").text
    assert person("tina").get("notices-mark", part=True).text == ""
    assert "Nothing to tell" in person("oskar").get("notices").text
    assert "tina changed who may see or edit hello" in owen.get("notices").text, "its owner hears it too"


def test_a_role_in_a_tenant_is_told_to_whom_it_is_given_or_taken_from(world, person):
    olga, mila, research = world.actor("olga"), world.user("mila"), world.tenants["research"]
    for role in ("member", "tenant_admin", ""):
        change_roles(actor=olga, user=mila, roles={research.pk: role}, now=LATER)
    for org_admin in (True, False):
        change_roles(actor=olga, user=mila, roles={}, org_admin=org_admin, now=LATER)
    text = person("mila").get("notices").text
    for told in (
        "olga made you member of tenant research",
        "olga made you TenantAdmin of tenant research",
        "olga took you out of tenant research",
        "olga made you OrgAdmin",
        "olga took the role OrgAdmin from you",
    ):
        assert told in text
    assert "Nothing to tell" in person("owen").get("notices").text


def test_a_new_owner_hears_of_what_is_theirs_now(world, person):
    transfer_project(actor=world.actor("tina"), project=world.project, owner="mila", now=LATER)
    page = person("mila").get("notices")
    assert "tina made you the owner of project demo" in page.text
    assert reverse("project", args=[world.project.pk]) in page.html


def test_the_mark_agrees_and_costs_no_more_where_things_are_given(
    world, endpoint, django_assert_max_num_queries
):
    give(world, endpoint, [("user", "mila", "viewer")])
    give(world, world.project, [("tenant", "default", "viewer"), ("user", "mila", "editor")])
    give(world, endpoint, [])
    mila = world.actor("mila")
    with django_assert_max_num_queries(8):
        ats = [notice.at for notice in notices.latest(mila, 100)]
    assert len(ats) == 4
    for since in [*ats, LATER - timedelta(days=400), LATER + timedelta(days=400)]:
        with django_assert_max_num_queries(2):
            assert notices.any_since(mila, since) is any(at > since for at in ats)


def test_an_address_of_a_part_leads_to_the_page(owen):
    assert owen.get("notices-mark").location == "/notices/"
