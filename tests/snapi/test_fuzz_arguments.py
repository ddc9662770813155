"""Whatever stands on the command line, and whatever is answered: an exit code of the list, and never a traceback."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapi import client
from snapi.main import app, main
from tests.snapi.fake import Answer, FakeStudio
from tests.support.effort import examples

CODES = {0, 1, 2, 3, 4}
ODD = [
    "", " ", ".", "..", "/", "-", "--", "---", "-1", "0", "1e400", "9" * 400, "none", "{", "[]", '{"a": 1}', "\x00",
    "\n", "ü", "\ud800", "a b", "%", "%s", "=", "--json", "--help", "--endpoint=hello", "demo", "hello", "SN40L",
    "x" * 5000,
    "\x1b[2J", "$(true)", "../../etc", "NaN", "2030-13-45", "7d", "true",
]  # fmt: skip
BODIES: list[Any] = [
    {}, [], "", "<h1>x</h1>", "{", None, {"endpoints": [{}]}, {"endpoints": [None]}, {"data": {}},
    {"data": {"rdus": [{}]}},
    {"code": "x", "message": "No.", "fields": {}}, {"message": 1}, {"error": {"code": "a", "message": "b"}},
    {"projects": [{"metadata": None}], "next": None}, {"api_keys": [{}], "next": None}, {"nodes": [{}], "next": None},
    {"instances": [{"log_tail": ["x"]}], "next": None}, {"events": [{}], "next": None}, {"models": [{}], "next": None},
    "event: endpoint\ndata: {}\n\nevent: gone\ndata: {}\n\n",
    '{"result": {"responses": [{"is_last_response": true}]}}\n',
    {"total": {}, "series": [], "keys": []}, {"join": {}}, {"stream_url": "/x", "api_key": "k"}, {"stream_url": None},
]  # fmt: skip
STATUSES = [200, 200, 200, 400, 401, 403, 404, 409, 422, 429, 500, 502, 302]
KINDS = ["application/json", "text/html", "text/event-stream", "application/x-ndjson"]


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], list[str]]]:
    """(words of a command, its options)"""
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, [name for option in command.params for name in option.opts])]
    return [found for name, child in children.items() for found in leaves(child, (*path, name))]


COMMANDS = leaves(typer.main.get_command(app))
VALUES = st.sampled_from(ODD) | st.text(max_size=8)


@st.composite
def command_lines(draw: Any) -> list[str]:
    words, options = draw(st.sampled_from(COMMANDS))
    said = list(words)
    for option in draw(st.lists(st.sampled_from(options), max_size=8)):
        said += [option, draw(VALUES)] if draw(st.integers(0, 5)) else [option]
    if not draw(st.integers(0, 3)):
        said.insert(draw(st.integers(0, len(said))), draw(VALUES))
    return said


ANSWERS = st.builds(Answer, st.sampled_from(BODIES), st.sampled_from(STATUSES), st.sampled_from(KINDS))


@settings(
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(line=command_lines(), answer=ANSWERS)
def test_any_command_line(
    signed_in: Path,
    studio: FakeStudio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: list[str],
    answer: Answer,
) -> None:
    (signed_in / "config.json").write_text(json.dumps({"HOST_NAME": studio.url}))
    studio.otherwise = answer
    for name in ("SILENCE_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(client, name, 0.01)
    monkeypatch.chdir(signed_in)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    monkeypatch.setattr(sys, "argv", ["snapi", *line])
    capsys.readouterr()
    code = main()
    printed = capsys.readouterr()
    assert code in CODES, printed
    assert "Traceback" not in printed.out + printed.err
    if code:
        assert printed.err.strip(), "a failure says why"
