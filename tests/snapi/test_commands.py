"""The other commands, and what all of them have in common."""

import json
from typing import Any

import pytest
import typer

from snapi.main import app
from tests.snapi import answers
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

CREATE = ["endpoint", "create", "-p", "demo", "-n", "hav2", "-m", "GPT"]


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def walk(command: Any, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found.append(path)
        for name, child in (children or {}).items():
            walk(child, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(command: tuple[str, ...], run: Run) -> None:
    result = run(*command, "--help")
    assert result.code == 0
    assert f"Example:\n    snapi {' '.join(command)}" in result.out
    assert "--json" in result.out


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        ("tenant list", "GET", "/api/tenants", {"data": [answers.TENANT], "next": None}),
        ("tenant info -t default", "GET", "/api/tenants/default", {"data": answers.TENANT}),
        ("app list", "GET", "/api/apps", {"apps": [{"id": "1", "name": "Help"}], "next": None}),
        ("model list", "GET", "/api/models", {"models": [answers.DEPLOYABLE], "next": None}),
        ("model info -m GPT", "GET", "/api/models/GPT", answers.DEPLOYABLE),
        ("project list", "GET", "/api/projects", {"projects": [answers.PROJECT], "next": None}),
        ("project create -p demo", "POST", "/api/projects", answers.PROJECT),
        ("project info -p demo", "GET", "/api/projects/demo", answers.PROJECT),
        ("endpoint list", "GET", "/api/endpoints", {"endpoints": [answers.LIVE], "next": None}),
        ("endpoint info -e hav2", "GET", "/api/endpoints/hav2", answers.LIVE),
        ("endpoint create -p demo -n hav2 -m GPT", "POST", "/api/endpoints", answers.SETTING_UP),
        ("endpoint plan -p demo -m GPT", "POST", "/api/plan", answers.PLAN),
        ("endpoint update -e hav2 -i 2", "PATCH", "/api/endpoints/hav2", answers.LIVE),
        ("endpoint stop -e hav2", "POST", "/api/endpoints/hav2/stop", answers.STOPPED_ENDPOINT),
        ("endpoint restart -e hav2", "POST", "/api/endpoints/hav2/restart", answers.SETTING_UP),
        ("endpoint share -e hav2", "GET", "/api/endpoints/hav2/share", answers.SHARES),
        ("project share -p demo", "GET", "/api/projects/demo/share", answers.SHARES),
        ("model share -m GPT", "GET", "/api/models/GPT/share", answers.SHARES),
        ("organization info", "GET", "/api/organization", answers.ORGANIZATION),
        ("organization update --all-tenants", "PATCH", "/api/organization", answers.ORGANIZATION),
        ("endpoint delete -e hav2", "DELETE", "/api/endpoints/hav2", answers.STOPPED_ENDPOINT),
        (
            "endpoint list-apikeys -e hav2",
            "GET",
            "/api/endpoints/hav2/apikeys",
            {"api_keys": [], "next": None},
        ),
    ],
)
def test_json_prints_exactly_the_answer_and_text_is_for_people(
    studio: FakeStudio, run: Run, arguments: str, method: str, path: str, body: dict[str, Any]
) -> None:
    studio.answer(method, path, body)
    as_json = run(*arguments.split(), "--json")
    assert (as_json.code, json.loads(as_json.out)) == (0, body)
    as_text = run(*arguments.split())
    assert as_text.code == 0
    assert as_text.out.strip()
    assert not as_text.out.startswith("{")


def test_long_lists_page_by_themselves(studio: FakeStudio, run: Run) -> None:
    first, second = answers.LIVE | {"name": "first"}, answers.LIVE | {"name": "second"}
    studio.answer("GET", "/api/endpoints", {"endpoints": [first], "next": "after-first"})
    studio.answer("GET", "/api/endpoints", {"endpoints": [second], "next": None})
    result = run("endpoint", "list", "--project", "demo", "--json")
    assert json.loads(result.out) == {"endpoints": [first, second], "next": None}
    assert studio.asked[1].query == {"project": "demo", "cursor": "after-first"}


def test_lists_are_grid_tables_with_dates_and_the_products_words(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/endpoints", {"endpoints": [answers.AWAITING], "next": None})
    lines = run("endpoint", "list").out.splitlines()
    assert lines[1] == "List of Endpoints"
    assert "| 07 Sep, 2023 |" in lines[6]
    assert "| Awaiting RDU |" in lines[6]


def test_names_travel_as_they_are(studio: FakeStudio, run: Run) -> None:
    studio.answer("GET", "/api/projects/my project/1", answers.PROJECT)
    assert run("project", "info", "-p", "my project/1").code == 0


def test_hyperparams_are_a_json_object(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/endpoints", answers.SETTING_UP)
    assert run(*CREATE, "--hyperparams", '{"model_parallel_rdus": "8"}').code == 0
    assert studio.asked[0].body["hyperparams"] == {"model_parallel_rdus": "8"}
    for wrong in ("{", "[1]"):
        result = run(*CREATE, "--hyperparams", wrong)
        assert result.code == 2
        assert result.err.startswith("--hyperparams ")


def test_a_warning_is_one_line_on_stderr(studio: FakeStudio, run: Run) -> None:
    warning = answers.PLAN["warnings"]
    studio.answer("POST", "/api/endpoints", answers.AWAITING | {"warnings": warning})
    result = run(*CREATE)
    assert result.out.startswith("Successfully")
    assert result.out.count("\n") == 1
    assert result.err == f"warning: {warning[0]}\n"


def test_plan_shows_where_instances_land_and_why_others_wait(studio: FakeStudio, run: Run) -> None:
    studio.answer("POST", "/api/plan", answers.PLAN)
    result = run("endpoint", "plan", "-p", "demo", "-m", "Help", "-i", "2")
    assert "RDUs for all instances : 16\n" in result.out
    assert "| sn40l-1 " in result.out
    assert "| 3 RDUs are free in sn40l-2. " in result.out
    assert "warning" in result.err


def test_update_with_plan_only_shows_how(studio: FakeStudio, run: Run) -> None:
    told = answers.PLAN | {"effect": "more", "sentence": "1 more starts.", "kept": 1, "opens": 1, "ends": 0}
    studio.answer("POST", "/api/endpoints/hav2/plan", told)
    result = run("endpoint", "update", "-e", "hav2", "-i", "2", "--plan")
    assert "How : 1 more starts.\nInstances that go on : 1\n" in result.out
    assert "| sn40l-1 " in result.out
    assert [asked.method for asked in studio.asked] == ["POST"]
