"""What holds for every address of the management API: who asks, bodies, errors, lists, the document."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.test import Client
from ninja import Schema
from pydantic import ValidationError

from studio import json_api
from studio.hub.models import Model
from studio.projects import selectors
from studio.projects.models import Project
from tests.doors.rest.conftest import NOW, Caller, Rest, check_described, error_of

# Who asks


def test_without_a_key_the_answer_says_how_to_sign_in(rest: Rest) -> None:
    answer = rest.nobody.get("/api/projects")
    assert error_of(answer) == (401, "not_signed_in", {})
    assert "Authorization: Bearer" in answer.json["message"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["wrong", "00000000-0000-4000-8000-000000000000", "a b", "ключ", "x" * 5000])
def test_with_a_wrong_key(rest: Rest, key: str) -> None:
    assert error_of(Caller(key).get("/api/projects"))[:2] == (401, "not_signed_in")


def test_with_another_scheme(rest: Rest) -> None:
    assert error_of(Caller("", {"Authorization": "Basic b3dlbjp4"}).get("/api/projects"))[0] == 401


def test_a_deactivated_persons_key_works_no_more(rest: Rest) -> None:
    rest.people["owen"].is_active = False
    rest.people["owen"].save()
    assert error_of(rest.owen.get("/api/projects"))[0] == 401


def test_a_session_reads_and_needs_the_csrf_token_to_write(rest: Rest) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(rest.people["owen"], backend="studio.accounts.sessions.People")
    assert browser.get("/api/projects").status_code == 200
    body = json.dumps({"name": "translate"})
    refused = browser.post("/api/projects", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    token = "a" * 32
    browser.cookies[settings.CSRF_COOKIE_NAME] = token
    made = browser.post(
        "/api/projects", body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert made.status_code == 200


def test_a_post_without_any_sign_in_is_401_and_not_about_csrf(rest: Rest) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/api/projects", "{}", content_type="application/json").status_code == 401


# The tenant


@pytest.mark.parametrize("spelling", ["research", "RESEARCH", "%72esearch"])
def test_the_header_chooses_the_tenant(rest: Rest, spelling: str) -> None:
    answer = rest.olga.in_tenant(spelling).get("/api/tenant")
    assert answer.json["data"]["tenant_name"] == "research"


def test_the_tenant_by_id_and_by_cookie(rest: Rest) -> None:
    wanted = str(rest.tenants["research"].pk)
    assert rest.olga.in_tenant(wanted).get("/api/tenant").json["data"]["tenant_id"] == wanted
    browser = Client(headers={"Authorization": f"Bearer {rest.keys['olga']}"})
    browser.cookies["tenant"] = "research"
    assert browser.get("/api/tenant").json()["data"]["tenant_name"] == "research"


def test_without_one_it_is_the_default_tenant(rest: Rest) -> None:
    assert rest.oskar.get("/api/tenant").json["data"]["tenant_name"] == "research"


@pytest.mark.parametrize("wanted", ["research", "nowhere", "x" * 500, "00000000-0000-4000-8000-000000000000"])
def test_a_tenant_that_is_not_ones_own_is_404(rest: Rest, wanted: str) -> None:
    status, code, fields = error_of(rest.owen.in_tenant(wanted).get("/api/projects"))
    assert (status, code, list(fields)) == (404, "not_found", ["tenant"])


# Addresses and methods


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/projects/", "/api/projects/a/b/c"])
def test_an_unknown_address_is_404_in_our_shape(rest: Rest, path: str) -> None:
    assert error_of(rest.owen.get(path)) == (404, "not_found", {})
    assert error_of(rest.owen.post(path, {}))[0] == 404


def test_a_method_that_is_not_possible_names_those_that_are(rest: Rest) -> None:
    answer = rest.owen.delete("/api/projects")
    assert error_of(answer) == (405, "method_not_allowed", {})
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}


# Bodies


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "line 1, column 2"),
        ('{"name": "a",}', "line 1"),
        ("nonsense", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ("[" * 100_000, "not JSON"),
        ('{"name": NaN}', "NaN is not a JSON number"),
        ('{"name": ' + "9" * 5000 + "}", "not JSON"),
        ('{"name": "\\u0000"}', "cannot be stored"),
        ('{"name": "\\ud800"}', "cannot be stored"),
        ('{"name": "a", "description": {"\\u0000": 1}}', "cannot be stored"),
        ("[1]", "a JSON object"),
        ('"text"', "a JSON object"),
        ("null", "a JSON object"),
        ("", "a JSON object"),
    ],
)
def test_a_broken_body_is_400_and_says_what_is_wrong(rest: Rest, body: str | bytes, words: str) -> None:
    answer = rest.owen.post("/api/projects", body)
    assert error_of(answer)[:2] == (400, "invalid")
    assert words in answer.json["message"]


def test_a_missing_and_a_misspelled_field_are_named(rest: Rest) -> None:
    answer = rest.owen.post("/api/projects", {"nmae": "translate"})
    assert error_of(answer) == (
        400,
        "invalid",
        {"name": "name is missing.", "nmae": "There is no field nmae."},
    )


def test_a_field_of_the_wrong_kind_is_named(rest: Rest) -> None:
    answer = rest.owen.post("/api/projects", {"name": ["translate"]})
    assert error_of(answer)[2] == {"name": "name: input should be a valid string."}


def test_a_huge_body_is_413(rest: Rest) -> None:
    body = json.dumps({"name": "a", "description": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)})
    assert error_of(rest.owen.post("/api/projects", body))[:2] == (413, "too_large")


@pytest.mark.parametrize("path", ["/api/projects/%00", "/api/projects?name=%00", "/api/models/%00"])
def test_nul_characters_in_an_address(rest: Rest, path: str) -> None:
    assert error_of(rest.owen.get(path))[0] == 400


# Our own failures


def test_an_unexpected_failure_is_500_without_a_traceback_and_logged(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure, log = RuntimeError("a secret detail"), Mock()
    monkeypatch.setattr(selectors, "visible", Mock(side_effect=failure))
    monkeypatch.setattr(json_api, "log", log)
    answer = rest.owen.get("/api/projects")
    assert error_of(answer)[:2] == (500, "internal")
    assert answer.headers["X-Request-Id"] in answer.json["message"]
    assert "secret detail" not in json.dumps(answer.json)
    assert log.error.call_args.kwargs["exc_info"] is failure


# Lists


@pytest.fixture
def five(rest: Rest) -> Iterator[list[str]]:
    names = ["Alpha", "alpha 2", "beta", "Gamma", "delta"]
    for name in names:
        Project.objects.create(
            tenant=rest.tenants["default"],
            owner=rest.people["owen"],
            name=name,
            created_at=NOW,
            updated_at=NOW,
        )
    return sorted(names)


def test_pages_join_without_a_gap_or_a_repeat(rest: Rest, five: list[str]) -> None:
    names: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        answer = rest.owen.get("/api/projects", limit=2, **cursor)
        names += [each["name"] for each in answer.json["projects"]]
        cursor = {"cursor": answer.json["next"]}
    assert answer.json["next"] is None
    assert sorted(names) == five
    whole = rest.owen.get("/api/projects").json
    assert [each["name"] for each in whole["projects"]] == names
    assert whole["next"] is None


def test_what_is_added_meanwhile_shifts_nothing(rest: Rest, five: list[str]) -> None:
    first = rest.owen.get("/api/projects", limit=2).json
    rest.owen.post("/api/projects", {"name": "AAA"})
    rest_of_it = rest.owen.get("/api/projects", cursor=first["next"]).json
    names = [each["name"] for each in first["projects"] + rest_of_it["projects"]]
    assert sorted(names) == five


@pytest.mark.parametrize("limit", [0, -1, 1001, "many"])
def test_a_limit_out_of_range(rest: Rest, limit: object) -> None:
    assert list(error_of(rest.owen.get("/api/projects", limit=limit))[2]) == ["limit"]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "W10", "WyJhIl0", "WyJhIiwiYiJd", "bnVsbA", "W251bGwsbnVsbF0", "WyJcdTAwMDAiLCJiIl0", "ü"],
)
def test_a_cursor_that_no_list_gave(rest: Rest, cursor: str) -> None:
    assert error_of(rest.owen.get("/api/projects", cursor=cursor))[0] == 400


# The document


def test_the_openapi_document_and_its_page(rest: Rest) -> None:
    document = rest.nobody.get("/api/openapi.json")
    assert document.status == 200
    # That every verb is in it, tests/doors/test_three_doors.py holds.
    assert {"/api/tenants", "/api/endpoints/{endpoint}"} <= set(document.json["paths"])
    page = Client().get("/api/docs").content.decode()
    assert "/api/openapi.json" in page
    assert "https://" not in page


def test_every_field_and_parameter_is_described_and_every_operation_says_why_it_is_refused(
    rest: Rest,
) -> None:
    document = rest.nobody.get("/api/openapi.json").json
    lacking = [
        f"{shape}.{field}"
        for shape, schema in document["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if not told.get("description")
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            lacking += [where] if not operation.get("summary") else []
            lacking += [
                f"{where} {each['name']}" for each in operation.get("parameters", []) if not described(each)
            ]
            refusals = {status: told for status, told in operation["responses"].items() if status != "200"}
            lacking += [where] if not {"400", "401", "403", "404"} <= refusals.keys() else []
            lacking += [
                f"{where} {status}"
                for status, told in refusals.items()
                if "example" not in told["content"]["application/json"]
            ]
    assert lacking == [], "say it there or in studio/json_docs.py"


def described(parameter: dict[str, Any]) -> bool:
    return bool(parameter.get("description") or parameter["schema"].get("description"))


def test_no_two_shapes_have_one_name_for_the_document_would_show_one_of_them() -> None:
    def below(kind: type[Schema]) -> list[type[Schema]]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    ours = {
        each for each in below(Schema) if each.__module__.endswith((".api", ".shapes", ".watching", "docs"))
    }
    names = Counter(each.__name__ for each in ours)
    assert {name for name, many in names.items() if many > 1} == set()


@pytest.mark.parametrize("change", [{"name": 1}, {"more": "x"}, {"instances": "1"}, {"time_updated": None}])
def test_an_answer_that_is_not_as_described_is_noticed(
    rest: Rest, hub: Model, demo: Project, change: Any
) -> None:
    wish = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
    answer = rest.owen.post("/api/endpoints", wish).json
    with pytest.raises((ValidationError, AssertionError)):
        check_described("POST", "api/endpoints", answer | change)
    with pytest.raises((ValidationError, AssertionError)):
        check_described("POST", "api/endpoints", {name: answer[name] for name in answer if name != "name"})
