"""The usage of an endpoint through the management API: numbers, ranges, each person."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from studio.projects.models import Project
from tests.doors.rest.conftest import Rest, error_of
from tests.support.usage import counted, write

pytestmark = pytest.mark.usefixtures("hub", "demo")

PATH = "/api/endpoints/hello/usage"
WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
SINCE, UNTIL = "2026-11-07T08:00:00Z", "2026-11-07T10:00:00Z"
AT = datetime(2026, 11, 7, 9, 0, tzinfo=UTC)


@pytest.fixture
def key(rest: Rest) -> ApiKey:
    """The First Key of owen's endpoint."""
    rest.owen.made("/api/endpoints", WISH)
    return ApiKey.objects.get()


@pytest.fixture
def other(key: ApiKey) -> ApiKey:
    return ApiKey.objects.create(
        endpoint=key.endpoint, owner=key.owner, description="build server", digest=b"1", prefix="12345678"
    )


def used(rest: Rest, **query: str) -> dict[str, Any]:
    answer = rest.owen.get(PATH, **({"since": SINCE, "until": UNTIL} | query))
    assert answer.status == 200, answer.json
    return answer.json


def test_totals_series_and_keys(rest: Rest, key: ApiKey, other: ApiKey) -> None:
    write(counted(key, AT, requests=2, seconds=0.2, limited=1), counted(other, AT, requests=3))
    write(counted(key, AT + timedelta(minutes=31), requests=4, seconds=2))
    answer = used(rest, step="30m")
    assert (answer["endpoint_id"], answer["step"]) == (str(key.endpoint_id), 1800)
    assert (answer["since"], answer["until"]) == (
        "2026-11-07T08:00:00.000000+00:00",
        "2026-11-07T10:00:00.000000+00:00",
    )
    assert [point["requests"] for point in answer["series"]] == [0, 0, 5, 4]
    assert answer["series"][2]["time"] == "2026-11-07T09:00:00.000000+00:00"
    total = answer["total"]
    assert (total["requests"], total["prompt_tokens"], total["completion_tokens"]) == (9, 90, 45)
    assert total["errors"] == {
        "client": 0, "limited": 1, "unavailable": 0, "failed": 0, "deadline": 0, "gone": 0,
    }  # fmt: skip
    response = total["response_time"]
    assert (response["count"], response["mean"]) == (9, pytest.approx(1.0))
    assert 0.1 < response["p50"] <= 0.25
    assert 1 < response["p90"] <= response["p95"] <= 2.5
    assert answer["series"][0]["queue_time"] == {
        "count": 0, "mean": None, "p50": None, "p90": None, "p95": None,
    }  # fmt: skip
    assert [(each["description"], each["requests"]) for each in answer["keys"]] == [
        ("First Key", 6),
        ("build server", 3),
    ]


def test_one_key_alone(rest: Rest, key: ApiKey, other: ApiKey) -> None:
    write(counted(key, AT), counted(other, AT, requests=3))
    answer = used(rest, key=str(other.pk))
    assert answer["total"]["requests"] == 3
    assert [each["id"] for each in answer["keys"]] == [str(other.pk)]


def test_without_anything_it_is_the_last_day(rest: Rest, key: ApiKey) -> None:
    now = datetime.now(UTC)
    write(counted(key, now), counted(key, now - timedelta(days=3)), now=now)
    answer = rest.owen.get(PATH).json
    assert (answer["total"]["requests"], answer["step"], len(answer["series"])) == (1, 1800, 49)


@pytest.mark.parametrize("step", ["1m", "5m", "30m", "1h", "1d", "3d"])
def test_each_step_tells_the_same_totals(rest: Rest, key: ApiKey, step: str) -> None:
    moments = [AT + timedelta(minutes=minutes) for minutes in (0, 1, 29, 30, 59)]
    write(*(counted(key, moment) for moment in moments))
    answer = used(rest, step=step)
    assert answer["total"]["requests"] == sum(point["requests"] for point in answer["series"]) == 5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "soon"}, "since"),
        ({"until": "9999-12-31T23:59:59-23:00"}, "until"),
        ({"since": UNTIL, "until": SINCE}, "since"),
        ({"step": "90"}, "step"),
        ({"since": "60d", "step": "1m"}, "step"),
        ({"key": "3"}, "apikey"),
        ({"key": "00000000-0000-4000-8000-000000000000"}, "apikey"),
        ({"project": "none"}, "project"),
    ],
)
def test_what_cannot_be_asked_names_its_field(
    rest: Rest, key: ApiKey, query: dict[str, str], field: str
) -> None:
    status, _, fields = error_of(rest.owen.get(PATH, **query))
    assert (status in (400, 404), list(fields)) == (True, [field])


def test_a_key_of_another_endpoint_is_unknown(rest: Rest, key: ApiKey) -> None:
    rest.owen.post("/api/endpoints", WISH | {"endpoint_name": "second"})
    answer = rest.owen.get("/api/endpoints/second/usage", key=str(key.pk))
    assert error_of(answer)[:2] == (404, "not_found")


def test_who_sees_it(rest: Rest, key: ApiKey) -> None:
    for who, status in (("olga", 200), ("tina", 200), ("mila", 404), ("oskar", 404), ("otto", 404)):
        for name in ("hello", str(key.endpoint_id)):
            answer = getattr(rest, who).get(f"/api/endpoints/{name}/usage")
            assert answer.status == status, who
    assert rest.nobody.get(PATH).status == 401
    Project.objects.update(general_access="tenant_viewer")
    assert rest.mila.get(PATH).status == 200
    assert rest.oskar.get(f"/api/endpoints/{key.endpoint_id}/usage").status == 404


def test_no_value_of_a_key_is_told(rest: Rest, key: ApiKey) -> None:
    write(counted(key, AT))
    value = rest.owen.get("/api/endpoints/hello").json["api_key"]
    (told,) = used(rest)["keys"]
    assert told["api_key"] == f"{value[:8]}-••••"
    assert value not in str(told)


def test_more_usage_takes_no_more_queries(rest: Rest, key: ApiKey, other: ApiKey) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            used(rest)
        return len(captured)

    write(counted(key, AT))
    used(rest)  # that somebody is there is noted once a minute
    few = queries()
    write(*(counted(each, AT + timedelta(minutes=minute)) for minute in range(40) for each in (key, other)))
    assert queries() == few
