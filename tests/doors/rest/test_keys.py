"""API keys through the management API: each verb, each person, bad input."""

from typing import Any

import pytest

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.hub.models import Model
from studio.projects.models import Project
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

KEYS = "/api/endpoints/hello/apikeys"
NO_LIMITS = dict.fromkeys(
    ("requests_per_minute", "tokens_per_minute", "parallel", "tokens_per_day", "tokens_per_month")
)
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    """owen's endpoint, as creating it answered."""
    Model.objects.filter(name="Help").update(aliases=["studio/help"])
    wish = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
    return rest.owen.made("/api/endpoints", wish)


@pytest.fixture
def first(hello: dict[str, Any]) -> dict[str, Any]:
    return hello["api_keys"][0]


@pytest.fixture
def shop(rest: Rest, hello: dict[str, Any]) -> dict[str, Any]:
    """owen's second key, as adding it answered."""
    return rest.owen.made(KEYS, {"description": "shop", "limits": {"parallel": 2, "tokens_per_day": 1000}})


def masked(key: dict[str, Any]) -> str:
    return f"{key['api_key'][:8]}-••••"


# Add


def test_add_without_limits(rest: Rest, hello: dict[str, Any]) -> None:
    key = rest.owen.post(KEYS, {"description": "shop"}, project="demo").json
    row = ApiKey.objects.get(pk=key["id"])
    assert (key["description"], key["status"], key["user_id"]) == ("shop", "Live", "owen")
    assert (key["limits"], key["expires_at"], key["experts"]) == (NO_LIMITS, None, [])
    assert (key["endpoint_id"], key["api_key"][:8], len(key["api_key"])) == (hello["id"], row.prefix, 36)
    assert rest.owen.get(KEYS).json["api_keys"][0] == key


def test_add_with_limits(rest: Rest, hello: dict[str, Any]) -> None:
    terms = {"limits": {"requests_per_minute": "60"}, "expires_at": "2030-12-31T18:00", "experts": ["HELP"]}
    key = rest.owen.post(KEYS, terms).json
    assert key["limits"] == NO_LIMITS | {"requests_per_minute": 60}
    assert (key["expires_at"], key["experts"]) == ("2030-12-31T18:00:00.000000+00:00", ["Help"])


BAD = [
    ({"description": "x" * 121}, "description"),
    ({"limits": {"parallel": 0}}, "parallel"),
    ({"limits": {"parallel": -1}}, "parallel"),
    ({"limits": {"parallel": 1.5}}, "parallel"),
    ({"limits": {"parallel": True}}, "parallel"),
    ({"limits": {"parallel": [1]}}, "parallel"),
    ({"limits": {"tokens_per_month": 10**12 + 1}}, "tokens_per_month"),
    ({"limits": {"speed": 1}}, "limits"),
    ({"limits": 5}, "limits"),
    ({"expires_at": "soon"}, "expires_at"),
    ({"expires_at": "2020-01-01"}, "expires_at"),
    ({"expires_at": 5}, "expires_at"),
    ({"experts": ["Nobody"]}, "experts"),
    ({"experts": "Help"}, "experts"),
    ({"surprise": 1}, "surprise"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_bad_input_names_its_field_and_does_nothing(
    rest: Rest, shop: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    before = Event.objects.exclude(verb="show key").count()
    for answer in (rest.owen.post(KEYS, change), rest.owen.patch(f"{KEYS}/{shop['id']}", change)):
        assert (error_of(answer)[0], list(answer.json["fields"])) == (400, [field])
    assert rest.owen.get(f"{KEYS}/{shop['id']}").json == shop
    assert ApiKey.objects.count() == 2
    assert Event.objects.exclude(verb="show key").count() == before


# Look


def test_info_by_id_and_by_value(rest: Rest, shop: dict[str, Any]) -> None:
    for named in (shop["id"], shop["api_key"]):
        assert rest.owen.get(f"{KEYS}/{named}", project="demo").json == shop
    assert Event.objects.filter(verb="show key", changes__key=shop["id"]).count() == 1


def test_an_expired_key_reads_expired(rest: Rest, shop: dict[str, Any]) -> None:
    ApiKey.objects.filter(pk=shop["id"]).update(expires_at="2020-01-01T00:00:00Z")
    assert rest.owen.get(f"{KEYS}/{shop['id']}").json["status"] == "Expired"
    listed = rest.owen.get("/api/endpoints").json["endpoints"][0]["api_keys"]
    assert [key["status"] for key in listed] == ["Expired", "Live"]


@pytest.mark.parametrize("named", [NOBODY, "nonsense"])
def test_an_unknown_key_is_404(rest: Rest, hello: dict[str, Any], named: str) -> None:
    for answer in (
        rest.owen.get(f"{KEYS}/{named}"), rest.owen.patch(f"{KEYS}/{named}", {}),
        rest.owen.post(f"{KEYS}/{named}/revoke"),
    ):  # fmt: skip
        assert error_of(answer) == (404, "not_found", {"apikey": "unknown key"})


# Change


def test_what_is_absent_stays_and_null_ends(rest: Rest, shop: dict[str, Any]) -> None:
    def change(**changes: Any) -> dict[str, Any]:
        return rest.owen.patch(f"{KEYS}/{shop['id']}", changes).json

    changed = change(
        description="new shop", limits={"parallel": 3}, expires_at="2030-12-31", experts=["Help"]
    )
    assert (changed["description"], changed["api_key"]) == ("new shop", masked(shop))
    assert changed["limits"] == NO_LIMITS | {"parallel": 3, "tokens_per_day": 1000}
    assert change(description="shop")["limits"]["parallel"] == 3
    changed = change(limits={"parallel": None}, expires_at=None, experts=None)
    assert changed["limits"] == NO_LIMITS | {"tokens_per_day": 1000}
    assert (changed["expires_at"], changed["experts"], changed["description"]) == (None, [], "shop")
    assert change(limits=None)["limits"] == NO_LIMITS


def test_what_was_answered_can_be_sent_back(rest: Rest, shop: dict[str, Any]) -> None:
    same = {name: shop[name] for name in ("description", "limits", "expires_at", "experts", "time_updated")}
    answer = rest.owen.patch(f"{KEYS}/{shop['id']}", same)
    assert answer.json == shop | {"api_key": masked(shop)}


def test_a_change_of_what_was_changed_meanwhile_is_409(rest: Rest, shop: dict[str, Any]) -> None:
    rest.tina.patch(f"{KEYS}/{shop['id']}", {"limits": {"parallel": 9}})
    stale = {"limits": {"parallel": 1}, "time_updated": shop["time_updated"]}
    assert error_of(rest.owen.patch(f"{KEYS}/{shop['id']}", stale))[:2] == (409, "conflict")
    assert ApiKey.objects.get(pk=shop["id"]).parallel == 9


def test_the_first_key_is_limited_and_no_more(rest: Rest, first: dict[str, Any]) -> None:
    where = f"{KEYS}/{first['id']}"
    assert rest.owen.patch(where, {"limits": {"parallel": 4}}).json["limits"]["parallel"] == 4
    assert error_of(rest.owen.patch(where, {"description": "mine"}))[0] == 409
    assert error_of(rest.owen.patch(where, {"description": "mine", "limits": {"parallel": 5}}))[0] == 409
    assert list(error_of(rest.owen.patch(where, {"expires_at": "2030-12-31"}))[2]) == ["expires_at"]
    assert error_of(rest.owen.post(f"{where}/revoke"))[0] == 409
    row = ApiKey.objects.get(pk=first["id"])
    assert (row.parallel, row.revoked_at) == (4, None)


# Revoke


def test_revoked_is_final_and_its_value_is_gone(rest: Rest, shop: dict[str, Any]) -> None:
    version = Endpoint.objects.get().route_version
    revoked = rest.owen.post(f"{KEYS}/{shop['api_key']}/revoke").json
    assert (revoked["status"], revoked["api_key"]) == ("Revoked", masked(shop))
    assert Endpoint.objects.get().route_version > version
    for named in (shop["id"], shop["api_key"]):
        assert rest.owen.get(f"{KEYS}/{named}").json == revoked
    again = (
        rest.owen.post(f"{KEYS}/{shop['id']}/revoke"),
        rest.owen.patch(f"{KEYS}/{shop['id']}", {"limits": None}),
    )
    assert [error_of(answer)[0] for answer in again] == [409, 409]


# Who


def every_verb(rest: Rest, who: str, key: dict[str, Any]) -> list[int]:
    caller, where = getattr(rest, who), f"/api/endpoints/{key['endpoint_id']}/apikeys"
    answers = (
        caller.post(where, {"description": "mine"}),
        caller.patch(f"{where}/{key['id']}", {"description": "mine"}),
        caller.patch(f"{where}/{key['id']}", {"limits": {"parallel": 1}}),
        caller.post(f"{where}/{key['id']}/revoke"),
    )
    return [error_of(answer)[0] for answer in answers]


@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_whoever_may_not_know_the_endpoint_gets_404(rest: Rest, shop: dict[str, Any], who: str) -> None:
    assert every_verb(rest, who, shop) == [404] * 4
    where = f"/api/endpoints/{shop['endpoint_id']}/apikeys/{shop['id']}"
    assert error_of(getattr(rest, who).get(where))[0] == 404


@pytest.mark.parametrize("access", ["tenant_viewer", "tenant_editor"])
def test_a_viewer_sees_the_key_masked_and_changes_nothing(
    rest: Rest, shop: dict[str, Any], access: str
) -> None:
    Project.objects.update(general_access=access)
    assert every_verb(rest, "mila", shop) == [403] * 4
    assert rest.mila.get(f"{KEYS}/{shop['id']}").json == shop | {"api_key": masked(shop)}
    assert error_of(rest.oskar.get(f"/api/endpoints/{shop['endpoint_id']}/apikeys/{shop['id']}"))[0] == 404
    assert rest.owen.get(f"{KEYS}/{shop['id']}").json == shop


def test_nobody_is_told_to_sign_in(rest: Rest, shop: dict[str, Any]) -> None:
    assert every_verb(rest, "nobody", shop) == [401] * 4


@pytest.mark.parametrize("who", ["olga", "tina"])
def test_admins_may(rest: Rest, shop: dict[str, Any], who: str) -> None:
    caller, where = getattr(rest, who), f"{KEYS}/{shop['id']}"
    assert caller.get(where).json == shop
    assert caller.post(KEYS, {}).json["user_id"] == who
    assert caller.patch(where, {"description": "theirs"}).json["description"] == "theirs"
    assert caller.post(f"{where}/revoke").json["status"] == "Revoked"


def test_keys_come_in_pages_with_the_first_key_last(rest: Rest, hello: dict[str, Any]) -> None:
    for number in range(4):
        rest.owen.post(KEYS, {"description": f"key {number}"})
    whole = rest.owen.get(KEYS).json
    assert whole["next"] is None
    seen, cursor = [], {}
    for most in (2, 2, 1):
        part = rest.owen.get(KEYS, limit=2, **cursor).json
        assert len(part["api_keys"]) == most
        seen += part["api_keys"]
        cursor = {"cursor": part["next"]}
    assert cursor == {"cursor": None}
    assert seen == whole["api_keys"]
    assert [key["description"] for key in seen] == ["key 3", "key 2", "key 1", "key 0", "First Key"]
    assert error_of(rest.owen.get(KEYS, cursor="x"))[0] == 400


# Rotate


def test_rotate_answers_the_new_value(rest: Rest, first: dict[str, Any]) -> None:
    rotated = rest.owen.post(f"{KEYS}/{first['id']}/rotate", {"grace": "1d"}).json
    assert (rotated["id"], rotated["description"]) == (first["id"], "First Key")
    assert rotated["api_key"] != first["api_key"]
    assert rotated["time_old_value_ends"] > rotated["time_updated"]
    assert rest.owen.get(f"{KEYS}/{first['id']}").json["api_key"] == rotated["api_key"]


def test_rotate_under_one_idempotency_key_rotates_once(rest: Rest, first: dict[str, Any]) -> None:
    owen = rest.owen.saying(idempotency_key="rotation-1")
    answers = [owen.post(f"{KEYS}/{first['id']}/rotate", {}).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert Event.objects.filter(verb="rotate key").count() == 1


def test_what_cannot_be_rotated(rest: Rest, first: dict[str, Any], shop: dict[str, Any]) -> None:
    for body in ({"grace": "2h"}, {"grace": 1}, {"other": 1}):
        assert error_of(rest.owen.post(f"{KEYS}/{first['id']}/rotate", body))
    assert rest.owen.post(f"{KEYS}/{shop['id']}/rotate", {}).status == 409
    assert rest.owen.post(f"{KEYS}/{first['id']}/rotate", {"time_updated": "2020"}).status == 409
    assert rest.oskar.post(f"{KEYS}/{first['id']}/rotate", {}).status == 404
    assert Event.objects.filter(verb="rotate key").count() == 0


# Values once


def test_values_are_in_the_answers_that_make_them_alone(
    rest: Rest, hello: dict[str, Any], first: dict[str, Any]
) -> None:
    switched = rest.olga.post("/api/tenants/default/values-once", {"once": True}).json
    assert (switched["values_once"], switched["removed"]) == (True, 1)
    assert rest.owen.get("/api/tenant").json["data"]["values_once"] is True
    assert rest.owen.get(KEYS).json["api_keys"][0]["api_key"] == masked(first)
    assert rest.owen.get("/api/endpoints/hello").json["api_key"] == masked(first)
    wish = {"project": "demo", "endpoint_name": "second", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
    made = rest.owen.saying(idempotency_key="second-1").post("/api/endpoints", wish).json
    assert len(made["api_key"]) == len(made["api_keys"][0]["api_key"]) == 36
    again = rest.owen.saying(idempotency_key="second-1").post("/api/endpoints", wish).json
    assert (again["id"], again["api_key"]) == (made["id"], f"{made['api_key'][:8]}-••••")
    asking = rest.owen.saying(idempotency_key="key-1")
    added, repeated = (asking.post(KEYS, {"description": "till"}).json for _ in range(2))
    assert (len(added["api_key"]), repeated["api_key"]) == (36, masked(added))
    assert rest.owen.get(f"{KEYS}/{added['id']}").json["api_key"] == masked(added)
    assert len(rest.owen.post(f"{KEYS}/{first['id']}/rotate", {}).json["api_key"]) == 36


def test_only_an_org_admin_switches_it(rest: Rest) -> None:
    path = "/api/tenants/default/values-once"
    for caller, status in ((rest.tina, 403), (rest.owen, 403), (rest.oskar, 404), (rest.nobody, 401)):
        assert caller.post(path, {"once": True}).status == status
    assert rest.olga.post(path, {"once": "yes"}).status == 400
