"""Projects, the New project dialog, and the Project window with its Endpoints table."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.projects.models import Project
from tests.browser.world import NOW


def test_no_project_yet_says_what_to_do_next(owen):
    assert "No project yet" in owen.get("projects").text


def test_a_new_project_opens_its_window(owen):
    answer = owen.post("project-new", name="translate", description="For the team")
    project = Project.objects.get(name="translate")
    assert answer.location == f"/projects/{project.pk}/"
    page = owen.get("project", project)
    assert "Project translate was created." in page.text
    assert "For the team" in page.text
    assert "No endpoint yet" in page.text


def test_from_the_dialog_too(owen):
    answer = owen.post("project-new", part=True, name="translate", description="")
    assert answer.headers["HX-Redirect"] == f"/projects/{Project.objects.get().pk}/"


@pytest.mark.parametrize(("name", "sentence"), [("", "1 to 63"), ("a/b", "1 to 63"), ("DEMO", "taken")])
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(owen, world, name, sentence):
    assert world.project.name == "demo"
    page = owen.post("project-new", part=True, name=name, description="kept")
    assert sentence in page.fault("name") or "required" in page.fault("name")
    assert page.value("name") == name
    assert page.value("description") == "kept"
    assert "<html" not in page.html
    assert Project.objects.count() == 1


def test_the_table_counts_endpoints(owen, world):
    world.everything()
    assert "demo For trying 6 owen 07 Nov, 2026" in owen.get("projects").text


@pytest.mark.parametrize(("name", "status"), [("olga", 200), ("tina", 200), ("mila", 404), ("oskar", 404)])
def test_who_sees_owens_project(person, world, name, status):
    assert person(name).get("project", world.project).status == status


def test_the_endpoints_table(owen, world):
    world.everything()
    text = owen.get("project", world.project).text
    assert "Name Model Instances RDU Arch Date of creation Owner Actions" in text
    assert "hello Live Help 4 of 5 SN40L 07 Nov, 2026 owen View Edit Stop Share settings Delete" in text
    assert "words Setting Up Help 0 of 1 SN30" in text
    assert "samba Awaiting RDU Help 0 of 1 SN40L" in text
    assert (
        "broken Failed Help 0 of 1 SN30 07 Nov, 2026 owen View Edit Stop Restart Share settings Delete"
        in text
    )
    assert "63 Stopped Help 0 SN30 07 Nov, 2026 owen View Edit Restart Share settings Delete" in text
    assert "gone Deleting Help 0 SN30 07 Nov, 2026 owen" in text
    assert text.count("View") == 5


def test_rows_refresh_themselves_alone(owen, world):
    world.live()
    rows = owen.get("project", world.project, part=True)
    assert "hello Live" in rows.text
    assert "<html" not in rows.html
    assert "HX-Request" in rows.headers["Vary"]


def test_who_may_only_view_is_offered_only_that(person, world):
    world.live()
    Project.objects.update(general_access="tenant_viewer")
    text = person("mila").get("project", world.project).text
    assert "View" in text
    assert not {"Edit", "Stop", "Delete", "New endpoint"} & set(text.split())


def test_more_than_a_page(owen, world):
    for number in range(52):
        Project.objects.create(
            tenant=world.tenants["default"],
            owner=world.user("owen"),
            name=f"p{number:02}",
            created_at=NOW,
        )
    first = owen.get("projects")
    assert ("p24" in first.text, "p25" in first.text) == (True, False)
    cursor = first.html.partition("?cursor=")[2].partition('"')[0]
    assert "p25" in owen.get("projects", cursor=cursor).text


def test_a_longer_table_takes_no_more_queries(owen, world):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            owen.get("project", world.project)
        return len(captured)

    world.live("first")
    few = queries()
    for number in range(5):
        world.live(f"more-{number}")
    assert queries() == few > 5
