"""Your account: where one is signed in, the end of a session, and what every open page hears of it."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from studio.accounts.models import Session
from studio.accounts.rules import IDLE, LONGEST, MOST_SESSIONS
from studio.accounts.sessions import digest
from studio.audit.models import Event
from tests.browser.world import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


SAY_COOKIES = """
import json
from django.conf import settings as s
print(json.dumps([s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,
                  s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, s.SESSION_COOKIE_PATH,
                  s.SESSION_COOKIE_DOMAIN]))
"""


def signed_in(person, name="owen", agent=FIREFOX, address="192.0.2.1"):
    someone = person()
    someone.client.defaults |= {"HTTP_USER_AGENT": agent, "REMOTE_ADDR": address}
    assert someone.post("sign-in", username=name, password=PASSWORD).location == "/"
    return someone


def row_of(someone) -> Session:
    return Session.objects.get(digest=digest(key_of(someone)))


def key_of(someone) -> str:
    return someone.client.cookies["sessionid"].value


def is_in(someone) -> bool:
    return someone.get("projects").status == 200


def test_the_list_says_where_one_is_signed_in_and_marks_this_one(person):
    here, there = signed_in(person), signed_in(person, agent="curl/8", address="198.51.100.7")
    signed_in(person, "mila")
    page = here.get("account")
    assert page.text.count("Firefox on Linux") == page.text.count("This session") == 1
    assert "198.51.100.7" in page.text
    assert page.html.count("Sign out curl") == 1
    assert "192.0.2.1" in there.get("account", part=True).text


def test_a_session_that_is_ended_is_out_at_once_and_its_open_page_says_so(person):
    here, there = signed_in(person), signed_in(person, agent="curl/8")
    answer = here.post("session-end", row_of(there).id, part=True)
    assert (answer.status, answer.events["notice"]["text"]) == (204, "curl was signed out.")
    part = there.client.get("/projects/", headers={"HX-Request": "true"}, follow=True)
    assert (part.status_code, list(part.headers["HX-Trigger"].split('"')[1:2])) == (401, ["signed-out"])
    assert not is_in(there)
    assert is_in(here)
    assert "curl" not in here.get("account").text


def test_ending_this_one_is_signing_out(person):
    here = signed_in(person)
    assert here.post("session-end", row_of(here).id).location == "/sign-in/"
    assert not is_in(here)
    assert Session.objects.count() == 0


def test_nobody_ends_a_session_of_somebody_else(person):
    owens, milas = signed_in(person), signed_in(person, "mila")
    assert milas.post("session-end", row_of(owens).id).status == 404
    assert is_in(owens)


def test_signing_out_everywhere_ends_all_of_ones_own(person):
    here, there, milas = signed_in(person), signed_in(person), signed_in(person, "mila")
    assert "this one too" in here.get("sessions-end").text
    assert here.post("sessions-end", part=True).headers["HX-Redirect"] == "/sign-in/"
    assert [is_in(each) for each in (here, there, milas)] == [False, False, True]
    event = Event.objects.get(verb="sign out everywhere")
    assert (event.actor_name, event.changes) == ("owen", {"sessions": 2})


def test_a_changed_password_ends_the_others(person):
    here, there = signed_in(person), signed_in(person)
    before = row_of(here)
    typed = {"old": PASSWORD, "new": "another-good-one", "again": "another-good-one"}
    assert here.post("password", **typed).location == "/account/"
    assert [is_in(here), is_in(there)] == [True, False]
    after = row_of(here)
    assert (after.id, after.signed_in_at) == (before.id, before.signed_in_at)
    assert after.digest != before.digest
    assert Session.objects.filter(user__username="owen").count() == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!"}])
def test_a_deactivated_user_is_out_at_once(world, person, change):
    here = signed_in(person)
    user = world.user("owen")
    for name, value in change.items():
        setattr(user, name, value)
    user.save()
    assert not is_in(here)
    assert here.client.get("/api/projects").status_code == 401


@pytest.mark.parametrize(
    "ages", [{"last_seen_at": IDLE}, {"signed_in_at": LONGEST, "expire_date": timedelta(0)}]
)
def test_a_session_ends_by_itself_when_it_idled_or_is_old(person, ages):
    here = signed_in(person)
    now = datetime.now(UTC)
    Session.objects.update(**{name: now - age for name, age in ages.items()})
    assert not is_in(here)
    signed_in(person)
    assert Session.objects.count() == 1, "and its row goes with the next sign-in"


def test_last_seen_is_written_once_a_minute_and_not_for_a_page_that_refreshes_itself(person):
    here = signed_in(person)
    then = datetime.now(UTC) - timedelta(minutes=5)
    Session.objects.update(last_seen_at=then)
    here.client.get("/projects/", headers={"HX-Request": "true", "Unattended": "true"})
    assert row_of(here).last_seen_at == then
    assert is_in(here)
    seen = row_of(here).last_seen_at
    assert seen > then
    assert is_in(here)
    assert row_of(here).last_seen_at == seen


def test_too_many_sessions_end_the_longest_unused(person):
    first = signed_in(person)
    old = Session.objects.get()
    for number in range(MOST_SESSIONS - 1):
        Session.objects.create(
            digest=digest(f"key {number}"), user=old.user, session_data=old.session_data,
            signed_in_at=old.signed_in_at, last_seen_at=old.last_seen_at + timedelta(seconds=number + 1),
            expire_date=old.expire_date,
        )  # fmt: skip
    signed_in(person)
    assert Session.objects.count() == MOST_SESSIONS
    assert not is_in(first)


def test_the_database_holds_no_key_that_opens_anything(person):
    here = signed_in(person)
    told = repr(list(Session.objects.values()))
    assert key_of(here) not in told
    here.client.cookies["sessionid"] = row_of(here).digest
    assert not is_in(here)


def test_a_cookie_is_kept_from_scripts_and_other_sites(person):
    cookie = signed_in(person).client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["max-age"] == int(LONGEST.total_seconds())
    assert signed_in(person).client.cookies["device"]["path"] == reverse("sign-in")


@pytest.mark.parametrize(
    ("url", "cookies", "secure"),
    [
        ("https://studio.example", ["__Host-sessionid", "__Host-csrftoken"], True),
        ("http://127.0.0.1:8000", ["sessionid", "csrftoken"], False),
    ],
)
def test_behind_https_cookies_are_bound_to_it_and_to_the_one_host(url, cookies, secure):
    told = subprocess.run(
        [sys.executable, "-c", SAY_COOKIES], env=os.environ | {"STUDIO_URL": url}, capture_output=True
    )
    assert json.loads(told.stdout) == [*cookies, secure, secure, True, "Lax", "/", None], told.stderr


# ----- the platform key


def test_generating_warns_of_the_old_key_and_shows_the_new_one_once(person):
    owen = person("owen")
    assert "No platform API key yet" in owen.get("account").text
    assert "stops working" not in owen.get("platform-key").text
    first = value_in(owen.post("platform-key"))
    assert uses(first) == 200
    page = owen.get("account")
    assert f"{first[:8]}-••••" in page.text
    assert first not in page.html
    assert "Your old key stops working at once." in owen.get("platform-key").text
    answer = owen.post("platform-key", part=True)
    second = value_in(answer)
    assert "key-changed" in answer.events
    assert "no-store" in answer.headers["Cache-Control"]
    assert [uses(first), uses(second)] == [401, 200]
    assert second not in owen.get("platform-key").html


def test_last_used_is_shown(person):
    owen = person("owen")
    value = value_in(owen.post("platform-key"))
    assert "Last used Never" in owen.get("account").text
    uses(value)
    assert "Never" not in owen.get("account").text


def value_in(page) -> str:
    return re.search(r'id="platform-key-value">([0-9a-f-]{36})<', page.html)[1]


def uses(key: str) -> int:
    return Client().get("/api/projects", headers={"Authorization": f"Bearer {key}"}).status_code
