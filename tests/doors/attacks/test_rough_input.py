"""Input that is rough, huge or deep: it is refused or taken for nothing, and web neither breaks nor drowns in it.

PostgreSQL minds what SQLite does not: these say the most under `make postgres`.
"""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.test import Client

from studio.bounds import MOST_BODY, BoundedBodies
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import Siege
from tests.doors.attacks.test_forgery import address_of

ROUGH = (
    "\0", "%ed%a0%80", "9" * 5000, "٣１", "%", "nan", "1e999", "-1", "[" * 3000, "W1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tb",
    "x" * 9000, "ｓn40l-1\u202e\u200b", "0", "../../etc/passwd", "'; DROP TABLE x; --", "a\r\nb",
)  # fmt: skip
NAMES = (
    "tab", "part", "cursor", "key", "reveal", "range", "generation", "state", "search", "app", "field", "architecture",
    "owner", "use", "next", "show", "limit", "name", "status", "arch", "model", "deleted", "project", "spec_version",
    "since", "until", "model_checkpoint", "ml_app", "instances", "rdu_arch", "parameters_of", "token", "tenant",
    "theme", "username", "password", "description", "endpoint_name", "expires_at", "updated_at", "seen", "width",
    "address", "parameter.model_parallel_rdus", "requests_per_minute", "experts", "parallel", "_selected_action",
    "action", "q", "o", "p",
)  # fmt: skip
TURNS = (0, pytest.param(1, marks=pytest.mark.soak))


def rough(number: int) -> str:
    return ROUGH[number % len(ROUGH)]


def encoded(value: str) -> str:
    return value if value.startswith("%e") else quote(value)


@pytest.mark.parametrize("turn", TURNS)
def test_no_page_breaks_on_a_rough_address_or_form(siege: Siege, turn: int) -> None:
    """Each turn gives each name another roughness; to the tab that reads most, its own."""
    olga = siege.browser("olga")
    for number, address in enumerate(walk.doors(), 5 * turn):
        at = address_of(address, siege)
        typed = {name: rough(number + place) for place, name in enumerate(NAMES)}
        query = "&".join(f"{name}={encoded(value)}" for name, value in typed.items() if name != "tab")
        for words in (query, f"tab=usage&key={encoded(rough(number))}"):
            assert olga.get(f"{at}?{words}", headers={"HX-Request": "true"}).status_code < 500, (
                at,
                words[:200],
            )
        assert olga.post(at, typed).status_code < 500, at


@pytest.mark.parametrize("turn", TURNS)
def test_no_name_in_an_address_breaks_a_page(siege: Siege, turn: int) -> None:
    otto = siege.browser("otto")
    for number, address in enumerate(walk.addresses(), 5 * turn):
        for place, slot in enumerate(address.slots):
            filled = dict.fromkeys(address.slots, "1") | siege.theirs | {slot: encoded(rough(number + place))}
            assert otto.get(address.filled(filled)).status_code < 500, address.route


def test_no_cookie_breaks_a_page(siege: Siege) -> None:
    """Cookies may spell any sign with its number, and so may carry one that no header does."""
    cookies = (django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME)
    for name in ("tenant", "theme", "messages", *cookies):
        for value in ('"' + r"\000" * 9 + '"', r'"\355\240\200"', "%00", "x" * 4000, '"', "[1,2"):
            owen = siege.browser("owen")
            brought = {each.key: each.value for each in owen.cookies.values()} | {name: value}
            said = "; ".join(f"{key}={word}" for key, word in brought.items())
            answer = Client(raise_request_exception=False).get("/projects/", headers={"Cookie": said})
            assert answer.status_code < 500, (name, value[:80])


@pytest.mark.parametrize("turn", TURNS)
def test_no_operation_breaks_on_a_rough_value(siege: Siege, turn: int) -> None:
    """One field after the other; `make fuzz` goes further."""
    owen = siege.caller("owen")
    known = {"project": siege.theirs["project"], "model_checkpoint": "Help", "endpoint_name": "rough"}
    for number, operation in enumerate(walk.operations(), 5 * turn):
        if operation.path.endswith("/watch"):
            continue
        at = operation.filled(siege.theirs)
        query = "&".join(
            f"{name}={encoded(rough(number + place))}" for place, name in enumerate(operation.query)
        )
        assert owen.generic(operation.method, f"{at}?{query}").status_code < 500, operation
        for place, name in enumerate(operation.fields):
            value = rough(number + place)
            for wrong in (value, {"model_parallel_rdus": value}) if name == "hyperparams" else (value,):
                body = json.dumps((operation.least_body(known) or {}) | {name: wrong})
                answer = owen.generic(operation.method, at, body, "application/json")
                assert answer.status_code < 500, (operation, name, value[:80])


@pytest.mark.parametrize("depth", [100, 850, 100_000])
def test_a_body_that_is_deep_is_refused(siege: Siege, depth: int) -> None:
    owen, deep = siege.caller("owen"), "[" * depth + "]" * depth
    wish = {"project": siege.theirs["project"], "endpoint_name": "deep", "model_checkpoint": "Help"}
    inner = json.dumps(wish | {"hyperparams": f'{{"model_parallel_rdus": {deep}}}'})
    outer = json.dumps(wish | {"hyperparams": {"model_parallel_rdus": 0}}).replace("0}", f"{deep}}}")
    for body in (f'{{"name": {deep}}}', inner, outer, deep):
        for headers in ({}, {"Idempotency-Key": f"deep-{depth}"}):
            answer = owen.post("/api/endpoints", body, "application/json", headers=headers)
            assert answer.status_code == 400
            assert answer.json()["code"] == "invalid"


def test_a_form_with_thousands_of_fields_is_refused(siege: Siege) -> None:
    typed = {f"field{number}": "x" for number in range(1500)}
    assert siege.browser("owen").post("/projects/new/", typed).status_code == 400


# ----- bodies without end ---------------------------------------------------------------------------------


class Flood:
    """A client that sends until it is stopped, and what it is answered."""

    def __init__(self, part: int, *headers: tuple[bytes, bytes]) -> None:
        self.sent, self.said, self._part = 0, [], b"x" * part
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/sign-in/",
            "raw_path": b"/sign-in/",
            "query_string": b"",
            "headers": [
                (b"host", b"localhost"),
                (b"content-type", b"multipart/form-data; boundary=x"),
                *headers,
            ],
        }

    async def receive(self) -> dict[str, Any]:
        self.sent += len(self._part)
        return {"type": "http.request", "body": self._part, "more_body": True}

    async def send(self, message: Any) -> None:
        self.said.append(message.get("status", message.get("body")))


async def test_a_body_without_end_is_stopped_before_it_fills_the_disk(db: None) -> None:
    """Whoever sends it: it is before anybody is asked who they are."""
    flood = Flood(2**16)
    await BoundedBodies(get_asgi_application())(flood.scope, flood.receive, flood.send)
    assert flood.said[0] == 413
    assert json.loads(flood.said[1])["code"] == "too_large"
    assert len(flood.said) == 2
    assert flood.sent <= MOST_BODY + 2**17


@pytest.mark.parametrize("length", [MOST_BODY + 1, 10**30])
async def test_a_body_that_says_it_is_too_large_is_not_read(db: None, length: int) -> None:
    flood = Flood(2**16, (b"content-length", b"%d" % length))
    await BoundedBodies(get_asgi_application())(flood.scope, flood.receive, flood.send)
    assert (flood.said[0], flood.sent) == (413, 0)
