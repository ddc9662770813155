"""`Idempotency-Key`: a create that is sent twice is done once, and what it answered is kept sealed for a day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from scheduler.models import Node
from studio.projects.models import Project
from studio.repeats.models import Answered
from studio.repeats.services import KEPT, forget_answered
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}


@pytest.mark.parametrize(
    ("who", "path", "body", "rows"),
    [
        ("owen", "/api/endpoints", WISH, Endpoint),
        ("owen", "/api/projects", {"name": "letters"}, Project),
        ("otto", "/api/nodes", {"name": "sn40l-2", "arch": "SN40L", "rdus": 8}, Node),
    ],
)
def test_a_repeat_creates_nothing_and_hears_the_same(
    rest: Rest, who: str, path: str, body: dict[str, Any], rows: Any
) -> None:
    person = getattr(rest, who).saying(idempotency_key="once")
    first, count = person.post(path, body), rows.objects.count() + 0
    assert first.status == 200
    again = person.post(path, body)
    assert (again.status, again.json) == (200, first.json)
    assert rows.objects.count() == count
    assert error_of(getattr(rest, who).post(path, body))[0] in (400, 409), "without the key its name is taken"


def test_a_repeat_of_a_new_api_key_shows_the_same_value(rest: Rest) -> None:
    rest.owen.post("/api/endpoints", WISH)
    owen = rest.owen.saying(idempotency_key="shop")
    first = owen.post("/api/endpoints/hello/apikeys", {"description": "shop"}).json
    assert owen.post("/api/endpoints/hello/apikeys", {"description": "shop"}).json == first
    assert ApiKey.objects.count() == 2
    assert first["api_key"].encode() not in bytes(Answered.objects.get().sealed)


def test_the_order_of_the_fields_is_no_difference(rest: Rest) -> None:
    owen = rest.owen.saying(idempotency_key="once")
    first = owen.post("/api/endpoints", WISH).json
    assert owen.post("/api/endpoints", dict(reversed(WISH.items()))).json == first


@pytest.mark.parametrize(
    ("path", "body"), [("/api/endpoints", WISH | {"instances": 2}), ("/api/projects", {"name": "letters"})]
)
def test_the_same_key_for_something_else_is_422(rest: Rest, path: str, body: dict[str, Any]) -> None:
    owen = rest.owen.saying(idempotency_key="once")
    owen.post("/api/endpoints", WISH)
    answer = owen.post(path, body)
    assert error_of(answer) == (422, "idempotency_key_used", {"Idempotency-Key": "used before"})
    assert (Endpoint.objects.count(), Project.objects.count()) == (1, 1)


def test_the_same_key_in_another_tenant_is_422(rest: Rest) -> None:
    olga = rest.olga.saying(idempotency_key="once")
    assert olga.post("/api/projects", {"name": "letters"}).status == 200
    assert olga.in_tenant("research").post("/api/projects", {"name": "letters"}).status == 422


def test_everybodys_keys_are_their_own(rest: Rest) -> None:
    for who in ("owen", "mila"):
        answer = getattr(rest, who).saying(idempotency_key="once").post("/api/projects", {"name": who})
        assert answer.json["metadata"] == {"owner": who}


def test_a_refusal_is_not_kept(rest: Rest) -> None:
    owen = rest.owen.saying(idempotency_key="once")
    assert owen.post("/api/endpoints", WISH | {"model_checkpoint": "none"}).status == 404
    assert not Answered.objects.exists()
    assert owen.post("/api/endpoints", WISH).status == 200


def test_a_failure_of_ours_leaves_neither_the_thing_nor_the_key(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the project stands, before its answer is kept."""
    owen = rest.owen.saying(idempotency_key="once")
    with monkeypatch.context() as broken:
        broken.setattr("studio.projects.api._project", lambda project: {"name": object()})
        assert owen.post("/api/projects", {"name": "letters"}).status == 500
    assert not Project.objects.filter(name="letters").exists()
    assert owen.post("/api/projects", {"name": "letters"}).status == 200


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "größe"])
def test_a_key_that_is_none(rest: Rest, key: str) -> None:
    answer = rest.owen.saying(idempotency_key=key).post("/api/projects", {"name": "letters"})
    assert error_of(answer)[::2] == (400, answer.json["fields"])
    assert list(answer.json["fields"]) == ["Idempotency-Key"]


def test_the_sweep_forgets_keys_after_a_day(rest: Rest) -> None:
    owen = rest.owen.saying(idempotency_key="once")
    owen.post("/api/projects", {"name": "letters"})
    made = Answered.objects.get().created_at
    assert forget_answered(now=made + KEPT) == 0
    assert forget_answered(now=made + KEPT + timedelta(seconds=1)) == 1
    assert owen.post("/api/projects", {"name": "other"}).json["name"] == "other"
    assert datetime.now(UTC) - made < KEPT
