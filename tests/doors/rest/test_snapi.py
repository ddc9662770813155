"""snapi against the real management API: one person's way through all commands of the first half."""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from snapi.main import main
from tests.doors.rest.conftest import Rest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub", "demo")]


@pytest.fixture
def snapi(
    rest: Rest,
    live_server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """`snapi("endpoint list", who="mila")` → (exit code, stdout, stderr)"""
    monkeypatch.setenv("SNAPI_CLI_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SNAPI_HOST_NAME", live_server.url)
    # The server answers from a thread of this process: what it logs about the absent broker is not snapi's.
    for module in ("endpoints.routing", "studio.enqueue"):
        monkeypatch.setattr(f"{module}.log", Mock())

    def run(command: str, *more: str, who: str = "owen") -> tuple[int, str, str]:
        monkeypatch.setenv("SNAPI_ACCESS_KEY", rest.keys[who])
        monkeypatch.setattr(sys, "argv", ["snapi", *command.split(), *more])
        capsys.readouterr()
        code = main()
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_whole_way(snapi: Any, rest: Rest) -> None:
    assert "RDU Arch : SN40L" in snapi("tenant info")[1]
    assert "| Tiny Chat " in snapi("app list")[1]
    assert (
        "'deploy': { 'sn30': { 'imageVariants': []" in snapi("model info --model Help --job-type deploy")[1]
    )
    assert "| Help " in snapi("model list --job-type deploy")[1]
    assert snapi("project create --project letters")[1] == "Successfully created project letters.\n"
    assert "| letters " in snapi("project list")[1]

    code, out, err = snapi(
        "endpoint create --project letters --endpoint_name hello --model-checkpoint Help --arch sn40l --instances 10"
    )
    assert (code, out.startswith("Successfully"), out.count("\n")) == (0, True, 1)
    assert err.startswith("warning: Insufficient RDUs in a single node: 2 of 10 instances")

    _, info, _ = snapi("endpoint info --project letters --endpoint hello")
    lines = dict(line.split(" : ", 1) for line in info.splitlines() if " : " in line)
    assert (lines["Status"], lines["Instances"], lines["Arch"]) == ("Setting Up", "10", "SN40L")
    assert lines["API Key"] in snapi("endpoint list-apikeys --endpoint hello")[1]
    assert "| Setting Up " in snapi("endpoint list")[1]

    told = snapi("endpoint update --project letters --endpoint hello --arch sn40l --description", "New text")
    assert told == (0, "Endpoint hello successfully updated.\n", "")
    assert json.loads(snapi("endpoint info -e hello --json")[1])["description"] == "New text"
    assert snapi("endpoint stop -e hello")[0] == 0
    assert "Status : Stopped\n" in snapi("endpoint info -e hello")[1]
    assert snapi("endpoint restart -e hello")[0] == 0
    assert snapi("endpoint delete -e hello")[1] == "Endpoint hello successfully marked delete.\n"
    assert snapi("endpoint info -e hello")[0] == 1


def test_an_api_keys_whole_way(snapi: Any, rest: Rest) -> None:
    snapi("endpoint create -p demo -n hello -m Help -a sn40l")
    code, out, _ = snapi(
        "endpoint add-apikey --endpoint hello --description", "for the shop", "--parallel", "2"
    )
    value, key = out.split()[4], out.split()[-1].rstrip(".")
    assert (code, out) == (0, f"Successfully added API Key {value} with ID {key}.\n")
    assert f"| {value} | for the shop " in snapi("endpoint list-apikeys --endpoint hello")[1]
    limit = "--requests-per-minute 60 --parallel none --expires 2030-12-31 --experts help"
    assert snapi(f"endpoint edit-apikey --endpoint hello --apikey {value} {limit}")[0] == 0
    assert snapi(f"endpoint edit-apikey --endpoint hello --apikey {key} --description", "new shop")[0] == 0
    _, info, _ = snapi(f"endpoint info-apikey --endpoint hello --apikey {value}")
    lines = dict(line.split(" : ", 1) for line in info.splitlines() if " : " in line)
    assert (lines["Description"], lines["API Key"], lines["Status"]) == ("new shop", value, "Active")
    assert (lines["Requests per minute"], lines["Parallel requests"]) == ("60", "no limit")
    assert (lines["Expires"], lines["Allowed experts"]) == ("2030-12-31T00:00:00.000000+00:00", "Help")
    assert snapi(f"endpoint edit-apikey -e hello --apikey {key} --parallel 0.5")[0] == 1
    assert snapi(f"endpoint revoke-apikey --endpoint hello --apikey {value}")[0] == 0
    for named in (key, value):
        assert "Status : Revoked\n" in snapi(f"endpoint info-apikey --endpoint hello --apikey {named}")[1]
    assert snapi(f"endpoint revoke-apikey --endpoint hello --apikey {key}")[0] == 1

    first = json.loads(snapi("endpoint list-apikeys -e hello --json")[1])["api_keys"][-1]
    assert snapi(f"endpoint edit-apikey -e hello --apikey {first['id']} --parallel 4")[0] == 0
    assert snapi(f"endpoint edit-apikey -e hello --apikey {first['id']} --description mine")[0] == 1
    assert snapi(f"endpoint info-apikey -e hello --apikey {first['id']}", who="mila")[0] == 1
    assert snapi(f"endpoint info-apikey -e hello --apikey {first['id']}", who="oskar")[0] == 1


def test_what_was_deleted_comes_back(snapi: Any, rest: Rest) -> None:
    snapi("endpoint create -p demo -n hello -m Help -a sn40l")
    assert snapi("endpoint delete -p demo -e hello")[0] == 0
    _, listed, _ = snapi("endpoint list --project demo --deleted")
    assert "Recently deleted Endpoints" in listed
    assert "| hello " in listed
    assert snapi("endpoint restore -p demo -e hello", who="oskar")[0] == 1
    told = snapi("endpoint restore -p demo -e hello")
    assert told == (0, "Endpoint hello successfully restored; it is stopped.\n", "")
    snapi("endpoint delete -p demo -e hello")
    snapi("endpoint create -p demo -n hello -m Help -a sn40l")
    code, out, _ = snapi("endpoint restore -p demo -e hello")
    assert (code, "in this project already; restore it under another name." in out) == (1, True)
    told = snapi("endpoint restore -p demo -e hello --endpoint_name", "hello 2")
    assert told[:2] == (0, "Endpoint hello 2 successfully restored; it is stopped.\n")


def test_a_projects_whole_way(snapi: Any, rest: Rest) -> None:
    snapi("project create --project letters")
    snapi("endpoint create -p letters -n hello -m Help -a sn40l")
    told = snapi("project update --project letters --name mail --description", "Old and new")
    assert told == (0, "Project mail successfully updated.\n", "")
    assert "Description : Old and new\n" in snapi("project info -p mail")[1]
    assert snapi("project update -p mail")[0] == 2
    code, _, err = snapi("project delete -p mail")
    assert (code, "Project mail has 1 endpoint: hello. Say --yes to delete them too." in err) == (2, True)
    assert snapi("project delete -p mail --yes", who="oskar")[0] == 1
    assert snapi("project delete -p mail --yes") == (0, "Project mail successfully deleted.\n", "")
    assert snapi("project info -p mail")[0] == 1
    snapi("project create --project empty")
    assert snapi("project delete -p empty")[0] == 0


def test_a_nodes_whole_way(snapi: Any, rest: Rest, tmp_path: Path) -> None:
    add = "node add --node sn40l-2 --arch sn40l --rdus 8"
    assert "Only an operator or an OrgAdmin can manage nodes." in snapi(add)[2]
    code, out, _ = snapi(add, "--token-file", str(tmp_path / "join"), who="otto")
    assert (code, "Command : STUDIO_NODE=sn40l-2 " in out) == (0, True)
    assert "| sn40l-2              | SN40L  | 8    | 8    | joining " in snapi("node list")[1]
    for verb, outcome in {
        "cordon": "takes no new instances; what runs stays",
        "uncordon": "takes instances again",
        "drain": "is being emptied",
        "undrain": "is not emptied any more",
        "remove --yes": "was removed",
    }.items():
        assert snapi(f"node {verb} --node sn40l-2")[0] == 1, "owen"
        assert snapi(f"node {verb} --node sn40l-2", who="otto")[1] == f"Node sn40l-2 {outcome}.\n"
    assert "sn40l-2" not in snapi("node list")[1]


def test_json_is_exactly_what_the_api_answers(snapi: Any, rest: Rest) -> None:
    for command, path in [
        ("tenant list", "/api/tenants"),
        ("tenant info", "/api/tenant"),
        ("app list", "/api/apps"),
        ("model list", "/api/models"),
        ("model info -m Help", "/api/models/Help"),
        ("project list", "/api/projects"),
        ("project info -p demo", "/api/projects/demo"),
        ("endpoint list", "/api/endpoints"),
        ("node list", "/api/nodes"),
    ]:
        code, out, _ = snapi(f"{command} --json")
        assert (code, json.loads(out)) == (0, rest.owen.get(path).json), command


def test_a_refusal_is_the_apis_sentence(snapi: Any) -> None:
    code, out, err = snapi("endpoint create -p demo -n hello -m Help -a SN99")
    sentence = "There is no RDU generation 'SN99'; there are: SN30, SN40L."
    assert (code, err) == (1, f"{sentence}\n")
    assert out == f"Error occured\nStatus_code: 400\nmessage: {sentence}\n"


def test_wrong_person_and_wrong_key(snapi: Any, rest: Rest) -> None:
    assert snapi("project info -p demo", who="oskar")[0] == 1
    rest.keys["nobody"] = "00000000-0000-4000-8000-000000000000"
    code, out, _ = snapi("project info -p demo", who="nobody")
    assert (code, "Status_code: 401" in out) == (4, True)
