"""`snapi node`: lists for people, one command and one token when a node is added, a question before a removal."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

NODE: dict[str, Any] = {
    "id": "1205d9db-250a-4e71-b1a8-33fa3ffa05cc", "name": "sn40l-1", "arch": "SN40L", "rdus": 8, "free": 5,
    "virtual": True, "state": "ready", "intent": "ready", "time_state": "2023-11-07T13:06:50.209626+00:00",
    "kept_for": "research",
    "instances": [
        {"held_by": "hello", "endpoint_id": "x", "instance": 1, "state": "ready", "rdus": [0]},
        {"held_by": "hello", "endpoint_id": "x", "instance": 2, "state": "ready", "rdus": [1]},
        {"held_by": "another tenant", "endpoint_id": None, "instance": None, "state": "ready", "rdus": [2]},
    ],
    "address": None, "machine": None, "heard": None, "intruder": None, "refusal": None,
}  # fmt: skip
JOIN = {"command": "STUDIO_NODE=sn40l-2 STUDIO_NODE_TOKEN_FILE=- python -m scheduler.agent", "token": "t0ken"}
ADDED = NODE | {"name": "sn40l-2", "state": "joining", "instances": [], "join": JOIN}
ADD = "node add --node sn40l-2 --arch sn40l --rdus 8".split()


def test_a_list_with_its_holders(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/nodes", {"nodes": [NODE], "next": None})
    result = run("node", "list", "--arch", "sn40l", "--state", "ready")
    assert studio.asked[0].query == {"arch": "sn40l", "state": "ready"}
    assert "| sn40l-1              | SN40L  | 8    | 5    | ready     | yes     | hello, another tenant " in (
        result.out
    )
    as_json = run("node", "list", "--json")
    assert json.loads(as_json.out) == {"nodes": [NODE], "next": None}


def test_adding_prints_the_command_and_the_token(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/nodes", ADDED)
    result = run(*ADD, "--virtual", "--address", "10.0.0.4")
    assert studio.asked[0].body == {
        "name": "sn40l-2", "arch": "sn40l", "rdus": 8, "virtual": True, "address": "10.0.0.4",
    }  # fmt: skip
    assert f"Command : {JOIN['command']}\nJoin token : t0ken\n" in result.out
    assert json.loads(run(*ADD, "--json").out) == ADDED


def test_a_token_file_is_for_its_owner_alone(studio: FakeStudio, run: Run, tmp_path: Path) -> None:
    studio.answer("POST", "/api/nodes", ADDED)
    path = tmp_path / "join"
    result = run(*ADD, "--token-file", str(path))
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("t0ken\n", 0o600)
    assert "t0ken" not in result.out
    assert f"Join token : in {path}" in result.out
    again = run(*ADD, "--token-file", str(path))
    assert (again.code, len(studio.asked)) == (2, 1), "nothing is added whose token could not be kept"


@pytest.mark.parametrize("verb", ["cordon", "uncordon", "drain", "undrain"])
def test_what_is_done_is_said(studio: FakeStudio, run: Run, verb: str) -> None:
    studio.answer("POST", f"/api/nodes/sn40l-1/{verb}", NODE)
    result = run("node", verb, "--node", "sn40l-1")
    assert (result.code, result.out.startswith("Node sn40l-1 ")) == (0, True)
    assert json.loads(run("node", verb, "-n", "sn40l-1", "--json").out) == NODE


def test_a_removal_asks_first(studio: FakeStudio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.answer("POST", "/api/nodes/sn40l-1/remove", NODE | {"state": "removed"})

    def refuse(question: str, **options: object) -> None:
        assert "dead or empty" in question
        raise typer.Abort

    assert run("node", "remove", "--node", "sn40l-1").code == 2, "nobody is there to answer"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", refuse)
    assert run("node", "remove", "--node", "sn40l-1").code == 130
    assert studio.asked == []
    assert run("node", "remove", "--node", "sn40l-1", "--yes").out == "Node sn40l-1 was removed.\n"


def test_a_refusal_is_the_apis_sentence(studio: FakeStudio, run: Run) -> None:
    sentence = "Only an operator or an OrgAdmin can manage nodes."
    studio.refuse("POST", "/api/nodes/sn40l-1/drain", 403, sentence, "forbidden")
    result = run("node", "drain", "-n", "sn40l-1")
    assert (result.code, result.err) == (1, f"{sentence}\n")
    assert "Status_code: 403" in result.out


def test_a_node_is_kept_for_a_tenant_or_shared(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/nodes/sn40l-1/assign", NODE)
    said = run("node", "assign", "-n", "sn40l-1", "--tenant", "research").out
    assert said == "Node sn40l-1 is kept for research.\n"
    assert (
        run("node", "assign", "-n", "sn40l-1", "--shared").out == "Node sn40l-1 is shared by all tenants.\n"
    )
    assert [each.body for each in studio.asked] == [{"tenant": "research"}, {"tenant": ""}]
    assert run("node", "assign", "-n", "sn40l-1").code == 2
