"""The boxes Move and Transfer ownership: what they offer, what they say, where they lead."""

from uuid import UUID

import pytest

from studio.hub.models import MLApp, Model
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.tenants.models import Membership, Organization, Tenant, User
from tests.browser.world import NOW


@pytest.fixture
def hello(world):
    return world.live()


@pytest.fixture
def other(world):
    return create_project(actor=world.actor("owen"), tenant=world.tenants["default"], name="other", now=NOW)


def test_an_endpoint_is_moved_to_another_project(owen, hello, other):
    page = owen.get("endpoint-move", hello)
    assert "Its URLs change at once" in page.text
    assert page.value("project") == "other", "its own project is not offered, so there is one"
    done = owen.post("endpoint-move", hello, part=True, project="other")
    assert done.headers["HX-Redirect"] == f"/endpoints/{hello.pk}/"
    assert "Endpoint hello was moved to project other." in owen.get("endpoint", hello).text
    hello.refresh_from_db()
    assert hello.project == other
    assert "There is no other project" not in owen.get("endpoint-move", hello).text


def test_where_there_is_no_other_project_the_box_says_so(owen, hello):
    text = owen.get("endpoint-move", hello).text
    assert "There is no other project that you could move it to. Make another project first" in text


def test_a_project_is_offered_to_move_where_somebody_may_have_another_place(person, owen, world):
    assert world.project.name in owen.get("projects").text
    shown = {name: "Move" in person(name).get("projects").text for name in ("olga", "owen", "tina")}
    assert shown == {"olga": True, "owen": False, "tina": False}
    Membership.objects.create(user=world.user("owen"), tenant=world.tenants["research"])
    assert "Move" in owen.get("projects").text


def test_a_project_is_moved_to_another_tenant_by_who_may_in_both(person, owen, world, hello):
    assert "There is no other tenant" in owen.get("project-move", world.project).text
    research = str(world.tenants["research"].pk)
    owen.post("project-move", world.project, tenant=research)
    assert Project.objects.get().tenant.name == "default", "a tenant that is not offered is not taken"
    answer = person("olga").post("project-move", world.project, tenant=research)
    assert answer.location == "/projects/"
    assert Project.objects.get().tenant.name == "research"


def test_a_place_is_found_as_its_name_is_typed(owen, person, world, hello):
    home = {
        "tenant": world.tenants["default"],
        "owner": world.user("owen"),
        "created_at": NOW,
        "updated_at": NOW,
    }
    Project.objects.bulk_create([Project(name=f"p-{number:03}", **home) for number in range(250)])
    page = owen.get("endpoint-move", hello)
    assert (page.value("project"), page.html.count("<option")) == ("", 20)
    address = f"/endpoints/{hello.pk}/move/?part=names&project="
    assert owen.get(f"{address}-249", part=True).html.strip() == '<option value="p-249"></option>'
    assert owen.get(f"{address}demo", part=True).html.strip() == "", "it is there already"
    assert person("mila").get(f"{address}p", part=True).status == 404
    assert owen.post("endpoint-move", hello, project="P-249").status == 302, "without JavaScript, too"
    hello.refresh_from_db()
    assert hello.project.name == "p-249"


def test_a_project_of_another_tenant_is_called_with_its_tenants_name(person, world, hello):
    for name in ("default", "research"):
        create_project(actor=world.actor("olga"), tenant=world.tenants[name], name="twice", now=NOW)
    Project.objects.update(general_access="all_viewer")
    olga = person("olga")
    offered = olga.get(f"/endpoints/{hello.pk}/move/?part=names&project=twice", part=True).html
    assert 'value="twice"' in offered
    assert 'value="research / twice"' in offered
    olga.post("endpoint-move", hello, project="research / twice")
    hello.refresh_from_db()
    assert hello.project.tenant == world.tenants["research"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("there", "More than one project has that name: a / there, b / there. Say which one."),
        ("nowhere", "There is no project 'nowhere' that you could move it to."),
        (str(UUID(int=1)), "that you could move it to."),
        ("", "This field is required."),
    ],
)
def test_a_place_that_cannot_be_meant_is_blamed_at_its_field(person, world, hello, typed, said):
    for name in ("a", "b"):
        tenant = Tenant.objects.create(name=name, organization=Organization.objects.get())
        create_project(actor=world.actor("olga"), tenant=tenant, name="there", now=NOW)
    Project.objects.update(general_access="all_viewer")
    page = person("olga").post("endpoint-move", hello, part=True, project=typed)
    assert said in page.fault("project")
    assert page.value("project") == typed


@pytest.mark.parametrize("kind", ["endpoint", "project", "model"])
def test_ownership_is_transferred(owen, person, world, hello, kind):
    mine = Model.objects.create(
        name="Mine", app=MLApp.objects.first(), tenant=world.tenants["default"], owner=world.user("owen")
    )
    thing = {"endpoint": hello, "project": world.project, "model": mine}[kind]
    page = owen.get(f"{kind}-transfer", thing)
    assert '<option value="mila">' in page.html
    page = owen.post(f"{kind}-transfer", thing, part=True, owner="oskar")
    assert "There is no active user" in page.fault("owner")
    assert person("mila").post(f"{kind}-transfer", thing, owner="mila").status == 404
    answer = owen.post(f"{kind}-transfer", thing, owner="mila")
    assert answer.status == 302
    thing.refresh_from_db()
    assert thing.owner.username == "mila"


def test_a_new_owner_is_found_as_the_name_is_typed(owen, person, world, hello):
    crowd = User.objects.bulk_create([User(username=f"a-{number:02}") for number in range(30)])
    home = world.tenants["default"]
    Membership.objects.bulk_create([Membership(user=each, tenant=home) for each in crowd])
    assert 'value="mila"' not in owen.get("endpoint-transfer", hello).html
    address = f"/endpoints/{hello.pk}/transfer/?part=names&owner="
    assert owen.get(f"{address}il", part=True).html.strip() == '<option value="mila"></option>'
    assert owen.get(f"{address}oskar", part=True).html.strip() == ""
    assert person("mila").get(f"{address}il", part=True).status == 404


def test_the_entries_are_offered_to_whom_they_are_for(person, owen, world, hello):
    mine = Model.objects.create(
        name="Mine", app=MLApp.objects.first(), tenant=world.tenants["default"], owner=world.user("owen")
    )
    Project.objects.update(general_access="tenant_editor")
    for page in (("endpoint", hello), ("projects",), ("model", mine)):
        assert "Transfer ownership" in owen.get(*page).text
    for page in (("endpoint", hello), ("projects",)):
        assert "Transfer ownership" not in person("mila").get(*page).text
    assert "Transfer ownership" not in person("olga").get("model", Model.objects.get(name="Help")).text
