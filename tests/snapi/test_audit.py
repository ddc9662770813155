"""`snapi audit`: a table for people, JSON lines for programs, every page of it."""

import json
from typing import Any

import pytest

from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")


def entry(number: int, **facts: Any) -> dict[str, Any]:
    told = {
        "id": number, "time": "2023-11-07T12:00:00.000000+00:00", "actor": "owen", "role": "owner", "verb": "edit",
        "thing": "endpoint", "thing_name": "hello", "address": "192.0.2.7", "changes": {"instances": [1, 2]},
    }  # fmt: skip
    return told | facts


def test_it_is_a_table_with_old_and_new(studio: FakeStudio, run: Run) -> None:
    entries = [entry(2, changes={"key": "k", "limit": [None, 5]}), entry(1, address="")]
    studio.answer("GET", "/api/audit", {"entries": entries, "next": None})
    result = run("audit", "--person", "owen", "--since", "7d")
    assert result.code == 0
    assert "key: k; limit: - → 5" in result.out
    assert "instances: 1 → 2" in result.out
    assert dict(studio.asked[-1].query) == {"limit": "100", "person": "owen", "since": "7d"}


def test_json_is_a_line_for_each_entry(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/audit", {"entries": [entry(2), entry(1)], "next": None})
    result = run("audit", "--json")
    assert [json.loads(line)["id"] for line in result.out.splitlines()] == [2, 1]


def test_nothing_is_an_empty_table(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/audit", {"entries": [], "next": None})
    assert run("audit").code == 0


def test_a_refusal_is_said(studio: FakeStudio, run: Run) -> None:
    said = {"code": "forbidden", "message": "Only an OrgAdmin can read this.", "fields": {}}
    studio.answer("GET", "/api/audit", said, status=403)
    result = run("audit", "--json")
    assert (result.code, json.loads(result.out)) == (1, said)


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("project", "events", "--project", "demo"), "/api/projects/demo/events"),
        (("model", "events", "--model", "Help"), "/api/models/Help/events"),
    ],
)
def test_projects_and_models_have_events(
    studio: FakeStudio, run: Run, words: tuple[str, ...], path: str
) -> None:
    studio.answer("GET", path, {"events": [entry(1)], "next": None})
    result = run(*words)
    assert (result.code, "2023-11-07 12:00:00" in result.out) == (0, True)
