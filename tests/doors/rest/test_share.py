"""`…/share` of endpoints, projects and models, and `/api/organization`."""

from typing import Any

import pytest

from studio.hub.models import Model
from studio.projects.models import Project
from studio.sharing.models import ProjectUserGrant
from tests.doors.rest.conftest import NOW, Rest, error_of

MILA = {"type": "user", "name": "mila", "role": "viewer"}


@pytest.fixture
def places(rest: Rest, demo: Project, hub: Model) -> dict[str, str]:
    made = rest.owen.post(
        "/api/endpoints", {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help"}
    )
    own = {"tenant": rest.tenants["default"], "owner": rest.people["owen"], "created_at": NOW}
    model = Model.objects.create(app=hub.app, name="Mine", publisher="owen", **own)
    model.versions.create(number=1, path="Mine/1")
    return {
        "project": "/api/projects/demo",
        "endpoint": f"/api/endpoints/{made.json['id']}",
        "model": f"/api/models/{model.pk}",
    }


@pytest.mark.parametrize("kind", ["project", "endpoint", "model"])
def test_a_whole_way(rest: Rest, places: dict[str, str], kind: str) -> None:
    at = f"{places[kind]}/share"
    first = rest.owen.get(at)
    assert (first.json["general_access"], first.json["shared_with"]) == ("private", [])
    assert rest.mila.get(places[kind]).status == 404
    shared = rest.owen.put(at, {"shared_with": [MILA], "version": first.json["version"]})
    assert [(each["name"], each["role"]) for each in shared.json["shared_with"]] == [("mila", "viewer")]
    assert rest.owen.get(at).json == shared.json
    assert rest.mila.get(places[kind]).status == 200
    assert rest.mila.get(at).status == 403
    assert rest.oskar.get(at).status == 404
    again = rest.owen.put(at, {"shared_with": [], "version": first.json["version"]})
    assert error_of(again)[:2] == (409, "conflict")
    rest.owen.put(at, {"shared_with": []})
    assert rest.mila.get(places[kind]).status == 404


def test_a_shared_endpoint_is_found_by_its_name_and_in_the_list_of_another_tenant(
    rest: Rest, places: dict[str, str]
) -> None:
    rest.olga.put(f"{places['endpoint']}/share", {"shared_with": [MILA | {"name": "oskar"}]})
    assert [each["name"] for each in rest.oskar.get("/api/endpoints").json["endpoints"]] == ["hello"]
    assert rest.oskar.get("/api/endpoints/hello").json["api_key"].endswith("•")
    assert rest.oskar.get("/api/projects/demo").status == 404
    assert rest.oskar.get("/api/projects").json["projects"] == []


def test_an_editor_of_an_endpoint_edits_it_whose_model_and_project_are_not_theirs(
    rest: Rest, places: dict[str, str]
) -> None:
    Model.objects.filter(name="Help").update(owner=rest.people["owen"], tenant=rest.tenants["default"])
    rest.olga.put(
        f"{places['endpoint']}/share", {"shared_with": [MILA | {"name": "oskar", "role": "editor"}]}
    )
    assert rest.oskar.patch(places["endpoint"], {"instances": 2}).status == 200
    assert rest.oskar.delete(places["endpoint"]).status == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"shared_with": [MILA | {"name": "oskar"}]}, "shared_with"),
        ({"shared_with": [MILA, MILA]}, "shared_with"),
        ({"shared_with": [MILA | {"role": "owner"}]}, "shared_with"),
        ({"shared_with": [MILA | {"type": "group"}]}, "shared_with"),
        ({"general_access": "everybody"}, "general_access"),
        ({"general_access": "all_viewer"}, "general_access"),
        ({"owner": "mila"}, "owner"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(
    rest: Rest, places: dict[str, str], body: dict[str, Any], field: str
) -> None:
    status, _, fields = error_of(rest.owen.put("/api/projects/demo/share", body))
    assert (status, set(fields)) == (400, {field})
    assert not ProjectUserGrant.objects.exists()


def test_the_providers_models_are_everybodys(rest: Rest, hub: Model) -> None:
    assert rest.owen.get("/api/models/Help/share").status == 403
    assert rest.olga.put("/api/models/Help/share", {"shared_with": [MILA]}).status == 409


def test_an_org_admin_says_whether_all_tenants_may_be_meant(rest: Rest, places: dict[str, str]) -> None:
    assert rest.oskar.get("/api/organization").json == {"name": "Studio", "all_tenants_allowed": False}
    assert rest.tina.patch("/api/organization", {"all_tenants_allowed": True}).status == 403
    assert rest.olga.patch("/api/organization", {"all_tenants_allowed": True}).json["closed"] == 0
    open_to_all = rest.owen.put(f"{places['endpoint']}/share", {"general_access": "all_viewer"})
    assert open_to_all.json["all_tenants_allowed"]
    assert rest.oskar.get(places["endpoint"]).status == 200
    assert rest.olga.patch("/api/organization", {"all_tenants_allowed": False}).json["closed"] == 1
    assert rest.oskar.get(places["endpoint"]).status == 404
    assert rest.mila.get(places["endpoint"]).status == 200
