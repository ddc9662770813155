"""One's own account by REST: sessions, and the key that asks."""

import pytest
from django.test import Client

from studio.accounts import services as accounts
from studio.accounts.models import Session
from studio.accounts.selectors import is_open
from studio.errors import Forbidden
from studio.tenants.models import User
from studio.tenants.selectors import actor_of
from studio.tenants.services import new_platform_key
from tests.doors.rest.conftest import NOW, Caller


def test_sessions_are_listed_and_ended(rest):
    browser = Client()
    browser.force_login(rest.people["owen"], backend="studio.accounts.sessions.People")
    (session,) = rest.owen.get("/api/sessions").json["sessions"]
    assert session["current"] is False
    assert browser.get("/api/sessions").json()["sessions"][0]["current"] is True
    assert rest.mila.get("/api/sessions").json["sessions"] == []
    assert rest.mila.delete(f"/api/sessions/{session['id']}").status == 404
    assert rest.owen.delete("/api/sessions/nonsense").status == 404
    assert browser.get("/api/projects").status_code == 200
    assert rest.owen.delete(f"/api/sessions/{session['id']}").json["id"] == session["id"]
    assert browser.get("/api/projects").status_code == 401


def test_signing_out_everywhere_leaves_the_platform_key(rest):
    for _ in range(2):
        Client().force_login(rest.people["owen"], backend="studio.accounts.sessions.People")
    assert rest.owen.delete("/api/sessions").json == {"ended": 2}
    assert rest.owen.get("/api/sessions").json == {"sessions": [], "next": None}


def test_the_key_says_of_itself_all_but_its_value(rest):
    told = rest.owen.get("/api/platform-key").json
    assert told["prefix"] == rest.owen.key[:8]
    assert told["time_last_used"] is not None
    assert rest.owen.key not in str(told)


def test_a_generated_key_ends_the_one_that_asked(rest):
    made = rest.owen.post("/api/platform-key").json
    assert rest.owen.get("/api/projects").status == 401
    assert Caller(made["platform_key"]).get("/api/projects").status == 200
    assert rest.mila.get("/api/projects").status == 200


def test_nobody_gets_the_key_of_somebody_else(rest):
    """Not even an OrgAdmin: the key acts as its user."""
    with pytest.raises(Forbidden):
        new_platform_key(actor=actor_of(rest.people["olga"]), user=rest.people["owen"], now=NOW)
    assert rest.owen.get("/api/projects").status == 200


def test_a_session_holds_until_it_is_ended(rest):
    """What an answer that goes on asks at each look."""
    browser = Client()
    browser.force_login(rest.people["owen"], backend="studio.accounts.sessions.People")
    row = Session.objects.get()
    assert is_open(row)
    User.objects.filter(username="owen").update(is_active=False)
    assert not is_open(row)
    User.objects.filter(username="owen").update(is_active=True)
    rest.owen.delete("/api/sessions")
    assert not is_open(row)


def test_whoever_is_signed_out_by_an_admin_stays_out(rest):
    browsers = [Client() for _ in range(2)]
    for browser in browsers:
        browser.force_login(rest.people["owen"], backend="studio.accounts.sessions.People")
    accounts.end_all(user=rest.people["owen"])
    assert [browser.get("/api/projects").status_code for browser in browsers] == [401, 401]
