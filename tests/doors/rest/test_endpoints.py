"""Endpoints and their keys through the management API: each verb, each person, bad input."""

from typing import Any

import pytest

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from scheduler.models import Instance, Node
from studio.audit.models import Event
from studio.projects.models import Project
from tests.doors.rest.conftest import Answer, Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
FIELDS = {
    "id", "name", "description", "project_id", "project_name", "ml_app", "model_name", "model_version", "targets",
    "arch", "instances", "instances_ready", "instances_wanted", "status", "status_reason", "waiting", "warnings",
    "url", "stream_url", "openai_url", "api_key", "api_keys", "hyperparams", "owner", "spec_version",
    "time_created", "time_updated", "time_deleted",
}  # fmt: skip
KEY_FIELDS = [
    "user_id", "time_created", "description", "status", "id", "endpoint_id", "time_updated", "api_key",
    "limits", "expires_at", "experts", "time_old_value_ends",
]  # fmt: skip


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    """owen's endpoint, as creating it answered."""
    return rest.owen.made("/api/endpoints", WISH)


def ready(endpoint_id: str) -> None:
    """All its instances answer."""
    Instance.objects.filter(endpoint=endpoint_id).update(state="ready", node=Node.objects.get(), port=1)


# Create


def test_create(rest: Rest, hello: dict[str, Any]) -> None:
    assert set(hello) == FIELDS
    endpoint = Endpoint.objects.get()
    where = f"{endpoint.project_id}/{endpoint.pk}"
    expected = {
        "id": str(endpoint.pk),
        "name": "hello",
        "status": "SettingUp",
        "arch": "SN40L",
        "instances": 1,
        "instances_ready": 0,
        "instances_wanted": 1,
        "model_name": "Help",
        "model_version": "2",
        "ml_app": "Tiny Chat",
        "owner": "owen",
        "url": f"/api/predict/generic/{where}",
        "stream_url": f"/api/predict/generic/stream/{where}",
        "openai_url": f"/v1/{where}",
        "hyperparams": {"model_parallel_rdus": 1},
        "warnings": [],
    }
    assert {name: hello[name] for name in expected} == expected
    assert hello["targets"] == [{"model": str(endpoint.model_version.model_id)}]
    assert Instance.objects.filter(endpoint=endpoint).count() == 1


def test_the_first_key_is_readable_at_once(hello: dict[str, Any]) -> None:
    (key,) = hello["api_keys"]
    assert list(key) == KEY_FIELDS
    assert (key["description"], key["status"], key["user_id"]) == ("First Key", "Live", "owen")
    assert hello["api_key"] == key["api_key"]
    assert len(key["api_key"]) == 36


def test_without_an_arch_it_is_the_recommended_one(rest: Rest) -> None:
    answer = rest.owen.post("/api/endpoints", {**WISH, "rdu_arch": None})
    assert answer.json["arch"] == "SN40L"
    Node.objects.update(generation_id="SN30")
    answer = rest.owen.post("/api/plan", {"project": "demo", "model_checkpoint": "Help"})
    assert answer.json["arch"] == "SN30"


def test_hyperparams_as_an_object_or_a_json_string(rest: Rest) -> None:
    for number, given in enumerate(['{"model_parallel_rdus": "4"}', {"model_parallel_rdus": 4}]):
        answer = rest.owen.post(
            "/api/endpoints", {**WISH, "endpoint_name": f"hello {number}", "hyperparams": given}
        )
        assert answer.json["hyperparams"] == {"model_parallel_rdus": 4}


def test_more_than_is_free_is_a_warning_and_no_refusal(rest: Rest) -> None:
    answer = rest.owen.post("/api/endpoints", {**WISH, "instances": 10})
    assert answer.status == 200
    (warning,) = answer.json["warnings"]
    assert warning.startswith("Insufficient RDUs in a single node: 2 of 10 instances will be Awaiting RDU")


BAD = [
    ({"endpoint_name": ""}, "endpoint_name", 400),
    ({"endpoint_name": "x" * 64}, "endpoint_name", 400),
    ({"endpoint_name": "a/b"}, "endpoint_name", 400),
    ({"description": "x" * 501}, "description", 400),
    ({"project": "none"}, "project", 404),
    ({"project": ""}, "project", 404),
    ({"model_checkpoint": ""}, "model_checkpoint", 400),
    ({"model_checkpoint": "none"}, "model_checkpoint", 404),
    ({"model_checkpoint": "Tiny-Base"}, "model_checkpoint", 400),
    ({"model_checkpoint": "Tiny-Base", "rdu_arch": None}, "model_checkpoint", 400),
    ({"model_version": "9"}, "model_version", 400),
    ({"model_version": 0}, "model_version", 400),
    ({"rdu_arch": "SN99"}, "rdu_arch", 400),
    ({"instances": -1}, "instances", 400),
    ({"instances": 1001}, "instances", 400),
    ({"instances": 10**30}, "instances", 400),
    ({"instances": 1.5}, "instances", 400),
    ({"instances": "many"}, "instances", 400),
    ({"instances": None}, "instances", 400),
    ({"hyperparams": {"speed": 1}}, "hyperparams.speed", 400),
    ({"hyperparams": {"model_parallel_rdus": 17}}, "hyperparams.model_parallel_rdus", 400),
    ({"hyperparams": "{"}, "hyperparams", 400),
    ({"hyperparams": "[1]"}, "hyperparams", 400),
    ({"hyperparams": [1]}, "hyperparams", 400),
    ({"surprise": 1}, "surprise", 400),
]


@pytest.mark.parametrize(("change", "field", "status"), BAD)
def test_bad_input_names_its_field_and_does_nothing(
    rest: Rest, change: dict[str, Any], field: str, status: int
) -> None:
    answer = rest.owen.post("/api/endpoints", WISH | change)
    assert (error_of(answer)[0], list(answer.json["fields"])) == (status, [field])
    assert not Endpoint.objects.exists()
    assert not Event.objects.filter(thing_type="endpoint").exists()


def test_a_taken_name_is_409(rest: Rest, hello: dict[str, Any]) -> None:
    answer = rest.owen.post("/api/endpoints", {**WISH, "endpoint_name": "HELLO"})
    assert error_of(answer) == (409, "conflict", {"endpoint_name": "This name is taken."})


def test_in_a_project_one_may_only_view(rest: Rest, demo: Project) -> None:
    Project.objects.update(general_access="tenant_viewer")
    assert error_of(rest.mila.post("/api/endpoints", WISH))[:2] == (403, "forbidden")


# Plan


def test_plan_shows_where_it_would_land_and_does_nothing(rest: Rest) -> None:
    wish = {name: value for name, value in WISH.items() if name != "endpoint_name"}
    answer = rest.owen.post("/api/plan", {**wish, "instances": 9}).json
    assert answer["placed"] == [{"instance": number, "node": "sn40l-1"} for number in range(1, 9)]
    (waiting,) = answer["waiting"]
    assert waiting["instance"] == 9
    assert waiting["sentence"]
    numbers = ("rdus_per_instance", "rdus_required", "rdus_total", "rdus_available", "widest_free")
    assert [answer[name] for name in numbers] == [1, 9, 8, 8, 8]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_plan_in_a_project_of_others_is_404(rest: Rest, who: str) -> None:
    wish = {name: value for name, value in WISH.items() if name != "endpoint_name"}
    assert list(error_of(getattr(rest, who).post("/api/plan", wish))[2]) == ["project"]


# Look


def test_info_by_name_id_and_project(rest: Rest, hello: dict[str, Any], demo: Project) -> None:
    for name, project in [("hello", "demo"), ("HELLO", None), (hello["id"], None), ("hello", str(demo.pk))]:
        answer = rest.owen.get(f"/api/endpoints/{name}", **({"project": project} if project else {}))
        assert answer.json == hello


def test_info_tells_how_many_are_ready(rest: Rest, hello: dict[str, Any]) -> None:
    ready(hello["id"])
    answer = rest.owen.get("/api/endpoints/hello").json
    assert (answer["status"], answer["instances_ready"]) == ("Live", 1)


def test_info_tells_why_it_waits(rest: Rest, hello: dict[str, Any]) -> None:
    reason = {"code": "none_free", "rdus": 1, "total": 8, "position": 3}
    Instance.objects.update(reason=reason)
    answer = rest.owen.get("/api/endpoints/hello").json
    assert answer["status"] == "AwaitingRDU"
    assert answer["waiting"] == [
        {"instance": 1, "reason": "none_free", "sentence": answer["status_reason"], "position": 3}
    ]
    assert "8 SN40L RDUs are in use" in answer["status_reason"]


def test_a_name_in_several_projects_lists_them(rest: Rest, hello: dict[str, Any]) -> None:
    rest.owen.post("/api/projects", {"name": "second"})
    rest.owen.post("/api/endpoints", {**WISH, "project": "second"})
    answer = rest.owen.get("/api/endpoints/hello")
    assert list(error_of(answer)[2]) == ["project"]
    assert f"demo/hello ({hello['id']})" in answer.json["message"]
    assert rest.owen.get("/api/endpoints/hello", project="second").json["project_name"] == "second"


def test_who_sees_it_and_its_key(rest: Rest, hello: dict[str, Any]) -> None:
    for who in ("olga", "tina", "owen"):
        assert getattr(rest, who).get("/api/endpoints/hello").json["api_key"] == hello["api_key"]
    for who in ("mila", "oskar", "otto"):
        for name in ("hello", hello["id"]):
            assert error_of(getattr(rest, who).get(f"/api/endpoints/{name}"))[:2] == (404, "not_found")


def test_a_viewer_sees_keys_masked(rest: Rest, hello: dict[str, Any]) -> None:
    Project.objects.update(general_access="tenant_viewer")
    answer = rest.mila.get("/api/endpoints/hello").json
    assert answer["api_key"] == f"{hello['api_key'][:8]}-••••"
    assert rest.mila.get("/api/endpoints/hello/apikeys").json["api_keys"] == answer["api_keys"]


def test_showing_keys_is_audited(rest: Rest, hello: dict[str, Any]) -> None:
    rest.tina.get("/api/endpoints/hello")
    rest.tina.get("/api/endpoints/hello/apikeys")
    event = Event.objects.get(verb="show key", actor_name="tina")
    assert event.thing_name == "hello"
    assert hello["api_key"] not in str(event.changes)


def test_list_apikeys_newest_first_and_the_first_key_last(rest: Rest, hello: dict[str, Any]) -> None:
    first = ApiKey.objects.get()
    ApiKey.objects.create(
        endpoint=first.endpoint, owner=first.owner, description="revoked", digest=b"1", prefix="12345678",
        revoked_at=first.created_at,
    )  # fmt: skip
    answer = rest.owen.get("/api/endpoints/hello/apikeys", project="demo").json
    assert answer["next"] is None
    assert [(key["description"], key["status"]) for key in answer["api_keys"]] == [
        ("revoked", "Revoked"),
        ("First Key", "Live"),
    ]
    assert answer["api_keys"][0]["api_key"] == "12345678-••••"


# Change, stop, restart, delete


def test_update_changes_what_is_named(rest: Rest, hello: dict[str, Any]) -> None:
    answer = rest.owen.patch(
        "/api/endpoints/hello", {"description": "New text", "instances": 3}, project="demo"
    )
    assert answer.status == 200
    changed = {"description": "New text", "instances": 3, "instances_wanted": 3, "spec_version": 2}
    assert {name: answer.json[name] for name in changed} == changed
    assert answer.json["model_version"] == "2"


def test_update_moves_to_another_version_and_generation(rest: Rest, hello: dict[str, Any]) -> None:
    answer = rest.owen.patch("/api/endpoints/hello", {"model_version": 1, "rdu_arch": "sn30"}).json
    assert (answer["model_version"], answer["arch"]) == ("1", "SN30")


def test_update_of_an_old_spec_is_409(rest: Rest, hello: dict[str, Any]) -> None:
    rest.owen.patch("/api/endpoints/hello", {"instances": 2, "spec_version": 1})
    answer = rest.tina.patch("/api/endpoints/hello", {"instances": 3, "spec_version": 1})
    assert error_of(answer)[:2] == (409, "conflict")
    assert Endpoint.objects.get().instances == 2


@pytest.mark.parametrize(
    ("change", "field", "status"),
    [
        ({"instances": -1}, "instances", 400),
        ({"instances": 1001}, "instances", 400),
        ({"instances": "many"}, "instances", 400),
        ({"model_checkpoint": "none"}, "model_checkpoint", 404),
        ({"model_checkpoint": "Tiny-Base"}, "model_checkpoint", 400),
        ({"model_version": 9}, "model_version", 400),
        ({"rdu_arch": "SN99"}, "rdu_arch", 400),
        ({"description": "x" * 501}, "description", 400),
        ({"endpoint_name": "other"}, "endpoint_name", 400),
    ],
)
def test_a_bad_change_names_its_field_and_does_nothing(
    rest: Rest, hello: dict[str, Any], change: dict[str, Any], field: str, status: int
) -> None:
    answer = rest.owen.patch("/api/endpoints/hello", {"description": "New text"} | change)
    assert (error_of(answer)[0], list(answer.json["fields"])) == (status, [field])
    assert rest.owen.get("/api/endpoints/hello").json == hello


def test_stop_keeps_the_wish_and_restart_starts_again(rest: Rest, hello: dict[str, Any]) -> None:
    stopped = rest.owen.post("/api/endpoints/hello/stop", project="demo").json
    assert (stopped["status"], stopped["instances"], stopped["instances_wanted"]) == ("Stopped", 0, 1)
    again = rest.owen.post("/api/endpoints/hello/stop").json
    assert again == stopped
    restarted = rest.owen.post("/api/endpoints/hello/restart").json
    assert (restarted["status"], restarted["instances"]) == ("SettingUp", 1)


def test_delete_frees_the_name(rest: Rest, hello: dict[str, Any]) -> None:
    answer = rest.owen.delete("/api/endpoints/hello", project="demo")
    assert (answer.status, answer.json["name"], answer.json["status"]) == (200, "hello", "Deleting")
    assert error_of(rest.owen.get("/api/endpoints/hello"))[0] == 404
    assert error_of(rest.owen.delete(f"/api/endpoints/{hello['id']}"))[0] == 404
    assert rest.owen.post("/api/endpoints", WISH).status == 200


def each_change(rest: Rest, who: str) -> list[Answer]:
    person = getattr(rest, who)
    return [
        person.patch("/api/endpoints/hello", {"instances": 2}),
        person.post("/api/endpoints/hello/stop"),
        person.post("/api/endpoints/hello/restart"),
        person.delete("/api/endpoints/hello"),
    ]


@pytest.mark.parametrize("who", ["mila", "oskar", "otto"])
def test_whoever_may_not_know_of_it_gets_404(rest: Rest, hello: dict[str, Any], who: str) -> None:
    for answer in each_change(rest, who):
        assert error_of(answer)[:2] == (404, "not_found")
    assert rest.owen.get("/api/endpoints/hello").json == hello


def test_a_viewer_gets_403(rest: Rest, hello: dict[str, Any]) -> None:
    Project.objects.update(general_access="tenant_viewer")
    for answer in each_change(rest, "mila"):
        assert error_of(answer)[:2] == (403, "forbidden")
    assert rest.owen.get("/api/endpoints/hello").json == hello


def test_an_editor_changes_but_does_not_delete(rest: Rest, hello: dict[str, Any]) -> None:
    Project.objects.update(general_access="tenant_editor")
    assert [answer.status for answer in each_change(rest, "mila")] == [200, 200, 200, 403]


@pytest.mark.parametrize("who", ["olga", "tina", "owen"])
def test_admins_and_the_owner_do_everything(rest: Rest, hello: dict[str, Any], who: str) -> None:
    assert [answer.status for answer in each_change(rest, who)] == [200, 200, 200, 200]
