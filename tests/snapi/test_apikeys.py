"""The API key commands: what they ask for, what they print."""

import json
from typing import Any

import pytest

from tests.snapi import answers
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

KEYS = "/api/endpoints/hav2/apikeys"
ID = answers.SHARED_KEY["id"]
VALUE = answers.SHARED_KEY["api_key"]
LIMITED = answers.SHARED_KEY | {
    "limits": {
        "requests_per_minute": 600,
        "tokens_per_minute": None,
        "parallel": 4,
        "tokens_per_day": None,
        "tokens_per_month": 1000000000000,
    },
    "expires_at": "2030-12-31T18:00:00.000000+00:00",
    "experts": ["Help", "Sentiment"],
}
UNLIMITED = LIMITED | {"limits": dict.fromkeys(LIMITED["limits"]), "expires_at": None, "experts": []}
MASKED = UNLIMITED | {"status": "Revoked", "api_key": f"{VALUE[:8]}-••••"}

INFO = f"""\
API Key Info
============
ID : {ID}
API Key : {VALUE}
Description : hav2-shared-key
Endpoint ID : {answers.ENDPOINT_ID}
Owner : billb
Status : Active
Created at : 2023-11-07T16:51:04.896235+00:00
Last Updated : 2023-11-07T16:51:04.896235+00:00
Requests per minute : 600
Tokens per minute : no limit
Parallel requests : 4
Tokens per day : no limit
Tokens per month : 1000000000000
Expires : 2030-12-31T18:00:00.000000+00:00
Allowed experts : Help, Sentiment
"""


@pytest.fixture
def listed(studio: FakeStudio) -> FakeStudio:
    """Studio with two keys at hav2."""
    studio.answer("GET", KEYS, {"api_keys": [LIMITED, answers.FIRST_KEY], "next": None})
    return studio


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        ("add-apikey -e hav2", "POST", KEYS, UNLIMITED),
        (f"edit-apikey -e hav2 --apikey {ID} -d x", "PATCH", f"{KEYS}/{ID}", LIMITED),
        (f"revoke-apikey -e hav2 --apikey {ID}", "POST", f"{KEYS}/{ID}/revoke", MASKED),
        (f"info-apikey -e hav2 --apikey {ID}", "GET", f"{KEYS}/{ID}", LIMITED),
    ],
)
def test_json_prints_exactly_the_answer(
    listed: FakeStudio, run: Run, arguments: str, method: str, path: str, body: dict[str, Any]
) -> None:
    listed.answer(method, path, body)
    as_json = run("endpoint", *arguments.split(), "--json")
    assert (as_json.code, json.loads(as_json.out)) == (0, body)


def test_list_apikeys_says_expired(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", KEYS, {"api_keys": [LIMITED | {"status": "Expired"}], "next": None})
    assert "| Expired " in run("endpoint", "list-apikeys", "--endpoint", "hav2").out


def test_add_apikey(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", KEYS, UNLIMITED)
    result = run("endpoint", "add-apikey", "--endpoint", "hav2", "--description", "hav2-shared-key")
    assert (result.code, result.out) == (0, f"Successfully added API Key {VALUE} with ID {ID}.\n")
    assert studio.asked[0].body == {"description": "hav2-shared-key"}


def test_a_description_is_recommended_and_not_needed(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", KEYS, UNLIMITED)
    assert run("endpoint", "add-apikey", "--endpoint", "hav2", "--project", "demo").code == 0
    assert (studio.asked[0].body, studio.asked[0].query) == ({}, {"project": "demo"})


def test_every_limit_has_an_option(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", KEYS, LIMITED)
    options = (
        "--requests-per-minute 600 --tokens_per_minute 5000 --parallel 4 --tokens-per-day 100000 "
        "--tokens-per-month 1000000000000 --expires 2030-12-31T18:00"
    )
    assert (
        run("endpoint", "add-apikey", "-e", "hav2", *options.split(), "--experts", "Help, Sentiment").code
        == 0
    )
    assert studio.asked[0].body == {
        "limits": {
            "requests_per_minute": "600",
            "tokens_per_minute": "5000",
            "parallel": "4",
            "tokens_per_day": "100000",
            "tokens_per_month": "1000000000000",
        },
        "expires_at": "2030-12-31T18:00",
        "experts": ["Help", "Sentiment"],
    }


def test_edit_apikey(listed: FakeStudio, run: Run) -> None:
    listed.answer("PATCH", f"{KEYS}/{ID}", LIMITED)
    documented = ["--endpoint", "hav2", "--apikey", ID, "--description", "new text"]
    result = run("endpoint", "edit-apikey", *documented)
    assert (result.code, result.out) == (0, f"API Key {ID} successfully updated.\n")
    assert listed.asked[-1].body == {"description": "new text"}


@pytest.mark.parametrize("end", ["0", "none", "NONE", ""])
def test_zero_and_none_end_a_limit(listed: FakeStudio, run: Run, end: str) -> None:
    listed.answer("PATCH", f"{KEYS}/{ID}", UNLIMITED)
    options = ["--parallel", end, "--expires", end, "--experts", end]
    assert run("endpoint", "edit-apikey", "-e", "hav2", "--apikey", ID, *options).code == 0
    assert listed.asked[-1].body == {"limits": {"parallel": None}, "expires_at": None, "experts": None}


def test_the_first_key_is_limited_without_a_description(listed: FakeStudio, run: Run) -> None:
    first = answers.FIRST_KEY["id"]
    listed.answer("PATCH", f"{KEYS}/{first}", answers.FIRST_KEY)
    value = answers.FIRST_KEY["api_key"]
    assert run("endpoint", "edit-apikey", "-e", "hav2", "--apikey", value, "--parallel", "4").code == 0
    assert listed.asked[-1].body == {"limits": {"parallel": "4"}}


def test_nothing_to_change_is_wrong_usage(listed: FakeStudio, run: Run) -> None:
    result = run("endpoint", "edit-apikey", "-e", "hav2", "--apikey", ID)
    assert (result.code, listed.asked) == (2, [])
    assert "Nothing to change" in result.err


def test_revoke_apikey(listed: FakeStudio, run: Run) -> None:
    listed.answer("POST", f"{KEYS}/{ID}/revoke", MASKED)
    result = run("endpoint", "revoke-apikey", "--endpoint", "hav2", "--apikey", VALUE)
    assert (result.code, result.out) == (0, f"API Key {ID} successfully revoked.\n")


def test_info_apikey(listed: FakeStudio, run: Run) -> None:
    listed.answer("GET", f"{KEYS}/{ID}", LIMITED)
    result = run("endpoint", "info-apikey", "--endpoint", "hav2", "--apikey", ID)
    assert (result.code, result.out) == (0, INFO)


def test_info_apikey_of_a_revoked_key_named_by_the_value_it_had(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", KEYS, {"api_keys": [MASKED, answers.FIRST_KEY], "next": None})
    studio.answer("GET", f"{KEYS}/{ID}", MASKED)
    out = run("endpoint", "info-apikey", "--endpoint", "hav2", "--apikey", VALUE).out
    assert "Status : Revoked\n" in out
    assert "Requests per minute : no limit\n" in out
    assert "Expires : never\nAllowed experts : all\n" in out


@pytest.mark.parametrize("command", ["edit-apikey -d x", "revoke-apikey", "info-apikey"])
def test_a_value_stands_in_no_address(listed: FakeStudio, run: Run, command: str) -> None:
    for value in (VALUE, "99999999-9999-4999-8999-999999999999"):
        run("endpoint", *command.split(), "-e", "hav2", "--apikey", value)
        assert not [asked for asked in listed.asked if value in asked.path or value in str(asked.query)]


def test_an_unknown_key_is_a_refusal(listed: FakeStudio, run: Run) -> None:
    result = run("endpoint", "info-apikey", "-e", "hav2", "--apikey", "99999999-9999-4999-8999-999999999999")
    assert (result.code, result.err) == (1, "There is no such API key.\n")
    assert result.out == "Error occured\nStatus_code: 404\nmessage: There is no such API key.\n"


def test_the_servers_refusal_is_its_sentence(listed: FakeStudio, run: Run) -> None:
    first = answers.FIRST_KEY["id"]
    listed.refuse("POST", f"{KEYS}/{first}/revoke", 409, "The First Key cannot be revoked.")
    result = run("endpoint", "revoke-apikey", "-e", "hav2", "--apikey", first)
    assert (result.code, result.err) == (1, "The First Key cannot be revoked.\n")
    assert "Status_code: 409" in result.out


def test_endpoint_info_shows_of_a_key_what_the_document_shows(studio: FakeStudio, run: Run) -> None:
    keys = [LIMITED, answers.FIRST_KEY]
    studio.answer("GET", "/api/endpoints/hav2", answers.STOPPED_ENDPOINT | {"api_keys": keys})
    out = run("endpoint", "info", "-e", "hav2").out
    assert f"API Keys : {[answers.SHARED_KEY, answers.FIRST_KEY]}\n" in out


def test_rotate_apikey(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", f"{KEYS}/{ID}/rotate", UNLIMITED | {"time_old_value_ends": None})
    studio.answer(
        "POST", f"{KEYS}/{ID}/rotate", UNLIMITED | {"time_old_value_ends": "2026-11-08T09:30:00+00:00"}
    )
    at_once = run("endpoint", "rotate-apikey", "-e", "hav2", "--apikey", ID)
    assert at_once.out == f"Successfully rotated API Key with ID {ID}: it is {VALUE} now.\n"
    later = run("endpoint", "rotate-apikey", "-e", "hav2", "--apikey", ID, "--grace", "1d")
    assert later.out.endswith("The old value works until 2026-11-08T09:30:00+00:00.\n")
    assert [asked.body for asked in studio.asked] == [{"grace": "none"}, {"grace": "1d"}]
