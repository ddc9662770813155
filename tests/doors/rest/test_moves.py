"""Moving and transferring through the management API."""

import pytest

from studio.hub.models import Model
from tests.doors.rest.conftest import Rest, error_of

pytestmark = pytest.mark.usefixtures("hub", "demo")

WISH = {"project": "demo", "endpoint_name": "hello", "model_checkpoint": "Help", "rdu_arch": "SN40L"}


def test_an_endpoint_moves_and_its_urls_with_it(rest: Rest) -> None:
    rest.owen.post("/api/endpoints", WISH)
    other = rest.owen.post("/api/projects", {"name": "other"}).json
    moved = rest.owen.post("/api/endpoints/hello/move", {"project": "other"}, project="demo").json
    assert (moved["project_name"], moved["owner"], moved["tenant_name"]) == ("other", "owen", "default")
    told = rest.owen.get("/api/endpoints/hello").json
    assert other["id"] in told["url"]
    assert error_of(rest.mila.post("/api/endpoints/hello/move", {"project": "demo"}))[0] == 404
    assert error_of(rest.owen.post("/api/endpoints/hello/move", {"project": "nowhere"}))[0] == 404


def test_a_project_moves_to_another_tenant(rest: Rest) -> None:
    assert error_of(rest.owen.post("/api/projects/demo/move", {"tenant": "research"}))[0] == 404
    moved = rest.olga.post("/api/projects/demo/move", {"tenant": "research"}).json
    assert (moved["tenant_name"], moved["owner"], moved["project_id"]) == ("research", "owen", None)
    assert error_of(rest.tina.get(f"/api/projects/{moved['id']}"))[0] == 404


def test_ownership_is_transferred(rest: Rest) -> None:
    rest.owen.post("/api/endpoints", WISH)
    Model.objects.filter(name="Tiny-Base").update(tenant=rest.tenants["default"], owner=rest.people["owen"])
    for path in ("endpoints/hello", "projects/demo", "models/Tiny-Base"):
        refused = rest.owen.post(f"/api/{path}/transfer", {"owner": "oskar"})
        assert error_of(refused)[::2] == (400, {"owner": refused.json["message"]})
        assert error_of(rest.mila.post(f"/api/{path}/transfer", {"owner": "mila"}))[0] == 404
        assert rest.tina.post(f"/api/{path}/transfer", {"owner": "mila"}).json["owner"] == "mila"
    assert error_of(rest.owen.get("/api/endpoints/hello"))[0] == 404, "nothing is left to owen"
