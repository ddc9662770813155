"""The key that snapi takes, and the browsers in which its user is signed in."""

import json

import pytest

from tests.snapi.conftest import KEY

NEW = "99999999-2222-4333-8444-555555555555"
INFO = {"prefix": "11111111", "time_created": "2026-11-07T09:30:00+00:00", "time_last_used": None}
SESSION = {
    "id": "12fffa5a-c615-4271-a920-f4bb1b3da303",
    "browser": "Firefox on Linux",
    "address": "192.0.2.1",
    "time_signed_in": "2026-11-07T09:30:00+00:00",
    "time_last_seen": "2026-11-07T09:31:00+00:00",
    "current": False,
}
pytestmark = pytest.mark.usefixtures("signed_in")


def test_the_key_is_shown_without_its_value(studio, run):
    studio.answer("GET", "/api/platform-key", INFO)
    said = run("platform-key", "info")
    assert said.out.splitlines()[2:] == [
        "Key : 11111111-••••",
        "Created at : 2026-11-07T09:30:00+00:00",
        "Last used : never",
    ]


def test_a_generated_key_is_printed_and_kept_only_where_asked(studio, run, folder):
    studio.answer("POST", "/api/platform-key", INFO | {"platform_key": NEW})
    assert run("platform-key", "generate", "--yes").out == f"Successfully generated platform API key {NEW}.\n"
    assert (folder / "secret.txt").read_text().strip() == KEY
    assert run("platform-key", "generate", "--yes", "--save").code == 0
    assert (folder / "secret.txt").read_text().strip() == NEW
    assert (folder / "secret.txt").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_written_is_printed_all_the_same(studio, run, folder, monkeypatch):
    studio.answer("POST", "/api/platform-key", INFO | {"platform_key": NEW})
    monkeypatch.setenv("SNAPI_ACCESS_KEY", KEY)
    (folder / "secret.txt").unlink()
    (folder / "secret.txt").mkdir()
    said = run("platform-key", "generate", "--yes", "--save", "--json")
    assert (said.code, json.loads(said.out)["platform_key"]) == (2, NEW)
    assert "secret.txt cannot be written" in said.err


def test_nothing_is_generated_without_a_word(studio, run):
    said = run("platform-key", "generate")
    assert (said.code, "Say --yes" in said.err, studio.asked) == (2, True, [])


def test_sessions_are_listed_and_ended(studio, run):
    studio.answer("GET", "/api/sessions", {"sessions": [SESSION], "next": None})
    studio.answer("DELETE", f"/api/sessions/{SESSION['id']}", SESSION)
    studio.answer("DELETE", "/api/sessions", {"ended": 3})
    assert "Firefox on Linux" in run("session", "list").out
    assert run("session", "end", "--session", SESSION["id"]).out.endswith("successfully ended.\n")
    assert run("session", "end-all", "--yes").out == "Signed out of 3 sessions.\n"
    assert run("session", "end-all").code == 2


def test_values_once(studio, run):
    path = "/api/tenants/default/values-once"
    studio.answer("POST", path, {"tenant_name": "default", "values_once": True, "removed": 3})
    assert run("tenant", "values-once", "--tenant", "default").code == 2, "nobody said yes"
    said = run("tenant", "values-once", "--tenant", "default", "--on", "--yes")
    assert said.out == "Values of API keys in default are shown once only; 3 kept ones were removed.\n"
    assert (
        run("tenant", "values-once", "-t", "default", "--off").out
        == "New values of API keys in default are kept.\n"
    )
    assert [asked.body for asked in studio.asked] == [{"once": True}, {"once": False}]
