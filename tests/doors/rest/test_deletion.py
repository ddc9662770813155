"""Restoring endpoints, and changing and deleting projects, through the management API."""

from datetime import timedelta
from typing import Any

import pytest

from endpoints.models import Endpoint
from studio.projects.models import Project
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")
WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    return rest.owen.made("/api/endpoints", WISH)


@pytest.fixture
def gone(rest: Rest, hello: dict[str, Any]) -> str:
    rest.owen.delete("/api/endpoints/hello")
    return f"/api/endpoints/{hello['id']}"


def deleted(rest: Rest, who: str = "owen") -> list[str]:
    return [
        each["name"] for each in getattr(rest, who).get("/api/endpoints", deleted="true").json["endpoints"]
    ]


# Endpoints


def test_what_was_deleted_is_listed_for_a_day(rest: Rest, gone: str) -> None:
    answer = rest.owen.get("/api/endpoints", deleted="true", project="demo").json
    (listed,) = answer["endpoints"]
    assert (listed["name"], listed["time_deleted"] is not None, answer["next"]) == ("hello", True, None)
    assert rest.owen.get("/api/endpoints").json["endpoints"] == []
    found = Endpoint.objects.get()
    Endpoint.objects.update(deleted_at=found.deleted_at - timedelta(hours=24))
    assert deleted(rest) == []
    assert error_of(rest.owen.post(f"{gone}/restore"))[:2] == (409, "conflict")


def test_restore_brings_it_back_with_its_keys(rest: Rest, hello: dict[str, Any], gone: str) -> None:
    answer = rest.owen.post(f"{gone}/restore")
    assert (answer.status, answer.json["status"], answer.json["time_deleted"]) == (200, "Stopped", None)
    back = rest.owen.get("/api/endpoints/hello").json
    assert (back["id"], back["api_key"]) == (hello["id"], hello["api_key"])
    assert deleted(rest) == []


def test_restore_by_name_and_under_another(rest: Rest, gone: str) -> None:
    rest.owen.post("/api/endpoints", WISH)
    status, _, fields = error_of(rest.owen.post("/api/endpoints/hello/restore", project="demo"))
    assert (status, list(fields)) == (409, ["endpoint_name"])
    answer = rest.owen.post("/api/endpoints/hello/restore", {"endpoint_name": "hello 2"}, project="demo")
    assert (answer.status, answer.json["name"]) == (200, "hello 2")


def test_what_is_not_deleted_is_not_found(rest: Rest, hello: dict[str, Any]) -> None:
    assert error_of(rest.owen.post("/api/endpoints/hello/restore"))[0] == 404
    assert error_of(rest.owen.post(f"/api/endpoints/{hello['id']}/restore"))[0] == 404


@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_whoever_may_not_know_of_it_gets_404(rest: Rest, gone: str, who: str) -> None:
    assert error_of(getattr(rest, who).post(f"{gone}/restore"))[:2] == (404, "not_found")
    assert deleted(rest, who) == []
    assert deleted(rest) == ["hello"]


def test_an_editor_sees_it_and_gets_403(rest: Rest, gone: str) -> None:
    Project.objects.update(general_access="tenant_editor")
    assert deleted(rest, "mila") == ["hello"]
    assert error_of(rest.mila.post(f"{gone}/restore"))[:2] == (403, "forbidden")


def test_an_edit_warns_of_what_will_wait(rest: Rest, hello: dict[str, Any]) -> None:
    (warning,) = rest.owen.patch("/api/endpoints/hello", {"instances": 10}).json["warnings"]
    assert warning.startswith("Insufficient RDUs in a single node: 2 of 10 instances will be Awaiting RDU")
    assert rest.owen.patch("/api/endpoints/hello", {"instances": 2}).json["warnings"] == []


# Projects


def test_a_project_changes_what_is_named(rest: Rest) -> None:
    answer = rest.owen.patch("/api/projects/demo", {"description": "Letters"})
    assert (answer.status, answer.json["name"], answer.json["description"]) == (200, "demo", "Letters")
    assert rest.owen.patch("/api/projects/demo", {"name": "mail"}).json["name"] == "mail"
    status, _, fields = error_of(rest.owen.patch("/api/projects/mail", {"name": "a/b"}))
    assert (status, list(fields)) == (400, ["name"])


def test_a_change_on_top_of_anothers_is_refused_when_asked_for(rest: Rest) -> None:
    seen = rest.owen.get("/api/projects/demo").json["time_updated"]
    assert rest.tina.patch("/api/projects/demo", {"description": "a", "time_updated": seen}).status == 200
    answer = rest.owen.patch("/api/projects/demo", {"description": "b", "time_updated": seen})
    assert error_of(answer)[:2] == (409, "conflict")


def test_a_project_goes_with_its_endpoints(rest: Rest, hello: dict[str, Any]) -> None:
    answer = rest.owen.delete("/api/projects/demo")
    assert (answer.status, answer.json["status"]) == (200, "Deleted")
    assert answer.json["endpoints"] == [{"id": hello["id"], "name": "hello"}]
    for path in ("/api/projects/demo", f"/api/endpoints/{hello['id']}"):
        assert error_of(rest.owen.get(path))[0] == 404
    assert error_of(rest.owen.post(f"/api/endpoints/{hello['id']}/restore"))[0] == 404
    assert deleted(rest) == []


@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_wrong_persons_do_nothing_to_a_project(rest: Rest, who: str) -> None:
    person = getattr(rest, who)
    for answer in (person.patch("/api/projects/demo", {"name": "x"}), person.delete("/api/projects/demo")):
        assert error_of(answer)[:2] == (404, "not_found")
    Project.objects.update(general_access="tenant_viewer")
    expected = 404 if who == "oskar" else 403  # the others are members of its tenant
    assert person.patch("/api/projects/demo", {"name": "x"}).status == expected
    assert person.delete("/api/projects/demo").status == expected
    assert Project.objects.filter(name="demo", deleted_at=None).exists()


def test_an_editor_changes_a_project_but_does_not_delete_it(rest: Rest) -> None:
    Project.objects.update(general_access="tenant_editor")
    assert rest.mila.patch("/api/projects/demo", {"description": "x"}).status == 200
    assert error_of(rest.mila.delete("/api/projects/demo"))[:2] == (403, "forbidden")
