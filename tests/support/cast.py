"""The cast of the tests and what they find: people, tenants, a small hub, nodes, projects and endpoints.

A plugin of fixtures (`cast`, `control_broker`) and the factories behind them. Rows are made directly where a
service would cost time and prove nothing; whatever a test is about goes through its service.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from celery import Celery

from apikeys.models import ApiKey
from endpoints import selectors, services
from endpoints.models import Endpoint
from scheduler.models import Demand, Instance, Node, Placement, Rdu
from scheduler.rules import NodeState
from studio import enqueue, keyring
from studio.hub.models import DeployOption, Generation, MLApp, Model, ModelVersion, Runtime, RuntimeVersion
from studio.projects.models import Project
from studio.tenants.models import Membership, Organization, Tenant, User
from studio.tenants.rules import Actor
from studio.tenants.selectors import actor_of
from tests.support import rows

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = "the-join-token"
SHA = "0" * 64

# name → (tenant, role in it, OrgAdmin, operator)
PEOPLE = {
    "olga": ("default", Membership.Role.MEMBER, True, False),
    "tina": ("default", Membership.Role.TENANT_ADMIN, False, False),
    "owen": ("default", Membership.Role.MEMBER, False, False),
    "mila": ("default", Membership.Role.MEMBER, False, False),
    "oskar": ("research", Membership.Role.MEMBER, False, False),
    "otto": ("default", Membership.Role.MEMBER, False, True),
}


@dataclass
class Cast:
    """`cast.owen` is owen as an actor; `cast.users["owen"]` his row."""

    users: dict[str, User]
    tenants: dict[str, Tenant]
    project: Project
    help: Model
    made: int = field(default=0)

    def __getattr__(self, name: str) -> Actor:
        if name not in PEOPLE:
            raise AttributeError(name)
        return actor_of(self.users[name])

    def project_of(self, owner_name: str, **facts: Any) -> Project:
        owner = self.users[owner_name]
        wanted = {"name": f"project {self._number()}"} | facts
        return Project.objects.create(owner=owner, tenant=owner.default_tenant, **wanted)

    def endpoint(self, *, by: str = "owen", project: Project | None = None, **spec: Any) -> Endpoint:
        """Through the service, with the First Key and waiting instances."""
        wanted = {"name": f"endpoint {self._number()}", "model": "Help", "arch": "SN40L"} | spec
        return services.create_endpoint(
            actor=actor_of(self.users[by]),
            project=project or self.project,
            spec=services.Spec(**wanted),
            now=datetime.now(UTC),
        )

    def bare_endpoint(self, **facts: Any) -> Endpoint:
        """Its row alone: no key, no instances."""
        version = self.help.versions.get(number=1)
        wanted = {
            "name": f"endpoint {self._number()}",
            "project": self.project,
            "owner": self.users["owen"],
            "model_version": version,
            "runtime_version": RuntimeVersion.objects.get(number=1),
            "generation_id": "SN40L",
            "instances": 1,
            "rdus": 1,
        }
        return Endpoint.objects.create(**wanted | facts)

    def node(self, name: str = "sn40l-1", width: int = 8, **facts: Any) -> Node:
        return make_node(name, width, **facts)

    def instance(self, endpoint: Endpoint, **facts: Any) -> Instance:
        """A row in any state, without allocations."""
        wanted = {
            "endpoint": endpoint,
            "ordinal": 1,
            "generation_id": endpoint.generation_id,
            "rdus": endpoint.rdus,
            "model_version": endpoint.model_version,
            "runtime_version": endpoint.runtime_version,
            "config_version": endpoint.config_version,
        }
        return Instance.objects.create(**wanted | facts)

    def first_key(self, endpoint: Endpoint) -> ApiKey:
        return ApiKey.objects.get(endpoint=endpoint, is_first=True)

    def _number(self) -> int:
        self.made += 1
        return self.made


def make_node(name: str = "sn40l-1", width: int = 8, **facts: Any) -> Node:
    wanted = {
        "name": name,
        "generation_id": "SN40L",
        "width": width,
        "free": width,
        "virtual": True,
        "state": NodeState.READY,
        "agent": f"agent of {name}",
        "heard_at": datetime.now(UTC),
        "sealed_token": keyring.seal_value(TOKEN, "join"),
    }
    node = Node.objects.create(**wanted | facts)
    Rdu.objects.bulk_create(Rdu(node=node, index=index) for index in range(width))
    return node


def make_hub() -> Model:
    """Help in two versions on SN40L (first) and SN30, Tiny-Base that cannot be deployed."""
    codes = ("SN40L", "SN30")
    Generation.objects.bulk_create(Generation(code=code, rank=rank) for rank, code in enumerate(codes))
    Demand.objects.bulk_create(Demand(generation_id=code) for code in codes)
    Placement.objects.bulk_create(Placement(generation_id=code) for code in codes)
    app = MLApp.objects.create(name="Tiny Chat")
    runtime = Runtime.objects.create(name="built-in", argv=["server"], token_env="TOKEN")
    RuntimeVersion.objects.create(runtime=runtime, number=1)
    model = make_model(app, "Help", versions=2)
    parallel = {"name": "model_parallel_rdus", "type": "int", "default": 1, "min": 1, "max": 16}
    tokens = {"name": "max_tokens_to_generate", "type": "int", "default": 64, "min": 1, "max": 512}
    DeployOption.objects.bulk_create(
        DeployOption(model=model, generation_id=code, rank=rank, params=[parallel, tokens])
        for rank, code in enumerate(codes)
    )
    make_model(app, "Tiny-Base", versions=1, is_base=True)
    return model


def make_model(app: MLApp, name: str, *, versions: int, **facts: Any) -> Model:
    model = Model.objects.create(app=app, name=name, publisher="SambaNova", **facts)
    manifest = [{"path": "model.gguf", "size": 1, "sha256": SHA}]
    ModelVersion.objects.bulk_create(
        ModelVersion(model=model, number=number, path=f"{name}/{number}", manifest=manifest)
        for number in range(1, versions + 1)
    )
    return model


def make_cast() -> Cast:
    rows.put("cast", _make_cast)
    users = {user.username: user for user in User.objects.select_related("default_tenant")}
    tenants = {tenant.name: tenant for tenant in Tenant.objects.select_related("organization")}
    demo = Project.objects.select_related("tenant", "owner").get(name="demo")
    return Cast(users, tenants, demo, Model.objects.select_related("app").get(name="Help"))


def _make_cast() -> None:
    organization = Organization.objects.create(name="Studio")
    tenants = {name: Tenant(organization=organization, name=name) for name in ("default", "research")}
    Tenant.objects.bulk_create(tenants.values())
    users = {
        name: User(
            username=name,
            default_tenant=tenants[tenant],
            is_org_admin=is_org_admin,
            is_staff=is_operator,
            is_superuser=is_operator,
        )
        for name, (tenant, _, is_org_admin, is_operator) in PEOPLE.items()
    }
    User.objects.bulk_create(users.values())
    Membership.objects.bulk_create(
        Membership(user=users[name], tenant=tenants[tenant], role=role)
        for name, (tenant, role, *_) in PEOPLE.items()
    )
    Project.objects.create(tenant=tenants["default"], owner=users["owen"], name="demo")
    make_hub()


def view_of(endpoint: Endpoint) -> selectors.EndpointView:
    endpoint.refresh_from_db()
    return selectors.view(endpoint)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def control_broker(broker_url: str, broker_client: redis.Redis) -> Iterator[redis.Redis]:
    """The emptied broker of this run, and control speaking to it."""
    with speaking_to(broker_url, broker_client):
        yield broker_client


class speaking_to:
    """Control's own client and producer point to this broker meanwhile."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.producer = Celery("studio.enqueue", broker=url, set_as_current=False)
        self.producer.conf.task_ignore_result = True
        self.client = client

    def __enter__(self) -> None:
        self.before = (enqueue._client, enqueue.producer, enqueue._paused_until)
        enqueue._client, enqueue.producer, enqueue._paused_until = self.client, self.producer, 0.0

    def __exit__(self, *_: object) -> None:
        enqueue._client, enqueue.producer, enqueue._paused_until = self.before
        self.producer.close()
