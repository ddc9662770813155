"""Tenants, projects, ML Apps and models through the management API."""

import pytest

from studio.hub.models import Model
from studio.projects.models import Project
from tests.doors.rest.conftest import Rest, error_of

UNKNOWN = "00000000-0000-4000-8000-000000000000"

# Tenants


def test_everybody_lists_the_tenants_they_belong_to(rest: Rest) -> None:
    assert [each["tenant_name"] for each in rest.olga.get("/api/tenants").json["data"]] == [
        "default",
        "research",
    ]
    assert [each["tenant_name"] for each in rest.owen.get("/api/tenants").json["data"]] == ["default"]


@pytest.mark.parametrize(("who", "role"), [("olga", "OrgAdmin"), ("tina", "TenantAdmin"), ("owen", "member")])
def test_a_tenant_says_ones_role_in_it(rest: Rest, who: str, role: str) -> None:
    for path in ("/api/tenant", "/api/tenants/default"):
        assert getattr(rest, who).get(path).json["data"]["role"] == role


def test_another_tenant_is_404(rest: Rest) -> None:
    assert error_of(rest.oskar.get("/api/tenants/default"))[:2] == (404, "not_found")


@pytest.mark.usefixtures("hub")
def test_a_tenant_lists_the_generations_that_exist(rest: Rest) -> None:
    rdus = rest.owen.get("/api/tenants/default").json["data"]["rdus"]
    room = {"total": 8, "available": 8, "widest_free": 8}
    assert rdus == [{"arch": "SN40L", **room, "held": 0, "guaranteed": 0, "maximum": None}]


# Projects


def test_create_a_project(rest: Rest) -> None:
    answer = rest.owen.post("/api/projects", {"name": " translate ", "description": "Letters"})
    assert answer.status == 200
    project = Project.objects.get()
    assert answer.json == {
        "id": str(project.pk),
        "name": "translate",
        "description": "Letters",
        "status": "Available",
        "tenant_id": str(rest.tenants["default"].pk),
        "tenant_name": "default",
        "metadata": {"owner": "owen"},
        "time_created": answer.json["time_created"],
        "time_updated": answer.json["time_created"],
    }
    assert answer.json["time_created"].endswith("+00:00")
    assert rest.owen.get("/api/projects").json == {"projects": [answer.json], "next": None}
    for name in (project.pk, "translate", "TRANSLATE"):
        assert rest.owen.get(f"/api/projects/{name}").json == answer.json


@pytest.mark.parametrize("name", ["", " ", "a" * 64, "a/b", "ü", "a.b", "a\nb"])
def test_a_name_against_the_rule(rest: Rest, name: str) -> None:
    status, code, fields = error_of(rest.owen.post("/api/projects", {"name": name}))
    assert (status, code, list(fields)) == (400, "invalid", ["name"])
    assert "1 to 63 letters" in fields["name"]
    assert not Project.objects.exists()


@pytest.mark.usefixtures("demo")
def test_a_taken_name_is_409(rest: Rest) -> None:
    assert error_of(rest.tina.post("/api/projects", {"name": "DEMO"}))[:2] == (409, "conflict")


def test_a_description_too_long(rest: Rest) -> None:
    answer = rest.owen.post("/api/projects", {"name": "a", "description": "x" * 501})
    assert list(error_of(answer)[2]) == ["description"]


def test_who_sees_a_project(rest: Rest, demo: Project) -> None:
    for who in ("olga", "tina", "owen"):
        assert getattr(rest, who).get(f"/api/projects/{demo.pk}").status == 200
    for who in ("mila", "oskar", "otto"):
        for name in (str(demo.pk), "demo", UNKNOWN, "x" * 300):
            assert error_of(getattr(rest, who).get(f"/api/projects/{name}"))[:2] == (404, "not_found")
        assert getattr(rest, who).get("/api/projects").json["projects"] == []


def test_projects_by_name(rest: Rest, demo: Project) -> None:
    assert len(rest.owen.get("/api/projects", name="Demo").json["projects"]) == 1
    assert rest.owen.get("/api/projects", name="other").json["projects"] == []


# ML Apps and models


def test_apps(rest: Rest, hub: Model) -> None:
    listed = rest.oskar.get("/api/apps").json["apps"]
    assert [each["name"] for each in listed] == ["Tiny Chat"]
    for name in ("tiny chat", listed[0]["id"]):
        assert rest.oskar.get(f"/api/apps/{name}").json == {"apps": listed[0]}
    assert error_of(rest.oskar.get("/api/apps/none"))[:2] == (404, "not_found")


def test_a_model_and_where_it_can_be_deployed(rest: Rest, hub: Model) -> None:
    model = rest.owen.get("/api/models/help").json
    assert model["model_id"] == str(hub.pk)
    assert (model["model_checkpoint_name"], model["version"], model["versions"]) == ("Help", "2", ["1", "2"])
    assert (model["jobTypes"], model["archs"]) == (["deploy"], ["SN40L", "SN30"])
    assert list(model["hyperparams"]["deploy"]) == ["sn40l", "sn30"]
    parameter = model["hyperparams"]["deploy"]["sn40l"]["user_params"][0]
    assert parameter["FIELD_NAME"] == "model_parallel_rdus"
    assert parameter["TYPE_SPECIFIC_SETTINGS"]["deploy"]["DEFAULT"] == "1"
    assert parameter["CONSTRAINTS"] == {"ge": 1, "le": 16}
    assert (model["sambanova_provided"], model["status"], model["steps"]) == (True, "Available", 200)
    assert rest.owen.get(f"/api/models/{hub.pk}").json == model


def test_an_older_version_of_a_model(rest: Rest, hub: Model) -> None:
    assert rest.owen.get("/api/models/Help", version="1").json["steps"] == 100
    status, _, fields = error_of(rest.owen.get("/api/models/Help", version="9"))
    assert (status, list(fields)) == (400, ["model_version"])


@pytest.mark.usefixtures("hub")
def test_a_base_model_lacks_deploy(rest: Rest) -> None:
    model = rest.owen.get("/api/models/Tiny-Base", job_type="deploy").json
    assert (model["jobTypes"], model["hyperparams"]) == ([], {"deploy": {}})


@pytest.mark.usefixtures("hub")
def test_another_job_type_has_no_parameters(rest: Rest) -> None:
    assert rest.owen.get("/api/models/Help", job_type="train").json["hyperparams"] == {"train": {}}


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["Help", "Tiny-Base"]),
        ({"job_type": "deploy"}, ["Help"]),
        ({"job_type": "train"}, []),
        ({"app": "Tiny Chat"}, ["Help", "Tiny-Base"]),
        ({"name": "HELP"}, ["Help"]),
    ],
)
def test_models_narrowed(rest: Rest, query: dict[str, str], names: list[str]) -> None:
    listed = rest.mila.get("/api/models", **query).json["models"]
    assert [each["model_checkpoint_name"] for each in listed] == names


@pytest.mark.usefixtures("hub")
def test_models_of_an_unknown_app(rest: Rest) -> None:
    assert error_of(rest.mila.get("/api/models", app="none"))[0] == 404


def test_a_private_model_of_another_tenant_is_404(rest: Rest, hub: Model) -> None:
    Model.objects.filter(pk=hub.pk).update(owner=rest.people["owen"], tenant=rest.tenants["default"])
    assert error_of(rest.oskar.get("/api/models/Help"))[:2] == (404, "not_found")
    assert rest.owen.get("/api/models/Help").json["owner"] == "owen"
