"""What every answer says to browsers and to nobody else: frames, sniffing, caches, cookies, redirects, errors."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.db import transaction

from endpoints.models import Endpoint
from studio.projects import views
from studio.projects.models import Project
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import CANARY, Siege
from tests.doors.attacks.test_forgery import address_of, sign_in
from tests.doors.test_headers import lacking

EVIL = (
    "//evil.example", "///evil.example", "https://evil.example", "https:evil.example", "http:///evil.example",
    "\\\\evil.example", "/\\evil.example", "javascript:alert(1)", "data:text/html,x", "\t//evil.example",
    "https://testserver@evil.example", "https://testserver.evil.example", "//testserver\\@evil.example",
    "/%09/evil.example",
)  # fmt: skip
WHERE_TO = ("Location", "HX-Location", "HX-Redirect", "HX-Push-Url", "HX-Replace-Url")
ALLOWED = {"", "testserver"}


def answers(siege: Siege, person: str) -> Any:
    """What owen gets at every address, as a page and as a part of one; otto in the administration; nobody elsewhere."""
    browser = siege.browser(person)
    for address in walk.addresses():
        if address.route.endswith("/watch") or address.is_admin is not (person == "otto"):
            continue  # a stream: see tests/doors/rest/test_watching.py
        if not address.slots or person:
            at = address_of(address, siege)
            yield at, browser.get(at)
            if not address.is_api and not address.is_admin:
                yield at, browser.get(at, headers={"HX-Request": "true"})


@pytest.mark.parametrize("person", ["", "owen", "otto"])
def test_every_answer_forbids_frames_guesses_and_copies(siege: Siege, person: str) -> None:
    for at, answer in answers(siege, person):
        assert lacking(answer) == [], at
        assert "no-store" in answer.headers.get("Cache-Control", ""), at
        assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & {*answer.headers}, at


def test_cookies_stay_with_the_browser_that_got_them(siege: Siege, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.SECURE = True
    browser = siege.browser("")
    browser.get("/sign-in/", secure=True)
    sign_in(browser, secure=True, headers={"Referer": "https://testserver/sign-in/"})
    tenant = siege.world.tenants["default"]
    for path, typed in (("/tenant/", {"tenant": str(tenant.pk)}), ("/theme/", {"theme": "dark"})):
        browser.post(path, typed, secure=True)
    session, token = django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME
    assert {session, token, "tenant", "theme"} <= {*browser.cookies}
    for name, cookie in browser.cookies.items():
        assert cookie["secure"], name
        assert cookie["samesite"] == "Lax", name
        assert cookie["domain"] == "", name
        assert bool(cookie["httponly"]) is (name != "csrftoken"), (
            name
        )  # that one the pages' script sends back


# ----- where one is sent ----------------------------------------------------------------------------------


NAMES = (
    "next",
    "back",
    "return",
    "return_to",
    "redirect",
    "redirect_to",
    "url",
    "to",
    "continue",
    "from",
    "here",
)


def test_nobody_is_sent_elsewhere(siege: Siege) -> None:
    """Whatever an address or a form names as the place to go on, and whatever page it says it comes from."""
    typed = {"username": "owen", "password": "wrong", "theme": "dark", "tenant": siege.theirs["tenant"]}
    headers = {"HX-Request": "true", "HX-Current-URL": EVIL[0], "Referer": EVIL[2]}
    for number, address in enumerate(each for each in walk.pages() if not each.slots):
        at = address_of(address, siege)
        wanted = {name: EVIL[(number + place) % len(EVIL)] for place, name in enumerate(NAMES)}
        browser = siege.browser("owen")
        assert_at_home(browser.get(at, wanted), at)
        assert_at_home(browser.post(at, typed | wanted, headers=headers), at)
        assert_at_home(browser.post(at, typed | wanted), at)


@pytest.mark.parametrize("evil", EVIL)
def test_the_theme_leads_back_into_the_pages_only(siege: Siege, evil: str) -> None:
    assert_at_home(siege.browser("owen").post("/theme/", {"theme": "dark", "next": evil}), "/theme/")


@pytest.mark.parametrize("evil", EVIL)
def test_signing_in_and_out_leads_home(siege: Siege, evil: str) -> None:
    browser = siege.browser("")
    for at in ("/sign-in/", "/admin/login/"):
        page = browser.get(at, {"next": evil})
        assert page.status_code in (200, 302)
        assert_at_home(page, at)
        answer = browser.post(at, {"username": "otto", "password": "correct-horse-battery", "next": evil})
        assert answer.status_code == 302
        assert_at_home(answer, at)
        assert_at_home(browser.post("/sign-out/", {"next": evil}), "/sign-out/")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/projects",
        "//evil.example/",
        "/%2f%2fevil.example/projects",
        "/\\evil.example/projects",
    ],
)
def test_a_slash_that_is_added_leads_nowhere_else(siege: Siege, path: str) -> None:
    for person in ("", "owen"):
        assert_at_home(siege.browser(person).get(path), path)


def assert_at_home(answer: Any, at: str) -> None:
    for name in WHERE_TO:
        place = answer.headers.get(name, "").replace("\\", "/").strip()
        assert urlsplit(place).netloc in ALLOWED, (at, name, place)
        assert urlsplit(place).scheme in ("", "http", "https"), (at, name, place)
        assert not re.match(r"[/\\\s]{2}", answer.headers.get(name, "")), (at, name, place)
    if answer.headers.get("Content-Type", "").startswith("text/html") and not answer.streaming:
        for link in re.findall(
            r'\s(?:href|action|src|formaction|hx-get|hx-post)="([^"]*)"', walk.text_of(answer)
        ):
            assert urlsplit(link.replace("\\", "/")).netloc in ALLOWED, (at, link)
            assert urlsplit(link).scheme in ("", "http", "https", "mailto"), (at, link)


# ----- headers made of names ------------------------------------------------------------------------------

LINES = "a\r\nSet-Cookie: stolen=1\r\n\r\n<script>"


def test_no_name_writes_a_header(siege: Siege) -> None:
    """Rows with names that no service lets through, in everything that answers with them in a header."""
    name = f"{LINES} ünï☃\u2028"[:63]
    Endpoint.objects.filter(pk=siege.theirs["endpoint"]).update(name=name)
    Project.objects.filter(pk=siege.theirs["project"]).update(name=name)
    owen, seen = siege.browser("owen"), 0
    for address in walk.doors():
        at = address_of(address, siege)
        for headers in ({}, {"HX-Request": "true", "HX-Current-URL": f"http://testserver{at}"}):
            with transaction.atomic():  # what it did is undone for the next
                answer = owen.post(at, {"description": name, "name": "x"}, headers=headers)
                transaction.set_rollback(True)
            assert answer.status_code < 500, at
            assert "stolen" not in answer.cookies, at
            for header, value in answer.headers.items():
                assert not re.search(r"[\r\n\0]", value), (at, header)
                assert value.isascii(), (at, header)
                seen += header == "HX-Trigger" and "Set-Cookie" in value
            json.loads(answer.headers.get("HX-Trigger", "{}"))
    assert seen  # a notice did carry the name


@pytest.mark.parametrize(
    "said",
    ["short", "x" * 65, "a\r\nset-cookie: b=c", "ünï-request", "<script>alert</script>", "a b c d e f"],
)
def test_a_request_id_that_is_none_is_replaced(siege: Siege, said: str) -> None:
    answer = siege.browser("owen").get("/projects/", headers={"X-Request-Id": said})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["X-Request-Id"])


# ----- what is not there, and what broke ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/", "/static/css/", "/static/../studio/settings.py", "/static/%2e%2e/studio/settings.py",
        "/static/css/..%2f..%2fmanage.py", "/static//etc/passwd", "/static/css/base.css/", "/static/.env",
        "/.git/config",
        "/manage.py", "/var/secrets/secret_key", "/admin/../studio/settings.py", "/api/../studio/settings.py",
        "/debug", "/__debug__/", "/server-status", "/metrics", "/static/css/base.css%00.html",
    ],
)  # fmt: skip
def test_nothing_lies_about(siege: Siege, path: str) -> None:
    answer = siege.browser("owen").get(path)
    assert answer.status_code in (302, 400, 404)
    assert "SECRET_KEY" not in walk.text_of(answer)


def test_what_is_not_there_tells_nothing(siege: Siege) -> None:
    for client in (siege.browser(""), siege.browser("owen")):
        page = walk.text_of(client.get("/nothing/here/"))
        assert_tells_nothing(page)


def test_what_broke_tells_nothing(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*args: object, **more: object) -> None:
        secret = f"{CANARY} in a local variable"
        raise RuntimeError(f"broke with {secret}")

    monkeypatch.setattr(views.selectors, "listed", breaks)  # which the page shows
    monkeypatch.setattr(views.selectors, "visible", breaks)  # which the answer to a program begins with
    for client, path in ((siege.browser("owen"), "/projects/"), (siege.caller("owen"), "/api/projects")):
        answer = client.get(path)
        assert answer.status_code == 500
        assert_tells_nothing(walk.text_of(answer))
        assert answer.headers["X-Frame-Options"] == "DENY"


def assert_tells_nothing(page: str) -> None:
    for word in (
        CANARY,
        "Traceback",
        "RuntimeError",
        "Django",
        "django.",
        "settings",
        "site-packages",
        str(django_settings.BASE_DIR),
        "urlpatterns",
    ):
        assert word not in page, word
