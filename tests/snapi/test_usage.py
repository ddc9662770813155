"""`snapi endpoint usage`: totals, steps and keys for people, the answer itself for programs."""

import json
from typing import Any

import pytest

from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

KEY_ID = "1205d9db-250a-4e71-b1a8-33fa3ffa05cc"
NO_TIMES = {"count": 0, "mean": None, "p50": None, "p90": None, "p95": None}
NO_ERRORS = dict.fromkeys(("client", "limited", "unavailable", "failed", "deadline", "gone"), 0)


def sums(requests: int, **errors: int) -> dict[str, Any]:
    times = {"count": requests, "mean": 0.5, "p50": 0.25, "p90": 1.5, "p95": 2.0} if requests else NO_TIMES
    return {
        "requests": requests,
        "errors": NO_ERRORS | errors,
        "prompt_tokens": 100 * requests,
        "completion_tokens": 10 * requests,
        "response_time": times,
        "queue_time": times,
        "execution_time": times,
        "time_to_first_token": NO_TIMES,
    }


USAGE = {
    "endpoint_id": "4eba9aaa-543f-4f8b-bbc1-30182252f85a",
    "since": "2023-11-06T14:00:00.000000+00:00",
    "until": "2023-11-07T14:00:00.000000+00:00",
    "step": 3600,
    "total": sums(7, limited=2, gone=1),
    "series": [
        {"time": "2023-11-07T12:00:00.000000+00:00", **sums(7, limited=2, gone=1)},
        {"time": "2023-11-07T13:00:00.000000+00:00", **sums(0)},
    ],
    "keys": [
        {
            "id": KEY_ID, "description": "hav2-shared-key", "api_key": "a0e8e81f-••••", "status": "Live",
            "requests": 7, "errors": NO_ERRORS | {"limited": 2, "gone": 1}, "prompt_tokens": 700,
            "completion_tokens": 70,
        }
    ],
}  # fmt: skip
PATH = "/api/endpoints/hav2/usage"


def test_totals_then_steps_then_keys(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", PATH, USAGE)
    result = run("endpoint", "usage", "--project", "demo", "--endpoint", "hav2")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[:12] == [
        "Usage of Endpoint hav2",
        "======================",
        "From : 2023-11-06 14:00:00 +0000 UTC",
        "Until : 2023-11-07 14:00:00 +0000 UTC",
        "Total requests : 7",
        "Errors : 3 (2 limited, 1 gone)",
        "Prompt tokens : 700",
        "Completion tokens : 70",
        "Response time : P50 250 ms, P90 1.50 s, P95 2.00 s",
        "Queue time : P50 250 ms, P90 1.50 s, P95 2.00 s",
        "Execution time : P50 250 ms, P90 1.50 s, P95 2.00 s",
        "Time to first token : -",
    ]
    assert "In steps of 1 hour" in lines
    assert "| 2023-11-07 12:00 | 7        | 3      | 700           | 70 " in result.out
    assert "2023-11-07 13:00" not in result.out, "a step without requests is no line"
    assert f"| {KEY_ID} | hav2-shared-key      | 7        | 3 " in result.out


def test_what_is_asked_for_goes_to_the_api_as_it_is(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", PATH, USAGE)
    run("endpoint", "usage", "-e", "hav2")
    assert studio.asked[0].query == {"since": "24h"}
    options = ("--since", "2023-11-01T00:00:00Z", "--until", "1h", "--step", "1d", "--key", KEY_ID)
    run("endpoint", "usage", "-e", "hav2", "-p", "demo", *options)
    assert studio.asked[1].query == {
        "project": "demo", "since": "2023-11-01T00:00:00Z", "until": "1h", "step": "1d", "key": KEY_ID,
    }  # fmt: skip


def test_without_requests_there_is_no_table(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", PATH, USAGE | {"total": sums(0), "series": [USAGE["series"][1]], "keys": []})
    result = run("endpoint", "usage", "-e", "hav2")
    assert "Total requests : 0\nErrors : 0\n" in result.out
    assert "|" not in result.out


def test_json_is_the_answer(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", PATH, USAGE)
    result = run("endpoint", "usage", "-e", "hav2", "--json")
    assert (result.code, json.loads(result.out)) == (0, USAGE)


def test_a_refusal_is_the_apis_sentence(studio: FakeStudio, run: Run) -> None:
    studio.refuse("GET", PATH, 404, "There is no endpoint 'hav2'.")
    result = run("endpoint", "usage", "-e", "hav2")
    assert (result.code, result.err) == (1, "There is no endpoint 'hav2'.\n")
