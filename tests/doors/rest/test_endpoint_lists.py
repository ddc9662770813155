"""Lists of endpoints through the management API: pages, filters, what they cost."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio import paging
from tests.doors.rest.conftest import Rest, error_of
from tests.doors.rest.test_endpoints import FIELDS, WISH, ready

pytestmark = pytest.mark.usefixtures("hub", "demo")


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    """owen's endpoint, as creating it answered."""
    answer = rest.owen.post("/api/endpoints", WISH)
    assert answer.status == 200
    return answer.json


def test_list_masks_keys_and_narrows(rest: Rest, hello: dict[str, Any]) -> None:
    second = rest.owen.post("/api/endpoints", {**WISH, "endpoint_name": "second", "rdu_arch": "sn30"}).json
    ready(second["id"])
    listed = rest.owen.get("/api/endpoints").json
    assert [each["name"] for each in listed["endpoints"]] == ["second", "hello"]
    assert set(listed["endpoints"][0]) == FIELDS
    assert hello["api_key"] not in str(listed)
    for query, names in [
        ({"project": "demo"}, ["second", "hello"]),
        ({"name": "HELLO"}, ["hello"]),
        ({"status": "Live"}, ["second"]),
        ({"status": "SettingUp"}, ["hello"]),
        ({"status": "setting up"}, ["hello"]),
        ({"status": "Failed"}, []),
        ({"arch": "sn30"}, ["second"]),
        ({"model": "Help"}, ["second", "hello"]),
        ({"limit": 1}, ["second"]),
    ]:
        found = rest.owen.get("/api/endpoints", **query).json["endpoints"]
        assert [each["name"] for each in found] == names, query


def test_list_pages_by_date(rest: Rest, hello: dict[str, Any]) -> None:
    rest.owen.post("/api/endpoints", {**WISH, "endpoint_name": "second"})
    first = rest.owen.get("/api/endpoints", limit=1).json
    second = rest.owen.get("/api/endpoints", limit=1, cursor=first["next"]).json
    assert [each["name"] for each in first["endpoints"] + second["endpoints"]] == ["second", "hello"]
    assert second["next"] is None


def test_pages_of_a_status_go_on_beyond_what_is_looked_at_first(
    rest: Rest, hello: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "AHEAD", 2)
    for name, instances in (("b", 0), ("c", 0), ("d", 1), ("e", 1), ("f", 0)):
        rest.owen.post("/api/endpoints", {**WISH, "endpoint_name": name, "instances": instances})
    found, cursor = [], None
    for _ in range(3):
        page = rest.owen.get(
            "/api/endpoints", status="Stopped", limit=1, **({"cursor": cursor} if cursor else {})
        ).json
        found += [each["name"] for each in page["endpoints"]]
        cursor = page["next"]
    assert (found, cursor) == (["f", "c", "b"], None)


def test_a_longer_list_asks_the_database_no_more(
    rest: Rest, hello: dict[str, Any], django_assert_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as few:
        rest.owen.get("/api/endpoints")
    queries = len(few)
    for number in range(4):
        rest.owen.post("/api/endpoints", {**WISH, "endpoint_name": f"hello {number}", "instances": 2})
    with django_assert_num_queries(queries):
        assert len(rest.owen.get("/api/endpoints").json["endpoints"]) == 5


@pytest.mark.parametrize(
    ("query", "field"), [({"status": "Fine"}, "status"), ({"project": "none"}, "project")]
)
def test_list_with_a_filter_that_means_nothing(rest: Rest, query: dict[str, str], field: str) -> None:
    assert list(error_of(rest.owen.get("/api/endpoints", **query))[2]) == [field]


def test_others_list_nothing(rest: Rest, hello: dict[str, Any]) -> None:
    for who in ("mila", "oskar", "otto"):
        assert getattr(rest, who).get("/api/endpoints").json["endpoints"] == []
