"""`snapi endpoint predict`: the answer as it comes, and every way in which it can end."""

import io
import json
import sys
from typing import Any

import pytest

from tests.snapi import answers
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

PATH = "/api/predict/generic/stream/P/E"
ASK = ["endpoint", "predict", "-e", "hav2"]


@pytest.fixture(autouse=True)
def found(studio: FakeStudio) -> None:
    studio.answer("GET", "/api/endpoints/hav2", answers.LIVE | {"stream_url": PATH})


def piece(token: str, *, last: bool = False) -> dict[str, Any]:
    return {"stream_token": token, "is_last_response": last}


def tell(studio: FakeStudio, *pieces: dict[str, Any]) -> None:
    lines = [one if "error" in one else {"result": {"responses": [one]}} for one in pieces]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    studio.answer("POST", PATH, body, kind="application/x-ndjson")


def test_the_answer_is_printed_as_it_comes(studio: FakeStudio, run: Run) -> None:
    tell(studio, piece("An RDU "), piece("is a chip.\n"), piece("\x1b[2J", last=True))
    result = run(*ASK, "--prompt", "What is an RDU?", "--max-tokens", "9", "--temperature", "0.5")
    assert (result.code, result.out, result.err) == (0, "An RDU is a chip.\n [2J\n", "")
    asked = studio.asked[-1]
    assert asked.headers["key"] == answers.FIRST_KEY["api_key"]
    assert json.loads(asked.body["instance"]) == {
        "messages": [{"role": "user", "content": "What is an RDU?"}]
    }
    assert asked.body["params"] == {
        "process_prompt": {"type": "bool", "value": "True"},
        "max_tokens_to_generate": {"type": "int", "value": "9"},
        "do_sample": {"type": "bool", "value": "True"},
        "temperature": {"type": "float", "value": "0.5"},
    }


def test_system_expert_and_key(studio: FakeStudio, run: Run) -> None:
    tell(studio, piece("", last=True))
    more = ["--system", "Be short.", "--expert", "law", "--apikey", "other-key"]
    assert run(*ASK, "--prompt", "x", *more).code == 0
    asked = studio.asked[-1]
    assert json.loads(asked.body["instance"])["messages"][0] == {"role": "system", "content": "Be short."}
    assert asked.body["params"]["select_expert"] == {"type": "str", "value": "law"}
    assert asked.headers["key"] == "other-key"


def test_a_plain_prompt_from_standard_input(
    studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(studio, piece("x", last=True))
    monkeypatch.setattr(sys, "stdin", io.StringIO("Once upon\na time"))
    assert run(*ASK, "--plain").code == 0
    assert studio.asked[-1].body["instance"] == "Once upon\na time"


def test_json_is_a_line_for_each_piece(studio: FakeStudio, run: Run) -> None:
    pieces = [piece("a"), piece("b", last=True)]
    tell(studio, *pieces)
    out = run(*ASK, "--prompt", "x", "--json").out
    assert [json.loads(line) for line in out.splitlines()] == pieces


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
def test_a_refused_prediction_is_one_sentence_and_exit_1(studio: FakeStudio, run: Run, status: int) -> None:
    error = {"error": {"code": "x", "message": "Not now.", "details": {}}}
    studio.answer("POST", PATH, error, status)
    result = run(*ASK, "--prompt", "x")
    assert (result.code, result.err) == (1, "Not now.\n")
    assert result.out == f"Error occured\nStatus_code: {status}\nmessage: Not now.\n"


def test_an_answer_that_breaks_off_with_a_reason(studio: FakeStudio, run: Run) -> None:
    tell(studio, piece("An "), {"error": {"code": "x", "message": "The instance failed."}})
    result = run(*ASK, "--prompt", "x")
    assert (result.code, result.err) == (1, "The answer broke off: The instance failed.\n")


def test_an_answer_that_just_ends(studio: FakeStudio, run: Run) -> None:
    tell(studio, piece("An "))
    assert run(*ASK, "--prompt", "x").code == 3


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("<h1>Bad Gateway</h1>", 502, "text/html"),
        ("<h1>x</h1>", 200, "text/html"),
        ("[1]\n", 200, "application/json"),
    ],
)
def test_what_answers_is_no_endpoint(studio: FakeStudio, run: Run, body: str, status: int, kind: str) -> None:
    studio.answer("POST", PATH, body, status, kind=kind)
    result = run(*ASK, "--prompt", "x")
    assert (result.code, result.err.count("\n")) == (3, 1)


def test_without_a_prompt_or_a_key(studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" "))
    assert run(*ASK).code == 2
    assert run(*ASK, "--prompt", "x", "--plain", "--system", "y").code == 2
    studio.answer(
        "GET", "/api/endpoints/masked", answers.LIVE | {"api_key": "6fbc8f9d-••••", "stream_url": PATH}
    )
    result = run("endpoint", "predict", "-e", "masked", "--prompt", "x")
    assert (result.code, "--apikey" in result.err) == (2, True)
