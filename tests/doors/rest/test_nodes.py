"""Nodes through the management API: everybody lists them, operators and OrgAdmins change them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from endpoints.models import Endpoint
from scheduler.models import Instance, Node
from scheduler.placing import place_pending
from studio import keyring
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

VERBS = ["cordon", "uncordon", "drain", "undrain", "remove"]
NEW = {"name": "sn40l-2", "arch": "sn40l", "rdus": 8}


@pytest.fixture
def hello(rest: Rest, hub: object, demo: object) -> Endpoint:
    """owen's, on two RDUs of sn40l-1."""
    spec = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
    made = rest.owen.post("/api/endpoints", spec | {"hyperparams": {"model_parallel_rdus": 2}}).json
    place_pending("SN40L")
    Instance.objects.update(state="ready")
    return Endpoint.objects.get(pk=made["id"])


def test_who_lists_nodes_sees_which_names(rest: Rest, hello: Endpoint) -> None:
    held = {"state": "ready", "rdus": [0, 1]}
    for who, (name, known) in {
        "owen": ("hello", True),
        "olga": ("hello", True),
        "mila": ("this tenant", False),
        "otto": ("this tenant", False),
        "oskar": ("another tenant", False),
    }.items():
        (node,) = getattr(rest, who).get("/api/nodes").json["nodes"]
        assert (node["name"], node["arch"], node["rdus"], node["free"], node["state"]) == (
            "sn40l-1",
            "SN40L",
            8,
            6,
            "ready",
        )
        endpoint, instance = (str(hello.pk), 1) if known else (None, None)
        assert node["instances"] == [{"held_by": name, "endpoint_id": endpoint, "instance": instance, **held}]


def test_what_only_operators_are_told(rest: Rest) -> None:
    Node.objects.update(address="10.0.0.4", machine="rack-1", refusal="It may not.", intruder="x")
    facts = ("address", "machine", "refusal", "intruder")
    (node,) = rest.otto.get("/api/nodes").json["nodes"]
    assert [node[fact] for fact in facts] == ["10.0.0.4", "rack-1", "It may not.", True]
    (node,) = rest.owen.get("/api/nodes").json["nodes"]
    assert [node[fact] for fact in facts] == [None] * 4
    assert rest.nobody.get("/api/nodes").status == 401


def test_nodes_are_filtered_and_paged(rest: Rest) -> None:
    for number in (2, 3):
        rest.otto.post("/api/nodes", NEW | {"name": f"sn40l-{number}"})
    names = [each["name"] for each in rest.owen.get("/api/nodes", state="joining").json["nodes"]]
    assert names == ["sn40l-2", "sn40l-3"]
    assert rest.owen.get("/api/nodes", arch="sn30").json["nodes"] == []
    first = rest.owen.get("/api/nodes", arch="sn40l", limit=2).json
    second = rest.owen.get("/api/nodes", arch="sn40l", limit=2, cursor=first["next"]).json
    assert [each["name"] for each in second["nodes"]] == ["sn40l-3"]


def test_more_nodes_take_no_more_queries(rest: Rest, hello: Endpoint) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            rest.owen.get("/api/nodes")
        return len(captured)

    few = queries()
    for number in range(2, 9):
        rest.otto.post("/api/nodes", NEW | {"name": f"sn40l-{number}"})
    assert queries() == few


@pytest.mark.parametrize("who", ["olga", "otto"])
def test_a_node_is_added_and_its_token_shown_this_once(rest: Rest, who: str) -> None:
    answer = getattr(rest, who).post("/api/nodes", NEW | {"virtual": True, "address": "10.0.0.4"})
    node = Node.objects.get(name="sn40l-2")
    assert (answer.status, answer.json["state"], answer.json["virtual"]) == (200, "joining", True)
    join = answer.json["join"]
    assert join["token"] == keyring.open_value(node.sealed_token, "join")
    assert join["command"].startswith("STUDIO_NODE=sn40l-2 ")
    assert "STUDIO_NODE_ADDRESS=10.0.0.4" in join["command"]
    assert join["token"] not in join["command"]
    assert join["token"] not in str(rest.olga.get("/api/nodes").json)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", {"name": "two words"}),
        ("arch", {"arch": "SN99"}),
        ("rdus", {"rdus": 0}),
        ("rdus", {"rdus": "many"}),
        ("address", {"address": "http://node"}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_fault_names_its_field(rest: Rest, field: str, typed: dict[str, object]) -> None:
    status, code, fields = error_of(rest.otto.post("/api/nodes", NEW | typed))
    assert (status, code, list(fields)) == (400, "invalid", [field])
    assert Node.objects.count() == 1


def test_a_taken_name_is_409(rest: Rest) -> None:
    assert error_of(rest.otto.post("/api/nodes", NEW | {"name": "SN40L-1"}))[:2] == (409, "conflict")


@pytest.mark.parametrize("who", ["tina", "owen", "mila", "oskar"])
def test_whoever_only_sees_nodes_may_not_manage_them(rest: Rest, who: str) -> None:
    someone = getattr(rest, who)
    assert error_of(someone.post("/api/nodes", NEW))[:2] == (403, "forbidden")
    for verb in VERBS:
        for name in ("sn40l-1", "nowhere"):
            assert error_of(someone.post(f"/api/nodes/{name}/{verb}"))[:2] == (403, "forbidden")
    assert Node.objects.get().intent == "ready"


@pytest.mark.parametrize("who", ["olga", "otto"])
def test_who_manages_nodes_does_all_of_it(rest: Rest, who: str) -> None:
    someone = getattr(rest, who)
    node = Node.objects.get()
    for verb, state in (
        ("cordon", "cordoned"),
        ("uncordon", "ready"),
        ("drain", "draining"),
        ("undrain", "ready"),
    ):
        answer = someone.post(f"/api/nodes/{node.pk if verb == 'drain' else 'SN40L-1'}/{verb}")
        assert (answer.status, answer.json["state"], answer.json["intent"]) == (200, state, state)
    answer = someone.post("/api/nodes/sn40l-1/remove")
    assert (answer.json["name"], answer.json["state"]) == ("sn40l-1", "removed")
    for verb in VERBS:
        assert error_of(someone.post(f"/api/nodes/sn40l-1/{verb}"))[:2] == (404, "not_found")


def test_a_node_that_answers_and_runs_something_is_not_removed(rest: Rest, hello: Endpoint) -> None:
    Node.objects.update(heard_at=hello.created_at)
    assert error_of(rest.otto.post("/api/nodes/sn40l-1/remove"))[:2] == (409, "conflict")
    Node.objects.update(state="lost")
    assert rest.otto.post("/api/nodes/sn40l-1/remove").json["instances"] == []


def test_a_node_is_kept_for_a_tenant_and_shared_again(rest: Rest) -> None:
    assert rest.olga.post("/api/nodes/sn40l-1/assign", {"tenant": "research"}).json["kept_for"] == "research"
    told = {
        who: getattr(rest, who).get("/api/nodes").json["nodes"][0]["kept_for"] for who in ("owen", "oskar")
    }
    assert told == {"owen": "another tenant", "oskar": "research"}
    assert rest.owen.get("/api/tenant").json["data"]["rdus"][0]["available"] == 0
    assert error_of(rest.olga.post("/api/nodes/sn40l-1/assign", {"tenant": "nowhere"}))[0] == 404
    assert rest.olga.post("/api/nodes/sn40l-1/assign", {}).json["kept_for"] == "shared"
    for who in ("tina", "owen", "otto", "oskar"):
        assert error_of(getattr(rest, who).post("/api/nodes/sn40l-1/assign", {}))[0] == 403
