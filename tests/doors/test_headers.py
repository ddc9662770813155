"""What tells browsers to be careful, on every answer: each address there is, files, and each kind of error."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from studio.assets import address
from studio.env import SECRETS
from studio.tenants.models import User
from tests.doors.test_operators import signed_in
from tests.support.cast import Cast
from tests.support.environment import of_a_newcomer

ROOT = Path(__file__).parents[2]
SAMPLES = {"int": "1", "uuid": str(uuid.uuid4()), "path": "x/y"}
STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}


def addresses(resolver: Any, before: str = "/") -> Iterator[str]:
    for each in resolver.url_patterns:
        here = before + written(each)
        if isinstance(each, URLResolver):
            yield from addresses(each, here)
        elif isinstance(each, URLPattern):
            yield here


def written(pattern: Any) -> str:
    """An address that fits. Regular expressions are the administration's: a label, or anything at all."""
    if isinstance(pattern.pattern, RoutePattern):
        return re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES.get(found[1], "x"), str(pattern.pattern))
    return "scheduler/" if "app_label" in str(pattern.pattern) else "nowhere"


ADDRESSES = sorted(set(addresses(get_resolver())))


def lacking(answer: Any) -> list[str]:
    """What is missing or wrong on it."""
    policy = dict(
        part.strip().split(" ", 1) for part in answer.get("Content-Security-Policy", "x y").split(";")
    )
    expected = {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    wrong = [name for name, value in expected.items() if answer.get(name) != value]
    return wrong + ([] if policy == STRICT else ["Content-Security-Policy"])


@pytest.fixture
def olga(cast: Cast) -> Client:
    User.objects.filter(username="olga").update(is_staff=True)
    return signed_in(User.objects.get(username="olga"))


def test_there_are_addresses_of_every_door() -> None:
    for door in (
        "/admin/scheduler/node/",
        "/api/endpoints",
        "/projects/",
        "/sign-in/",
        "/healthz",
        "/favicon.ico",
    ):
        assert door in ADDRESSES


def test_every_address_tells_browsers_to_be_careful(db: None) -> None:
    """What those are told who have signed in: tests/doors/attacks/test_answers.py."""
    client = Client()
    found = {at: lacking(client.get(at)) for at in ADDRESSES}
    assert {at: wrong for at, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("at", ["/static/css/door.css", "/static/admin/css/base.css", address("studio.js")])
def test_files_do_too(client: Client, db: None, at: str) -> None:
    answer = client.get(at)
    assert answer.status_code == 200
    assert lacking(answer) == []


def test_errors_do_too(cast: Cast, olga: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast.users["owen"])
    otto = signed_in(cast.users["otto"])
    olga.raise_request_exception = False
    answers = {
        "no such page": (404, olga.get("/nowhere/at/all")),
        "no such file": (404, olga.get("/static/nothing.css")),
        "no such operation": (404, olga.get("/api/nowhere")),
        "another host": (400, olga.get("/projects/", headers={"host": "evil.example.com"})),
        "a form of elsewhere": (403, strict.post("/sign-out/")),
        "not theirs": (403, otto.get("/admin/endpoints/endpoint/")),
        "not so": (405, olga.get("/sign-out/")),
        "without a key": (401, Client().get("/api/endpoints")),
    }
    monkeypatch.setattr("studio.desk.site.matters", lambda now: 1 / 0)
    answers["a fault of ours"] = (500, olga.get("/admin/"))
    for name, (status, answer) in answers.items():
        assert answer.status_code == status, name
        assert lacking(answer) == [], name


def test_nobody_is_told_to_use_https_by_a_platform_on_http(client: Client, db: None) -> None:
    answer = client.get("/sign-in/")
    assert "Strict-Transport-Security" not in answer
    assert django_settings.SECURE is False


def test_behind_https_everything_is_https(client: Client, db: None, settings: Any) -> None:
    """As settings are with STUDIO_URL=https://…: plain HTTP goes over, health is asked on the machine itself."""
    settings.SECURE_SSL_REDIRECT = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    plain = client.get("/sign-in/")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/sign-in/")
    assert lacking(plain) == []
    assert client.get("/healthz").status_code == 200
    forwarded = client.get("/sign-in/", secure=True)
    assert forwarded["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    ("url", "warnings"),
    [
        ("https://studio.example.com", set()),
        # Without TLS there is nothing to redirect to, and secure cookies would keep everybody out.
        ("http://127.0.0.1:8000", {"W004", "W008", "W011", "W016"}),
    ],
)
def test_djangos_own_check_of_a_deployment(tmp_path: Path, url: str, warnings: set[str]) -> None:
    """With secrets of this run's making."""
    own = {
        name: value for name, value in os.environ.items() if name.removeprefix("STUDIO_").lower() in SECRETS
    }
    told = {**of_a_newcomer(), **own, "STUDIO_DATA_DIR": str(tmp_path), "STUDIO_URL": url}
    told["STUDIO_ALLOWED_HOSTS"] = "studio.example.com"
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    checked = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    assert set(re.findall(r"security\.(W\d+)", checked.stderr)) == warnings
    assert checked.returncode == (1 if warnings else 0), checked.stderr
