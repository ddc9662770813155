"""One's own account by REST: sessions, and the key that asks."""

from django.test import Client


def test_sessions_are_listed_and_ended(rest):
    browser = Client()
    browser.force_login(rest.people["owen"], backend="django.contrib.auth.backends.ModelBackend")
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
        Client().force_login(rest.people["owen"], backend="django.contrib.auth.backends.ModelBackend")
    assert rest.owen.delete("/api/sessions").json == {"ended": 2}
    assert rest.owen.get("/api/sessions").json == {"sessions": [], "next": None}
