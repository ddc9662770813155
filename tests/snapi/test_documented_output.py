"""The commands of the product document, and what they print, to the letter."""

import pytest

from tests.snapi import answers
from tests.snapi.conftest import KEY, Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

ENDPOINT_INFO = """\
Endpoint Info
=============
ID : 4eba9aaa-543f-4f8b-bbc1-30182252f85a
Name : hav2
Description :
Project ID : 87deae92-570e-443f-8ae8-4521fb43ad09
ML App : Generative Tuning 13B
Model : GPT_13B_Human_Aligned_Instruction_Tuned_V2
Instances : 0
URL : /api/predict/generic/87deae92-570e-443f-8ae8-4521fb43ad09/4eba9aaa-543f-4f8b-bbc1-30182252f85a
API Key : 6fbc8f9d-34e2-47e4-983f-19a1845326b4
Status : Stopped
Created at : 2023-09-07T21:47:27.581072+00:00
Last Updated : 2023-11-07T17:02:07.939675+00:00
API Keys : [{'user_id': 'billb', 'time_created': '2023-11-07T16:51:04.896235+00:00', 'description': \
'hav2-shared-key', 'status': 'Live', 'id': '1205d9db-250a-4e71-b1a8-33fa3ffa05cc', 'endpoint_id': \
'4eba9aaa-543f-4f8b-bbc1-30182252f85a', 'time_updated': '2023-11-07T16:51:04.896235+00:00', 'api_key': \
'a0e8e81f-697a-401a-b7c5-688788e0bb8a'}, {'user_id': 'billb', 'time_created': \
'2023-11-07T13:06:50.209626+00:00', 'description': 'First Key', 'status': 'Live', 'id': \
'12fffa5a-c615-4271-a920-f4bb1b3da303', 'endpoint_id': '4eba9aaa-543f-4f8b-bbc1-30182252f85a', 'time_updated': \
'2023-11-07T13:06:50.209626+00:00', 'api_key': '6fbc8f9d-34e2-47e4-983f-19a1845326b4'}]
Hyperparams : None
Arch : SN10
"""

LIST_API_KEYS = f"""\
{"-" * 72}
List of API Keys for Endpoint hav2
{"-" * 72}
+{"-" * 38}+{"-" * 38}+{"-" * 22}+{"-" * 22}+{"-" * 22}+
| API Key | Description | Created On | Owner | Status |
+{"=" * 38}+{"=" * 38}+{"=" * 22}+{"=" * 22}+{"=" * 22}+
| a0e8e81f-697a-401a-b7c5-688788e0bb8a | hav2-shared-key | 07 Nov, 2023 | billb | Active |
+{"-" * 38}+{"-" * 38}+{"-" * 22}+{"-" * 22}+{"-" * 22}+
| 6fbc8f9d-34e2-47e4-983f-19a1845326b4 | First Key | 07 Nov, 2023 | billb | Active |
+{"-" * 38}+{"-" * 38}+{"-" * 22}+{"-" * 22}+{"-" * 22}+
"""

MODEL_INFO = """\
Model Info
============
ID : 61b4ff7d-fbaf-444d-9cba-7ac89187e375
Name : GPT_13B_Base_Model
Architecture : GPT 13B
Field of Application : language
Validation Loss : -
Validation Accuracy : -
App : 57f6a3c8-1f04-488a-bb39-3cfc5b4a5d7a
Dataset : {'info': 'N/A\\n', 'url': ''}
SambaNova Provided : True
Version : 1
Description : This is a randomly initialized model.

Generally speaking, it is expensive.
Created Time : 2023-03-23 00:00:00 +0000 UTC
Status : Available
Steps : 0
Hyperparameters :
{ 'batch_predict': {},
  'deploy': { 'sn10': { 'imageVariants': [],
"""


def test_endpoint_info(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints/hav2", answers.STOPPED_ENDPOINT)
    result = run("endpoint", "info", "--project", "demo", "--endpoint", "hav2")
    assert result.code == 0
    assert result.out.startswith(ENDPOINT_INFO)
    assert studio.asked[0].query == {"project": "demo"}
    assert studio.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert studio.asked[0].headers["tenant"] == "default"


def test_further_lines_of_endpoint_info_do_not_confuse_old_scripts(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints/hav2", answers.AWAITING | {"status_reason": "Nothing is free."})
    further = run("endpoint", "info", "-e", "hav2").out.split("Arch : SN10\n")[1]
    assert "Reason : Nothing is free." in further
    assert "Waiting : instance 1: 0 of 8 RDUs are free." in further
    assert not [word for word in ("Status", "URL", "API Key") if word in further]


def test_a_description_cannot_fake_another_label(studio: FakeStudio, run: Run) -> None:
    studio.answer(
        "GET", "/api/endpoints/hav2", answers.STOPPED_ENDPOINT | {"description": "a\nStatus : Live\x1b[2J"}
    )
    lines = run("endpoint", "info", "-e", "hav2").out.splitlines()
    assert [line for line in lines if line.startswith("Status")] == ["Status : Stopped"]
    assert "\x1b" not in "".join(lines)


def test_list_apikeys(studio: FakeStudio, run: Run) -> None:
    keys = [answers.SHARED_KEY, answers.FIRST_KEY]
    studio.answer("GET", "/api/endpoints/hav2/apikeys", {"api_keys": keys, "next": None})
    result = run("endpoint", "list-apikeys", "--endpoint", "hav2")
    assert result.code == 0
    # The document's own cells have lost their padding; ours line up with its rules.
    assert [" ".join(line.split()) for line in result.out.splitlines()] == LIST_API_KEYS.splitlines()
    assert {len(line) for line in result.out.splitlines()[3:]} == {148}


def test_list_apikeys_says_revoked(studio: FakeStudio, run: Run) -> None:
    keys = [answers.SHARED_KEY | {"status": "Revoked"}]
    studio.answer("GET", "/api/endpoints/hav2/apikeys", {"api_keys": keys, "next": None})
    assert "| Revoked " in run("endpoint", "list-apikeys", "--endpoint", "hav2").out


def test_model_info(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/models/GPT_13B_Base_Model", answers.DEPLOYABLE)
    result = run("model", "info", "--model", "GPT_13B_Base_Model", "--job-type", "deploy")
    assert result.code == 0
    assert result.out.startswith(MODEL_INFO)
    assert "'train': {}}\n" in result.out
    assert studio.asked[0].query == {"job_type": "deploy"}


def test_model_info_of_a_base_model_says_why_it_cannot_be_deployed(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/models/GPT_13B_Base_Model", answers.BASE_MODEL)
    out = run("model", "info", "--model", "GPT_13B_Base_Model").out
    assert "'deploy': {}" in out
    assert "Base models do not support inference and cannot be deployed for endpoints" in out


def test_endpoint_create(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/endpoints", answers.SETTING_UP)
    documented = "--project demo --endpoint_name hav2 --model-checkpoint GPT --arch SN10 --instances 2"
    result = run("endpoint", "create", *documented.split())
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Successfully created endpoint hav2 with ID {answers.ENDPOINT_ID}.\n"
    assert studio.asked[0].body == {
        "project": "demo",
        "endpoint_name": "hav2",
        "model_checkpoint": "GPT",
        "rdu_arch": "SN10",
        "instances": 2,
    }


@pytest.mark.parametrize(
    "spelling",
    [
        "-p demo -n hav2 -m GPT -a SN10 -i 2",
        "--project demo --endpoint-name hav2 --model_checkpoint GPT --arch SN10 --instances 2",
    ],
)
def test_short_options_dashes_and_underscores_say_the_same(
    studio: FakeStudio, run: Run, spelling: str
) -> None:
    studio.answer("POST", "/api/endpoints", answers.SETTING_UP)
    assert run("endpoint", "create", *spelling.split()).code == 0
    assert studio.asked[0].body["endpoint_name"] == "hav2"
    assert studio.asked[0].body["model_checkpoint"] == "GPT"


def test_endpoint_update(studio: FakeStudio, run: Run) -> None:
    studio.answer("PATCH", "/api/endpoints/hav2", answers.SETTING_UP)
    documented = ["--project", "demo", "--description", "New text", "--endpoint", "hav2", "--arch", "sn10"]
    result = run("endpoint", "update", *documented, "--instances", "2")
    assert (result.code, result.out) == (0, "Endpoint hav2 successfully updated.\n")
    assert studio.asked[0].body == {"description": "New text", "rdu_arch": "sn10", "instances": 2}


def test_endpoint_stop(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/endpoints/hav2/stop", answers.STOPPED_ENDPOINT)
    result = run("endpoint", "stop", "--project", "demo", "--endpoint", "hav2")
    assert (result.code, result.out) == (0, "Endpoint hav2 successfully marked stop.\n")


def test_endpoint_delete_names_the_endpoint_also_when_its_id_was_given(studio: FakeStudio, run: Run) -> None:
    deleting = answers.STOPPED_ENDPOINT | {"name": "new-endpoint-snapi", "status": "Deleting"}
    studio.answer("DELETE", f"/api/endpoints/{answers.ENDPOINT_ID}", deleting)
    result = run("endpoint", "delete", "--project", "demo", "--endpoint", answers.ENDPOINT_ID)
    assert (result.code, result.out) == (0, "Endpoint new-endpoint-snapi successfully marked delete.\n")


def test_tenant_info_names_the_values_for_arch(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/tenant", {"data": answers.TENANT})
    result = run("tenant", "info")
    assert result.code == 0
    assert "Name : default\n" in result.out
    assert "RDU Arch : SN40L\n" in result.out
    assert "| SN40L      | 16         | 11             | 8                |" in result.out
