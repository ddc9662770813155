"""A platform to be attacked: owen's things in tenant `default`, and oskar of tenant `research` with some of his own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apikeys.models import ApiKey
from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.services import Spec, create_endpoint, delete_endpoint
from scheduler.models import Instance
from studio.accounts.models import Session
from studio.hub.models import MLApp, Model, ModelVersion
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.tenants.models import User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.browser.world import World
from tests.support import rows

CANARY = "zanzibar"  # stands in every text of owen's; where oskar reads it, something has leaked
NOWHERE = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
BACKEND = "studio.accounts.sessions.People"


@dataclass
class Siege:
    """`theirs` and `own`: by the name of the slot in an address, the ids of owen's things and of oskar's."""

    world: World
    theirs: dict[str, str]
    own: dict[str, str]
    people: dict[str, UUID]  # by the names that they had at first

    def browser(self, name: str, **more: Any) -> Client:
        """Somebody who has signed in; `""` for nobody."""
        client = Client(raise_request_exception=False, **more)
        if name:
            client.force_login(User.objects.get(pk=self.people[name]), backend=BACKEND)
        return client

    def caller(self, name: str, **more: Any) -> Client:
        """Somebody with their platform key."""
        headers = {"Authorization": f"Bearer {self.key(name)}"}
        return Client(raise_request_exception=False, headers=headers, **more)

    def key(self, name: str) -> str:
        now = datetime.now(UTC)
        person = User.objects.get(pk=self.people[name])
        return new_platform_key(actor=STUDIO, user=person, now=now).reveal()


@pytest.fixture
def siege(db: None) -> Siege:
    world = World()
    assert world.project
    rows.put("siege", lambda: _make(world))
    owen, oskar = world.user("owen"), world.user("oskar")
    for each in (owen, oskar):
        Client().force_login(each, backend=BACKEND)
    theirs = _things_of(owen) | {
        "object_id": str(Endpoint.objects.filter(owner=owen).earliest("created_at").pk)
    }
    people = dict(User.objects.values_list("username", "pk"))
    return Siege(world, theirs, _things_of(oskar), people)


def _make(world: World) -> None:
    Project.objects.update(name=f"{CANARY} demo", description=f"{CANARY} trying")
    endpoint = world.live(f"{CANARY}-hello", instances=2)
    _add_key(world, "owen", endpoint)
    Endpoint.objects.update(description=f"{CANARY} answers")
    failed = world.placed(f"{CANARY}-broken", arch="SN30")
    sentence = {"code": "crashed", "sentence": f"{CANARY} ended with code 1."}
    Instance.objects.filter(endpoint=failed).update(
        state="failed", reason=sentence, log_tail=[f"{CANARY} log"]
    )
    gone = world.endpoint(f"{CANARY}-gone")
    delete_endpoint(actor=world.actor("owen"), endpoint=gone, now=datetime.now(UTC))
    owen = world.user("owen")
    model = Model.objects.create(
        app=MLApp.objects.get(name="Tiny Chat"),
        tenant=owen.default_tenant,
        owner=owen,
        name=f"{CANARY} model",
        publisher=CANARY,
        card=CANARY,
    )
    ModelVersion.objects.create(model=model, number=1, path=CANARY)
    _make_oskars(world)


def _make_oskars(world: World) -> None:
    now = datetime.now(UTC)
    oskar, tenant = world.actor("oskar"), world.tenants["research"]
    project = create_project(actor=oskar, tenant=tenant, name="own", now=now)
    spec = Spec(name="own-hello", model="Help", arch="SN40L")
    endpoint = create_endpoint(actor=oskar, project=project, spec=spec, now=now)
    _add_key(world, "oskar", endpoint)
    owner = world.user("oskar")
    own = Model.objects.create(
        app=MLApp.objects.get(name="Tiny Chat"), tenant=tenant, owner=owner, name="own model", publisher="own"
    )
    ModelVersion.objects.create(model=own, number=1, path="own")


def _add_key(world: World, name: str, endpoint: Endpoint) -> None:
    actor = world.actor(name)
    add_key(
        actor=actor,
        endpoint=endpoint,
        facts=selectors.facts(actor, endpoint),
        description=f"{CANARY} key" if name == "owen" else "own key",
        now=datetime.now(UTC),
    )


def _things_of(person: User) -> dict[str, str]:
    key = ApiKey.objects.get(owner=person, is_first=False)
    return {
        "project": str(Project.objects.get(owner=person).pk),
        "endpoint": str(key.endpoint_id),
        "key": str(key.pk),
        "apikey": str(key.pk),
        "model": str(Model.objects.get(owner=person).pk),
        "tenant": str(person.default_tenant_id),
        "user": str(person.pk),
        "username": person.username,
        "app": str(MLApp.objects.get(name="Tiny Chat").pk),
        "node": "sn40l-1",
        "session": str(Session.objects.get(user=person).id),
    }
