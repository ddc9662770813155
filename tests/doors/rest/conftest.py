"""The management API as each person of the cast meets it, and the small hub they find."""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pydantic import BaseModel

from scheduler.models import Node, Rdu
from scheduler.rules import NodeState
from studio.api import api
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.projects.models import Project
from studio.tenants.models import Membership, Organization, Tenant, User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.support import rows

NOW = datetime(2023, 11, 7, 13, 6, 50, 209626, tzinfo=UTC)
DOCUMENT = "/api/openapi.json"
DEMO = UUID("0d3a0000-0000-4000-8000-000000000000")  # one id, so that what is made in it is found again
PEOPLE = {
    "olga": "default",
    "tina": "default",
    "owen": "default",
    "mila": "default",
    "oskar": "research",
    "otto": "default",
}


@dataclass
class Answer:
    status: int
    json: Any
    headers: Any


@dataclass
class Rest:
    """`rest.owen.get("/api/projects")` is owen with his platform key; `rest.nobody` has none."""

    people: dict[str, User]
    tenants: dict[str, Tenant]
    keys: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> "Caller":
        if name == "nobody":
            return Caller("")
        try:
            return Caller(self.keys[name])
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class Caller:
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    def in_tenant(self, name: str) -> "Caller":
        return self.saying(tenant=name)

    def saying(self, **headers: str) -> "Caller":
        """With these headers: `saying(idempotency_key="1")` sends `Idempotency-Key: 1`."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return Caller(self.key, {**self.headers, **said})

    def get(self, path: str, **query: object) -> Answer:
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: object = None, **query: object) -> Answer:
        return self._ask("POST", path, body, query)

    def made(self, path: str, body: dict[str, Any]) -> Any:
        """What creating it answers; where the same stood there before, it is put there and answered again."""

        def make() -> Any:
            answer = self.post(path, body)
            assert answer.status == 200, answer.json
            return answer.json

        return deepcopy(rows.put(f"{self.key} {path} {body}", make))

    def patch(self, path: str, body: object = None, **query: object) -> Answer:
        return self._ask("PATCH", path, body, query)

    def put(self, path: str, body: object = None, **query: object) -> Answer:
        return self._ask("PUT", path, body, query)

    def delete(self, path: str, **query: object) -> Answer:
        return self._ask("DELETE", path, query=query)

    def _ask(self, method: str, path: str, body: object = None, query: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}", **self.headers} if self.key else self.headers
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        client = Client(raise_request_exception=False, headers=headers)
        response = client.generic(
            method,
            path,
            **_encoded(content),
            query_params={name: str(value) for name, value in query.items()},
        )
        if response.status_code == 200 and path != DOCUMENT:
            check_described(method, response.resolver_match.route, response.json())
        return Answer(response.status_code, response.json(), response.headers)


def check_described(method: str, route: str, answer: Any) -> None:
    """That an answer is what its operation's schema says, with every field and no other."""
    shape = described()[method, route]
    read = shape.model_validate({"response": answer}, strict=True)
    assert read.model_dump(mode="json")["response"] == answer


@cache
def described() -> dict[tuple[str, str], type[BaseModel]]:
    """(method, route) → the shape of the answer, for every operation of the API."""
    return {
        (method, f"api{path}".replace("{", "<").replace("}", ">")): operation.response_models[200]
        for _, router in api._routers
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }


def _encoded(content: dict[str, Any]) -> dict[str, Any]:
    """A string body goes out as it is; everything else as JSON."""
    if content and not isinstance(content["data"], str | bytes):
        content["data"] = Client()._encode_json(content["data"], "application/json")
    return content


@pytest.fixture
def rest(db: None) -> Rest:
    keys = rows.put("people with keys", _make_people)
    people = {user.username: user for user in User.objects.select_related("default_tenant")}
    tenants = {tenant.name: tenant for tenant in Tenant.objects.select_related("organization")}
    return Rest(people, tenants, dict(keys))


def _make_people() -> dict[str, str]:
    """Their platform keys."""
    organization = Organization.objects.create(name="Studio")
    tenants = {
        name: Tenant.objects.create(organization=organization, name=name, created_at=NOW)
        for name in ("default", "research")
    }
    keys = {}
    for name, tenant in PEOPLE.items():
        user = User.objects.create(
            username=name,
            default_tenant=tenants[tenant],
            is_org_admin=name == "olga",
            is_staff=name == "otto",
        )
        role = Membership.Role.TENANT_ADMIN if name == "tina" else Membership.Role.MEMBER
        Membership.objects.create(user=user, tenant=tenants[tenant], role=role)
        keys[name] = new_platform_key(actor=STUDIO, user=user, now=NOW).reveal()
    return keys


@pytest.fixture
def demo(rest: Rest) -> Project:
    """owen's project in the tenant `default`."""
    own = {"tenant": rest.tenants["default"], "owner": rest.people["owen"], "name": "demo"}
    return Project.objects.create(pk=DEMO, **own, created_at=NOW, updated_at=NOW)


@pytest.fixture
def hub(db: None) -> Model:
    """Help in two versions on SN40L and SN30, Tiny-Base that cannot be deployed, and eight RDUs of SN40L."""
    rows.put("hub with a node", _make_hub)
    return Model.objects.select_related("app").get(name="Help")


def _make_hub() -> None:
    for rank, code in enumerate(["SN40L", "SN30"]):
        Generation.objects.create(code=code, rank=rank)
    app = MLApp.objects.create(name="Tiny Chat")
    runtime = Runtime.objects.create(name="built-in", argv=["server"], token_env="TOKEN")
    RuntimeVersion.objects.create(runtime=runtime, number=1)
    model = _model(app, "Help", versions=2)
    parallel = {"name": "model_parallel_rdus", "type": "int", "default": 1, "min": 1, "max": 16}
    for rank, code in enumerate(["SN40L", "SN30"]):
        DeployOption.objects.create(model=model, generation_id=code, rank=rank, rdus=1, params=[parallel])
    _model(app, "Tiny-Base", versions=1, is_base=True)
    node = Node.objects.create(
        name="sn40l-1",
        generation_id="SN40L",
        width=8,
        free=8,
        virtual=True,
        state=NodeState.READY,
        sealed_token=b"",
    )
    Rdu.objects.bulk_create(Rdu(node=node, index=index) for index in range(8))


def _model(app: MLApp, name: str, *, versions: int, is_base: bool = False) -> Model:
    model = Model.objects.create(
        app=app,
        name=name,
        publisher="SambaNova",
        description=f"{name}, in short.",
        dataset={"info": "N/A\n", "url": ""},
        is_base=is_base,
        created_at=NOW,
    )
    for number in range(1, versions + 1):
        ModelVersion.objects.create(model=model, number=number, path=f"{name}/{number}", steps=100 * number)
    return model


def error_of(answer: Answer) -> tuple[int, str, dict[str, str]]:
    """(status, code, fields) of a refusal, after a look at its shape."""
    assert set(answer.json) == {"code", "message", "fields"}
    assert answer.json["message"].endswith((".", "!"))
    return answer.status, answer.json["code"], answer.json["fields"]
