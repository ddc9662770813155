"""`create --wait` and `endpoint watch`: each step said once in a pipe, a moving picture on a terminal."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snapi import client
from tests.snapi import answers
from tests.snapi.answers import STARTING, STOP, frame, state
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

CREATE = ["endpoint", "create", "-p", "demo", "-n", "hav2", "-m", "GPT"]
STREAM = f"/api/endpoints/{answers.ENDPOINT_ID}/watch"
WATCH = "/api/endpoints/hav2/watch"
GONE = frame("gone", {})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0)


@pytest.fixture
def created(studio: FakeStudio) -> FakeStudio:
    studio.answer("POST", "/api/endpoints", answers.SETTING_UP)
    return studio


def tell(studio: FakeStudio, path: str, *frames: str) -> None:
    """One stream of the server's, which ends after these."""
    studio.answer("GET", path, "".join(frames), kind="text/event-stream; charset=utf-8")


# create --wait


def test_wait_says_each_step_once_and_ends_at_live(created: FakeStudio, run: Run) -> None:
    later = STARTING | {"percent": 90}
    tell(created, STREAM, state(answers.AWAITING), state(answers.AWAITING), ": still watching\n\n")
    tell(created, STREAM, state(answers.SETTING_UP, STARTING), state(answers.SETTING_UP, later))
    tell(created, STREAM, state(answers.LIVE))
    result = run(*CREATE, "--wait")
    assert result.code == 0
    assert result.out.count("\n") == 1
    assert result.err.splitlines() == [
        "Awaiting RDU: 0 of 2 instances ready; instance 1: 0 of 8 RDUs are free.",
        "Setting Up: 0 of 2 instances ready",
        "instance 1: starting on sn40l-1, loading",
        "Live: 2 of 2 instances ready",
    ]


def test_wait_ends_with_the_reason_of_a_failure(created: FakeStudio, run: Run) -> None:
    tell(created, STREAM, state(answers.FAILED))
    result = run(*CREATE, "--wait")
    assert result.code == 1
    assert result.err.endswith("The endpoint is Failed. The checkpoint is damaged.\n")


def test_wait_ends_when_somebody_deletes_it(created: FakeStudio, run: Run) -> None:
    tell(created, STREAM, state(answers.SETTING_UP), GONE)
    result = run(*CREATE, "--wait")
    assert (result.code, "The endpoint is deleted" in result.err) == (1, True)


@pytest.mark.parametrize("timeout", ["0", "0.3"])
def test_wait_ends_at_its_timeout(created: FakeStudio, run: Run, timeout: str) -> None:
    tell(created, STREAM, state(answers.AWAITING))
    result = run(*CREATE, "--wait", "--timeout", timeout)
    assert result.code == 1
    assert f"Not Live after {timeout} seconds: Awaiting RDU" in result.err


def test_wait_outlives_a_short_silence(created: FakeStudio, run: Run) -> None:
    created.answer("GET", STREAM, "<h1>Bad Gateway</h1>", 502, kind="text/html")
    created.answer("GET", STREAM, "<h1>Another site</h1>", kind="text/html")
    tell(created, STREAM, state(answers.LIVE))
    assert run(*CREATE, "--wait").code == 0


def test_wait_ends_at_a_long_silence(created: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)
    created.answer("GET", STREAM, "<h1>Bad Gateway</h1>", 502, kind="text/html")
    result = run(*CREATE, "--wait")
    assert (result.code, result.err.count("\n")) == (3, 1)


# endpoint watch


def test_watch_in_a_pipe_is_plain_lines(studio: FakeStudio, run: Run) -> None:
    tell(studio, WATCH, state(answers.SETTING_UP, STARTING), frame("event", STOP, 7))
    tell(studio, WATCH, state(answers.STOPPED_ENDPOINT), GONE)
    result = run("endpoint", "watch", "--project", "demo", "--endpoint", "hav2")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "Setting Up: 0 of 2 instances ready",
        "instance 1: starting on sn40l-1, loading",
        "13:06:50 tina: stop endpoint hav2",
        "Stopped: 0 of 1 instance ready",
        "Endpoint hav2 is deleted, or not yours to see any more.",
    ]
    assert [asked.headers.get("last-event-id") for asked in studio.asked] == [None, "7"]
    assert studio.asked[0].query == {"project": "demo"}


def test_watch_in_json_is_a_line_for_each_event(studio: FakeStudio, run: Run) -> None:
    tell(studio, WATCH, state(answers.LIVE), ": still watching\n\n", frame("event", STOP, 7), GONE)
    lines = [json.loads(line) for line in run("endpoint", "watch", "-e", "hav2", "--json").out.splitlines()]
    assert [line["event"] for line in lines] == ["endpoint", "event", "gone"]
    assert (lines[0]["endpoint"], lines[1]["verb"]) == (answers.LIVE, "stop")


def test_watch_ends_at_its_timeout(studio: FakeStudio, run: Run) -> None:
    tell(studio, WATCH, state(answers.LIVE))
    assert run("endpoint", "watch", "-e", "hav2", "--timeout", "0.3").code == 0


@pytest.mark.parametrize(("status", "code"), [(404, 1), (401, 4), (429, 1)])
def test_watch_of_what_is_refused(studio: FakeStudio, run: Run, status: int, code: int) -> None:
    studio.refuse("GET", WATCH, status, "There is no endpoint 'hav2'.")
    result = run("endpoint", "watch", "-e", "hav2")
    assert (result.code, result.err) == (code, "There is no endpoint 'hav2'.\n")


@pytest.mark.parametrize("told", ["event: endpoint\ndata: nonsense\n\n", "event: endpoint\ndata: [1]\n\n"])
def test_watch_of_a_stream_of_something_else(
    studio: FakeStudio, run: Run, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.2)
    tell(studio, WATCH, told)
    result = run("endpoint", "watch", "-e", "hav2")
    assert (result.code, result.err.count("\n")) == (3, 1)


def test_watch_on_a_terminal_draws_how_far_it_is(studio: FakeStudio, signed_in: Path) -> None:
    tell(studio, WATCH, state(answers.SETTING_UP, STARTING), state(answers.LIVE), GONE)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.snapi.program", "endpoint", "watch", "-e", "hav2"]
    environment = {**os.environ, "SNAPI_CLI_CONFIG_DIR": str(signed_in), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        drawn = read_all(ours)
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.wait() == 0
    assert "instance 1: starting on sn40l-1, loading █████████░░░░░░░░░░░ 45 %" in drawn
    assert re.search(r"\x1b\[\d*[A-K]", drawn), "it is drawn over, not written below"
    assert "Live: 2 of 2 instances ready" in drawn


def read_all(terminal: int) -> str:
    """What is written to the terminal until nobody has it open any more."""
    drawn, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                drawn += os.read(terminal, 65536)
            except OSError:
                break
    os.close(terminal)
    return drawn.decode()


# The commands beside it


def test_instances_as_a_table(studio: FakeStudio, run: Run) -> None:
    waiting = STARTING | {"instance": 2, "state": "awaiting", "node": None, "rdus": [], "phase": None,
                          "percent": None, "sentence": "0 of 8 RDUs are free."}  # fmt: skip
    studio.answer("GET", "/api/endpoints/hav2/instances", {"instances": [STARTING, waiting], "next": None})
    out = run("endpoint", "instances", "-e", "hav2").out
    assert "| 1        | starting  | sn40l-1          | 0, 1         | loading 45 %   | 0        | - " in out
    assert (
        "| 2        | awaiting  | -                | -            | -              | 0        | 0 of 8 RDUs"
        in out
    )


def test_logs_are_the_last_lines_of_what_failed(studio: FakeStudio, run: Run) -> None:
    rows = [STARTING | {"instance": number, "log_tail": ["one", "two\x1b[2J"]} for number in (1, 2)]
    studio.answer("GET", "/api/endpoints/hav2/instances", {"instances": [*rows, STARTING], "next": None})
    assert (
        run("endpoint", "logs", "-e", "hav2", "--instance", "2").out
        == "instance 2: one\ninstance 2: two [2J\n"
    )
    assert run("endpoint", "logs", "-e", "hav2").out.count("\n") == 4
    assert run("endpoint", "logs", "-e", "hav2", "--instance", "9").out == "No instance has failed.\n"


def test_events_of_an_endpoint_and_of_the_tenant(studio: FakeStudio, run: Run) -> None:
    for path in ("/api/events", "/api/endpoints/hav2/events"):
        studio.answer("GET", path, {"events": [STOP], "next": None})
    for arguments in ([], ["--endpoint", "hav2"]):
        out = run("endpoint", "events", *arguments).out
        assert "| 2023-11-07 13:06:50 | tina             | stop         | endpoint | hav2 " in out
