"""Recently deleted in the Project window, and the boxes that edit and delete a project."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from endpoints import services
from endpoints.models import Endpoint
from studio.projects.models import Project
from tests.doors.gui.conftest import Person


@pytest.fixture
def gone(owen, world) -> Endpoint:
    endpoint = world.live()
    owen.post("endpoint-delete", endpoint)
    endpoint.refresh_from_db()
    return endpoint


def wish(endpoint: Endpoint) -> tuple[str, str]:
    found = Endpoint.objects.get(pk=endpoint.pk)
    return found.name, found.desired


def test_what_was_deleted_stands_beneath_the_endpoints(owen, gone):
    text = owen.get("project", gone.project).text
    assert "Recently deleted Each can be restored for 24 hours." in text
    assert "Name Model RDU Arch Owner Deleted Restorable until Actions hello Help SN40L owen" in text
    assert "Recently deleted" in owen.get("project", gone.project, part=True).text, "it refreshes itself too"


def test_without_deletions_there_is_no_such_table(owen, world):
    world.live()
    assert "Recently deleted" not in owen.get("project", world.project).text


def test_after_a_day_it_is_gone(owen, gone):
    Endpoint.objects.update(deleted_at=gone.deleted_at - timedelta(hours=25))
    assert "Recently deleted" not in owen.get("project", gone.project).text
    answer = owen.post("endpoint-restore", gone, part=True, endpoint_name="hello")
    assert "deleted more than 24 hours ago; it cannot be restored any more" in answer.text


def test_restore_brings_it_back_as_stopped(owen, gone):
    box = owen.get("endpoint-restore", gone, part=True)
    assert "It comes back as Stopped, with its URLs, API keys and settings." in box.text
    assert box.value("endpoint_name") == "hello"
    answer = owen.post("endpoint-restore", gone, part=True, endpoint_name="hello")
    assert (
        answer.events["notice"]["text"] == "Endpoint hello was restored. It is stopped; restart it to run it."
    )
    assert "endpoints-changed" in answer.events
    assert wish(gone) == ("hello", "stopped")
    assert "owen restored endpoint hello" in owen.get("endpoint", gone, tab="events").text


def test_a_name_taken_meanwhile_asks_for_another(owen, world, gone):
    world.endpoint("Hello")
    assert "named hello by now: choose a new name." in owen.get("endpoint-restore", gone).text
    page = owen.post("endpoint-restore", gone, part=True, endpoint_name="hello")
    assert "This name is taken." in page.fault("endpoint_name")
    assert wish(gone) == ("hello", "deleted")
    assert (
        owen.post("endpoint-restore", gone, endpoint_name="hello again").location == f"/endpoints/{gone.pk}/"
    )
    assert wish(gone) == ("hello again", "stopped")


def test_what_is_not_deleted_is_not_restored(owen, world):
    assert owen.get("endpoint-restore", world.live()).status == 404


def test_whose_deletions_are_seen_and_who_brings_them_back(person, gone):
    def ask(name: str, method: str = "post") -> int:
        return getattr(person(name), method)("endpoint-restore", gone).status

    assert [ask(name) for name in ("oskar", "mila", "otto")] == [404, 404, 404]
    Project.objects.update(general_access="tenant_editor")
    assert (ask("mila"), ask("mila", "get"), ask("oskar")) == (403, 403, 404)
    seen = person("mila").get("project", gone.project)
    assert "Recently deleted" in seen.text
    assert f'id="restore-{gone.pk}"' not in seen.html
    assert wish(gone) == ("hello", "deleted")
    assert ask("tina") == 302


def test_more_deletions_take_no_more_queries(owen, world, gone):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            owen.get("project", world.project)
        return len(captured)

    few = queries()
    for number in range(25):
        services.delete_endpoint(
            actor=world.actor("owen"), endpoint=world.endpoint(f"e{number}"), now=gone.deleted_at
        )
    assert queries() == few
    assert "The latest 20" in owen.get("project", world.project).text


# ----- Edit project -------------------------------------------------------------------------------------------


def saved() -> tuple[str, str]:
    return Project.objects.values_list("name", "description").get()


def seen(page) -> str:
    return page.html.partition('name="seen" value="')[2].partition('"')[0]


def test_a_project_is_renamed_and_described(owen, world):
    box = owen.get("project-edit", world.project, part=True)
    assert (box.value("name"), box.value("description")) == ("demo", "For trying")
    assert owen.post("project-edit", world.project, name="trial", description="", seen=seen(box)).location
    assert saved() == ("trial", "")


def test_in_the_table_it_stays_there_and_in_its_window_the_window_comes_anew(owen, world):
    typed = {"name": "trial", "description": ""}
    answer = owen.post("project-edit", world.project, part=True, at="/projects/", **typed)
    assert (answer.status, "projects-changed" in answer.events) == (204, True)
    window = f"/projects/{world.project.pk}/"
    answer = owen.post("project-edit", world.project, part=True, at=window, **typed)
    assert answer.headers["HX-Redirect"] == window


def test_a_taken_name_stands_at_its_field(owen, world):
    Project.objects.create(name="other", tenant=world.project.tenant, owner=world.user("owen"))
    page = owen.post("project-edit", world.project, part=True, name="Other", description="kept")
    assert "taken" in page.fault("name")
    assert page.value("description") == "kept"


def test_two_people_edit_one_project_and_both_are_heard(owen, person, world):
    box = owen.get("project-edit", world.project)
    person("tina").post("project-edit", world.project, name="demo", description="theirs")
    typed = {"name": "demo", "description": "mine"}
    page = owen.post("project-edit", world.project, part=True, seen=seen(box), **typed)
    assert "Somebody changed this project meanwhile." in page.text
    assert "Meanwhile somebody wrote here: theirs" in page.fault("description")
    assert page.value("description") == "mine"
    assert saved() == ("demo", "theirs")
    owen.post("project-edit", world.project, seen=seen(page), **typed)
    assert saved() == ("demo", "mine")


# ----- Delete project -----------------------------------------------------------------------------------------


def test_deleting_a_project_lists_its_endpoints_first(owen, world):
    world.live()
    world.endpoint("words")
    box = owen.get("project-delete", world.project, part=True)
    assert "Project demo will be deleted with 2 endpoints." in box.text
    assert "hello Live Help · 1 of 1 instance" in box.text
    assert "words Setting Up Help" in box.text
    assert box.text.endswith("Cancel Yes")
    assert saved() == ("demo", "For trying")


def test_it_takes_its_endpoints_along(owen, world):
    endpoint = world.live()
    answer = owen.post("project-delete", world.project)
    assert answer.location == "/projects/"
    page = owen.get("projects")
    assert "Project demo was deleted." in page.text
    assert "No project yet" in page.text
    assert owen.get("project", world.project).status == 404
    assert wish(endpoint) == ("hello", "deleted")
    assert owen.post("endpoint-restore", endpoint).status == 404, "its place is gone"


def test_deleting_in_its_own_window_leaves_it(owen, world):
    window = f"/projects/{world.project.pk}/"
    answer = owen.post("project-delete", world.project, part=True, at=window)
    assert answer.headers["HX-Redirect"] == "/projects/"


def test_an_empty_project_says_so(owen, world):
    assert "It has no endpoints." in owen.get("project-delete", world.project).text


@pytest.mark.parametrize("door", ["project-edit", "project-delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_wrong_persons(person, world, door, method):
    def ask(name: str) -> int:
        who: Person = person(name)
        return getattr(who, method)(door, world.project, name="x").status

    assert (ask("oskar"), ask("mila"), ask("otto")) == (404, 404, 404)
    Project.objects.update(general_access="tenant_viewer")
    assert (ask("oskar"), ask("mila")) == (404, 403)
    assert saved() == ("demo", "For trying")


def test_an_editor_may_rename_but_not_delete(person, world):
    mila = person("mila")
    assert world.project
    Project.objects.update(general_access="tenant_editor")
    assert mila.post("project-delete", world.project).status == 403
    assert mila.post("project-edit", world.project, name="trial", description="").status == 302
    listed = mila.get("projects").html
    assert f"/projects/{world.project.pk}/edit/" in listed
    assert f"/projects/{world.project.pk}/delete/" not in listed
