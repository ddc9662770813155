"""Requests that pretend: another tenant, another site's page, another host, somebody else's session."""

import hmac
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studio import keyring
from studio.tenants.models import PlatformKey
from tests.browser.world import PASSWORD
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import CANARY, NOWHERE, Siege

EVIL = "https://evil.example"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def address_of(address: walk.Address, siege: Siege) -> str:
    return address.filled({slot: siege.theirs.get(slot, NOWHERE) for slot in address.slots})


# ----- the tenant -----------------------------------------------------------------------------------------

FOREIGN = ("{tenant}", "default", "DEFAULT", "%64efault", "default,research", "research, default")


@pytest.mark.parametrize("wanted", FOREIGN)
@pytest.mark.parametrize("place", ["header", "cookie"])
def test_a_tenant_that_one_is_not_in_is_no_way_into_it(siege: Siege, wanted: str, place: str) -> None:
    """By REST it is refused; a page shows one's own instead, since a cookie may be an old one."""
    wanted = wanted.format(**siege.theirs)
    for oskar in (siege.caller("oskar"), siege.browser("oskar")):
        headers = {"tenant": wanted} if place == "header" else {}
        if place == "cookie":
            oskar.cookies["tenant"] = wanted
        for path in ("/api/tenant", "/api/projects", "/api/endpoints", "/api/events", "/", "/projects/"):
            answer = oskar.get(path, headers=headers)
            assert CANARY not in walk.text_of(answer), path
            assert answer.status_code in (200, 302, 404), path
        created = oskar.post("/api/projects", {"name": "mine"}, "application/json", headers=headers)
        assert created.status_code in (200, 404, 409)
        if created.status_code == 200:
            assert created.json()["tenant_name"] == "research"


def test_the_header_decides_over_the_cookie_and_several_are_none(siege: Siege) -> None:
    olga = siege.caller("olga")
    olga.cookies["tenant"] = "default"
    assert olga.get("/api/tenant", headers={"tenant": "research"}).json()["data"]["tenant_name"] == "research"
    assert olga.get("/api/tenant", headers={"tenant": "research,default"}).status_code == 404


def test_the_switch_leads_into_ones_own_tenants_only(siege: Siege) -> None:
    oskar = siege.browser("oskar")
    for wanted in (siege.theirs["tenant"], "default", "", "\0", "x" * 5000):
        answer = oskar.post("/tenant/", {"tenant": wanted})
        assert (answer.status_code, answer.cookies.get("tenant")) == (404, None)


@pytest.mark.parametrize(
    "name", ["X-Tenant", "Actor", "X-User", "Remote-User", "X-Remote-User", "X-Original-URL"]
)
def test_no_header_makes_somebody_of_nobody(siege: Siege, name: str) -> None:
    answer = siege.browser("").get("/api/projects", headers={name: "olga"})
    assert answer.status_code == 401


def test_what_a_client_says_of_its_way_here_is_not_believed_before_the_fronts_word(siege: Siege) -> None:
    """The front replaces these headers; of several words the last is that of whoever stands next to web."""
    owen = siege.browser("owen")
    address = {"X-Forwarded-For": "6.6.6.6, 127.0.0.1", "X-Forwarded-Host": "evil.example"}
    owen.post("/projects/new/", {"name": "seen"}, headers=address)
    event = walk.rows_now()["audit.event"]
    assert [row["address"] for row in event.values() if row["thing_name"] == "seen"] == ["127.0.0.1"]
    assert (
        owen.post("/projects/new/", {"name": "x"}, headers={"X-Forwarded-For": "6" * 5000}).status_code == 302
    )


def test_another_host_is_refused_and_never_repeated(siege: Siege) -> None:
    for host in (
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "[::1].evil.example",
        "a b",
    ):
        answer = siege.browser("owen").get("/projects/", headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in walk.text_of(answer)


# ----- forms of other sites -------------------------------------------------------------------------------

FORGED = {
    "no token": {},
    "a wrong token": {"X-CSRFToken": "b" * 32},
    "the right token from another site": {"X-CSRFToken": "{token}", "Origin": EVIL},
    "the right token from nowhere": {"X-CSRFToken": "{token}", "Origin": "null"},
}


every_forgery = pytest.mark.parametrize(
    "forged",
    ["no token", *(pytest.param(each, marks=pytest.mark.soak) for each in FORGED if each != "no token")],
)


@pytest.mark.parametrize("forged", FORGED)
def test_each_forgery_is_refused(siege: Siege, forged: str) -> None:
    """Without any token, by every page and operation: below; with one of each kind, there too in `make soak`."""
    token = "a" * 32
    headers = {name: value.format(token=token) for name, value in FORGED[forged].items()}
    owen = siege.browser("owen", enforce_csrf_checks=True)
    owen.cookies[django_settings.CSRF_COOKIE_NAME] = token
    before = walk.rows_now()
    assert owen.post("/projects/new/", {"name": "forged"}, headers=headers).status_code == 403
    body = owen._encode_json({"name": "forged"}, "application/json")
    assert owen.generic("POST", "/api/projects", body, "text/plain", headers=headers).status_code == 403
    assert walk.changes(before, walk.rows_now()) == []


@every_forgery
def test_no_page_acts_on_a_forged_form(siege: Siege, forged: str) -> None:
    """Every address, whether it takes forms or not, and sign-in and sign-out, too."""
    token = "a" * 32
    headers = {name: value.format(token=token) for name, value in FORGED[forged].items()}
    owen = siege.browser("owen", enforce_csrf_checks=True)
    owen.cookies[django_settings.CSRF_COOKIE_NAME] = token
    before = walk.rows_now()
    for address in walk.addresses():
        if not address.is_api and not (address.is_admin and headers):
            answer = owen.post(address_of(address, siege), headers=headers)
            assert (address.route, answer.status_code) == (address.route, 403)
    assert walk.changes(before, walk.rows_now()) == []


@every_forgery
def test_no_operation_acts_on_a_forged_request_of_a_session(siege: Siege, forged: str) -> None:
    token = "a" * 32
    headers = {name: value.format(token=token) for name, value in FORGED[forged].items()}
    owen = siege.browser("owen", enforce_csrf_checks=True)
    owen.cookies[django_settings.CSRF_COOKIE_NAME] = token
    before = walk.rows_now()
    for operation in walk.writes():
        body = operation.least_body({})
        content = "" if body is None else owen._encode_json(body, "application/json")
        # As the form of another site would send it, without asking first.
        answer = owen.generic(
            operation.method, operation.filled(siege.theirs), content, "text/plain", headers=headers
        )
        assert (str(operation), answer.status_code) == (str(operation), 403)
    assert walk.changes(before, walk.rows_now()) == []


@pytest.mark.parametrize(
    "referer", ["", EVIL, "http://testserver/projects/", "https://testserver.evil.example/"]
)
def test_over_https_the_page_that_sends_is_named_and_ours(siege: Siege, referer: str) -> None:
    token = "a" * 32
    owen = siege.browser("owen", enforce_csrf_checks=True)
    owen.cookies[django_settings.CSRF_COOKIE_NAME] = token
    headers = {"X-CSRFToken": token} | ({"Referer": referer} if referer else {})
    answer = owen.post("/projects/new/", {"name": "forged"}, secure=True, headers=headers)
    assert answer.status_code == 403
    good = owen.post(
        "/projects/new/",
        {"name": "meant"},
        secure=True,
        headers=headers | {"Referer": "https://testserver/projects/"},
    )
    assert good.status_code == 302


def test_a_platform_key_needs_no_token_and_a_session_beside_it_lends_it_nothing(siege: Siege) -> None:
    caller = siege.caller("oskar", enforce_csrf_checks=True)
    assert caller.post("/api/projects", {"name": "by key"}, "application/json").status_code == 200
    both = siege.browser("owen", enforce_csrf_checks=True)
    wrong = {"Authorization": f"Bearer {NOWHERE}"}
    assert both.post("/api/projects", {"name": "x"}, "application/json", headers=wrong).status_code == 401


# ----- sessions and passwords -----------------------------------------------------------------------------


def sign_in(client: Client, password: str = PASSWORD, name: str = "owen", **more: Any) -> Any:
    return client.post("/sign-in/", {"username": name, "password": password}, **more)


def test_a_session_from_before_is_none_after_the_sign_in(siege: Siege) -> None:
    """Neither one that was really there nor one that an attacker made up; and the token changes with it."""
    chosen, cookie = "chosenbytheattacker0000000000000", django_settings.SESSION_COOKIE_NAME
    browser = siege.browser("")
    browser.cookies[cookie] = chosen
    assert sign_in(browser).status_code == 302
    first, token = browser.cookies[cookie].value, browser.cookies[django_settings.CSRF_COOKIE_NAME].value
    sign_in(browser, name="mila")  # over the session of owen, without signing out
    browser.post("/sign-out/")
    sign_in(browser)
    keys = {chosen, first, browser.cookies[cookie].value}
    assert len(keys) == 3
    assert browser.cookies[django_settings.CSRF_COOKIE_NAME].value != token
    for old in (chosen, first):
        thief = siege.browser("")
        thief.cookies[cookie] = old
        assert thief.get("/projects/").status_code == 302


def test_a_session_that_was_ended_is_no_session(siege: Siege) -> None:
    cookie = django_settings.SESSION_COOKIE_NAME
    browser, thief = siege.browser("owen"), siege.browser("")
    thief.cookies[cookie] = browser.cookies[cookie].value
    assert thief.get("/projects/").status_code == 200
    browser.post("/sign-out/")
    assert thief.get("/projects/").status_code == 302


def test_the_sign_in_tells_nobody_who_there_is(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same page, and the same work: a hash is computed for a name that nobody has, too."""
    hashed: list[str] = []
    hasher = hashers.get_hasher()
    monkeypatch.setattr(
        type(hasher), "encode", lambda self, password, salt, *more: hashed.append(password) or "md5$x$x"
    )
    owen = siege.world.user("owen")
    owen.is_active = False
    owen.save()
    answers, work = [], []
    for name in ("mila", "nobody", "owen"):
        hashed.clear()
        answers.append(walk.told(sign_in(siege.browser(""), "wrong", name), name))
        work.append(hashed.count("wrong"))
    assert answers[0] == answers[1] == answers[2]
    assert work[0] == work[1] == work[2] > 0


# ----- keys -----------------------------------------------------------------------------------------------


def test_a_key_is_looked_for_by_its_peppered_digest_alone(siege: Siege) -> None:
    """By construction nothing compares a value with a stored one, so there is no time to measure."""
    value = siege.key("oskar")
    row = PlatformKey.objects.get(user__username="oskar")
    assert bytes(row.digest) == hmac.digest(keyring.key_pepper(), value.encode(), "sha256")
    assert not any(value in f"{found}" for table in walk.rows_now().values() for found in table.values())
    with CaptureQueriesContext(connection) as asked:
        assert Client(headers={"Authorization": f"Bearer {value}"}).get("/api/tenant").status_code == 200
    assert not any(value in query["sql"] for query in asked)
    for near in (value[:-1], value + "0", value.upper(), row.prefix, bytes(row.digest).hex(), "%"):
        answer = Client(headers={"Authorization": f"Bearer {near}"}).get("/api/tenant")
        assert answer.status_code == 401, near
