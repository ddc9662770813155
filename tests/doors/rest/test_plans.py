"""`POST /api/endpoints/{endpoint}/plan`: how a change would be applied, and nothing of it done."""

from typing import Any

import pytest

from endpoints.models import Endpoint
from studio.projects.models import Project
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}
PATH = "/api/endpoints/hello/plan"


@pytest.fixture
def hello(rest: Rest) -> dict[str, Any]:
    return rest.owen.post("/api/endpoints", WISH).json


def test_more_instances(rest: Rest, hello: dict[str, Any]) -> None:
    plan = rest.owen.post(PATH, {"instances": 10}).json
    numbers = ("kept", "opens", "ends", "rdus_required")
    assert (plan["effect"], *(plan[name] for name in numbers)) == ("more", 1, 9, 0, 10)
    assert [each["instance"] for each in plan["waiting"]] == [9, 10]
    assert plan["warnings"][0].startswith("Insufficient RDUs in a single node")
    assert rest.owen.get("/api/endpoints/hello").json == hello


@pytest.mark.parametrize(
    ("change", "effect"),
    [({"description": "New"}, "untouched"), ({}, "nothing"), ({"instances": 0}, "stops")],
)
def test_what_touches_little(rest: Rest, hello: dict[str, Any], change: dict[str, Any], effect: str) -> None:
    plan = rest.owen.post(PATH, change, project="demo").json
    assert (plan["effect"], plan["opens"]) == (effect, 0)
    assert plan["sentence"].endswith(".")


def test_another_version_names_it(rest: Rest, hello: dict[str, Any]) -> None:
    plan = rest.owen.post(PATH, {"model_version": "1", "rdu_arch": "SN30"}).json
    assert (plan["model_version"], plan["arch"]) == ("1", "SN30")
    assert Endpoint.objects.get().generation_id == "SN40L"


def test_what_the_change_would_be_refused_for_refuses_its_plan(rest: Rest, hello: dict[str, Any]) -> None:
    for wrong in (-1, False, 1.5, "many", [1]):
        assert list(error_of(rest.owen.post(PATH, {"instances": wrong}))[2]) == ["instances"]
    assert list(error_of(rest.owen.post(PATH, {"model_version": "9"}))[2]) == ["model_version"]
    for who in ("mila", "oskar", "otto"):
        assert error_of(getattr(rest, who).post(PATH, {"instances": 2}))[0] == 404
    Project.objects.update(general_access="tenant_viewer")
    assert error_of(rest.mila.post(PATH, {"instances": 2}))[0] == 403
