"""What a page asks the database does not grow with what it shows: one of each thing, then many."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.services import delete_endpoint
from scheduler.models import Instance, Node, Quota
from scheduler.services import add_node
from studio.accounts.models import Session
from studio.audit.models import Event
from studio.hub.models import DeployOption, Model, ModelVersion
from studio.projects.models import Project
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import STUDIO
from tests.browser.world import NOW, PARALLEL, World
from tests.doors.gui.conftest import Person

MOST = 20  # of any page

# name → who, door, which of the things it is asked for, query, posted
PAGES: dict[str, tuple[str, str, tuple[str, ...], dict[str, str], bool]] = {
    "dashboard": ("owen", "dashboard", (), {}, False),
    "projects": ("owen", "projects", (), {}, False),
    "project": ("owen", "project", ("project",), {}, False),
    "delete project": ("owen", "project-delete", ("project",), {}, False),
    "create": ("owen", "endpoint-new", ("project",), {"use": "model"}, False),
    "create, preview": ("owen", "endpoint-preview", ("project",), {}, True),
    "select from hub": ("owen", "model-select", ("project",), {}, False),
    "models": ("owen", "models", (), {}, False),
    "model": ("owen", "model", ("model",), {}, False),
    "api keys": ("owen", "endpoint", ("endpoint",), {"tab": "keys"}, False),
    "instances": ("owen", "endpoint", ("endpoint",), {"tab": "instances"}, False),
    "usage": ("owen", "endpoint", ("endpoint",), {"tab": "usage"}, False),
    "events": ("owen", "endpoint", ("endpoint",), {"tab": "events"}, False),
    "edit": ("owen", "endpoint-edit", ("endpoint",), {}, False),
    "edit, preview": ("owen", "endpoint-edit-preview", ("endpoint",), {}, True),
    "resources": ("owen", "resources", (), {}, False),
    "resources of an operator": ("otto", "resources", (), {}, False),
    "drain": ("otto", "node-drain", ("node",), {}, False),
    "users": ("olga", "users", (), {}, False),
    "tenants": ("olga", "tenants", (), {}, False),
}


@pytest.fixture
def things(world: World) -> dict[str, str]:
    """One of each thing; the endpoint holds RDUs, waits for more, and another one is coming."""
    endpoint = world.live("hello", instances=5, rdus=4)
    coming = world.placed("words", arch="SN30")
    Instance.objects.filter(endpoint=coming).update(state="starting")
    delete_endpoint(actor=world.actor("owen"), endpoint=world.live("gone", arch="SN30"), now=NOW)
    held = Instance.objects.filter(endpoint=endpoint, node__isnull=False).first()
    assert held is not None
    assert held.node is not None
    for generation in ("SN40L", "SN30"):
        Quota.objects.create(tenant=world.tenants["research"], generation_id=generation, maximum=8)
    return {
        "endpoint": str(endpoint.pk),
        "project": str(world.project.pk),
        "model": str(Model.objects.get(name="Help").pk),
        "node": held.node.name,
    }


def test_more_of_everything_takes_no_more_queries(
    world: World, person: Callable[[str], Person], things: dict[str, str]
) -> None:
    people = {who: person(who) for who, *_ in PAGES.values()}
    few = {page: queries(people, page, things) for page in PAGES}
    more_of_everything(world, Endpoint.objects.get(pk=things["endpoint"]), things["node"])
    many = {page: queries(people, page, things) for page in PAGES}
    both = {page: (few[page], many[page]) for page in PAGES}
    assert {page: counts for page, counts in both.items() if not counts[1] <= counts[0] < MOST} == {}


def queries(people: dict[str, Person], page: str, things: dict[str, str]) -> int:
    who, door, arguments, query, posted = PAGES[page]
    typed = {"model_checkpoint": things["model"], "rdu_arch": "SN40L", "instances": "3"}
    places = [things[name] for name in arguments]
    sought = {name: things.get(value, value) for name, value in query.items()}
    cache.clear()  # what is counted once in two seconds
    Session.objects.update(last_seen_at=datetime.now(UTC))  # which is written once a minute
    with CaptureQueriesContext(connection) as captured:
        somebody = people[who]
        seen = somebody.post(door, *places, **typed) if posted else somebody.get(door, *places, **sought)
    assert seen.status == 200, page
    return len(captured)


def more_of_everything(world: World, endpoint: Endpoint, node: str) -> None:
    owen, facts = world.actor("owen"), selectors.facts(world.actor("owen"), endpoint)
    for number in range(4):
        add_node(actor=STUDIO, name=f"x{number}", generation="SN40L", width=8, now=NOW)
        add_node(actor=STUDIO, name=f"y{number}", generation="SN30", width=8, now=NOW)
        add_key(actor=owen, endpoint=endpoint, facts=facts, description=f"k{number}", now=NOW)
        Project.objects.create(tenant=world.tenants["default"], owner=world.user("owen"), name=f"p{number}")
        help_model = Model.objects.get(name="Help")
        ModelVersion.objects.create(model=help_model, number=10 + number, path=f"Help/{number}")
        model = Model.objects.create(name=f"m{number}", app=help_model.app, publisher="SambaNova")
        ModelVersion.objects.create(model=model, number=1, path=f"{model.name}/1")
        DeployOption.objects.create(model=model, generation_id="SN40L", params=[PARALLEL])
        organization = world.tenants["default"].organization
        tenant = Tenant.objects.create(organization=organization, name=f"t{number}")
        Quota.objects.create(tenant=tenant, generation_id="SN40L", maximum=8)
        Membership.objects.create(user=User.objects.create(username=f"u{number}"), tenant=tenant)
        Event.objects.create(
            tenant_id=world.tenants["default"].pk, actor_name="owen", verb="edit", thing_type="endpoint",
            thing_id=endpoint.pk, thing_name="hello",
        )  # fmt: skip
    Node.objects.update(state="ready")
    for number in range(4):
        world.live(f"live-{number}", instances=2)
        world.placed(f"coming-{number}", arch="SN30")
        world.placed(f"wide-{number}", rdus=16)
        gone = world.live(f"gone-{number}", arch="SN30")
        delete_endpoint(actor=owen, endpoint=gone, now=NOW)
    assert Instance.objects.filter(node__name=node).exists()
