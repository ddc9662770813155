"""The audit by REST: for admins, narrowed, in pages; and what was done to projects and models."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from studio.audit.models import Event
from studio.audit.services import record
from studio.projects.models import Project
from studio.projects.services import edit_project
from studio.tenants.rules import STUDIO
from studio.tenants.selectors import actor_of
from tests.doors.rest.conftest import NOW, Rest, error_of


def write(rest: Rest, tenant: str, **facts: Any) -> Event:
    told = {"verb": "edit", "thing": "endpoint", "thing_id": uuid4(), "name": "hello", "who": STUDIO} | facts
    home = rest.tenants[tenant].pk if tenant else None
    who, changes = told.pop("who"), told.pop("changes", None)
    return record(
        who,
        told["verb"],
        told["thing"],
        told["thing_id"],
        told["name"],
        tenant=home,
        role="owner",
        changes=changes,
    )


@pytest.fixture
def rows(rest: Rest) -> dict[str, int]:
    owen = actor_of(rest.people["owen"], address="192.0.2.7", request_id="request-0001")
    return {
        "ours": write(rest, "default", who=owen, changes={"instances": [1, 2]}).pk,
        "stopped": write(rest, "default", verb="stop", name="other").pk,
        "theirs": write(rest, "research").pk,
        "platform": write(rest, "", thing="node", name="n1").pk,
    }


def ids(answer: Any) -> list[int]:
    assert answer.status == 200, answer.json
    return [entry["id"] for entry in answer.json["entries"]]


def test_olga_reads_all_and_tina_what_happened_in_her_tenant(rest: Rest, rows: dict[str, int]) -> None:
    everything = ids(rest.olga.get("/api/audit"))
    assert set(rows.values()) <= set(everything)
    assert everything == sorted(everything, reverse=True)
    hers = ids(rest.tina.get("/api/audit"))
    assert (rows["ours"] in hers, rows["theirs"] in hers, rows["platform"] in hers) == (True, False, False)


@pytest.mark.parametrize(("name", "status"), [("owen", 403), ("mila", 403), ("oskar", 403), ("otto", 403)])
def test_nobody_else_does(rest: Rest, name: str, status: int) -> None:
    code, _, _ = error_of(getattr(rest, name).get("/api/audit"))
    assert code == status
    assert rest.nobody.get("/api/audit").status == 401


def test_tina_finds_nothing_of_another_tenant_whatever_she_asks(rest: Rest, rows: dict[str, int]) -> None:
    research = str(rest.tenants["research"].pk)
    assert ids(rest.tina.get("/api/audit", tenant=research)) == []
    assert ids(rest.tina.get("/api/audit", tenant="research")) == []
    theirs = str(Event.objects.get(pk=rows["theirs"]).thing_id)
    assert ids(rest.tina.get("/api/audit", thing=theirs)) == []


def test_an_entry_says_everything(rest: Rest, rows: dict[str, int]) -> None:
    entry = rest.tina.get("/api/audit", person="OWEN", verb="edit").json["entries"][0]
    assert entry | {"time": "", "thing_id": ""} == {
        "id": rows["ours"], "time": "", "tenant_id": str(rest.tenants["default"].pk), "tenant_name": "default",
        "actor_id": str(rest.people["owen"].pk), "actor": "owen", "role": "owner", "address": "192.0.2.7",
        "request_id": "request-0001", "verb": "edit", "thing": "endpoint", "thing_id": "", "thing_name": "hello",
        "changes": {"instances": [1, 2]}, "position": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({"person": "owen"}, ["ours"]),
        ({"person": "Studio", "verb": "stop"}, ["stopped"]),
        ({"person": "nobody"}, []),
        ({"verb": "stop"}, ["stopped"]),
        ({"kind": "node"}, ["platform"]),
        ({"thing": "other"}, ["stopped"]),
        ({"tenant": "research", "kind": "endpoint"}, ["theirs"]),
        ({"since": "1h", "verb": "stop"}, ["stopped"]),
        ({"until": "1h"}, []),
        ({"since": "2999-01-01T00:00:00Z"}, []),
    ],
)
def test_it_is_narrowed(rest: Rest, rows: dict[str, int], narrowed: dict[str, str], found: list[str]) -> None:
    assert ids(rest.olga.get("/api/audit", **narrowed)) == [rows[name] for name in found]


def test_a_person_is_found_by_the_name_they_have_now(rest: Rest, rows: dict[str, int]) -> None:
    rest.people["owen"].username = "owen2"
    rest.people["owen"].save()
    assert ids(rest.olga.get("/api/audit", person="owen2")) == [rows["ours"]]
    assert ids(rest.olga.get("/api/audit", person=str(rest.people["owen"].pk))) == [rows["ours"]]


def test_its_pages_hold_every_row_once(rest: Rest, rows: dict[str, int]) -> None:
    seen: list[int] = []
    answer = rest.olga.get("/api/audit", limit=2)
    while True:
        seen += ids(answer)
        if not answer.json["next"]:
            break
        answer = rest.olga.get("/api/audit", limit=2, cursor=answer.json["next"])
    assert seen == list(Event.objects.order_by("-id").values_list("pk", flat=True))
    assert error_of(rest.olga.get("/api/audit", since="soon"))[0] == 400


def test_what_was_done_to_a_project_is_for_who_may_see_it(rest: Rest, demo: Project) -> None:
    edit_project(actor=actor_of(rest.people["owen"]), project=demo, description="new", now=NOW)
    at = f"/api/projects/{demo.pk}/events"
    assert [event["verb"] for event in rest.owen.get(at).json["events"]] == ["edit"]
    assert rest.tina.get(at).status == 200
    assert error_of(rest.mila.get(at))[0] == 404
    assert error_of(rest.oskar.get(at))[0] == 404


def test_what_was_done_to_a_model_is_for_who_may_see_it(rest: Rest, hub: Any) -> None:
    record(STUDIO, "import", "model", UUID(str(hub.pk)), hub.name, tenant=None, role="platform")
    for name in ("owen", "oskar"):
        answer = getattr(rest, name).get("/api/models/Help/events")
        assert [event["verb"] for event in answer.json["events"]] == ["import"]
    assert error_of(rest.owen.get("/api/models/None/events"))[0] == 404
