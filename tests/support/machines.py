"""A fleet in every state for the pages that show it: full and empty nodes, a lost one, one that drains, a queue."""

from datetime import timedelta

from endpoints.models import Endpoint
from endpoints.services import Spec, create_endpoint
from scheduler.models import Instance, Node
from scheduler.placing import place_pending
from scheduler.services import add_node, cordon_node, drain_node
from studio.projects.services import create_project
from studio.tenants.rules import STUDIO
from tests.browser.world import NOW, World


def theirs(world: World, name: str = "secret", *, rdus: int = 2, instances: int = 1) -> Endpoint:
    """oskar's, in the tenant `research`: nobody of `default` may know its name."""
    oskar = world.actor("oskar")
    project = create_project(
        actor=oskar, tenant=world.tenants["research"], name=f"lab {name}", description="", now=NOW
    )
    spec = Spec(
        name=name,
        model="Help",
        arch="SN40L",
        instances=instances,
        parameters={"model_parallel_rdus": rdus},
        description="",
    )
    return create_endpoint(actor=oskar, project=project, spec=spec, now=NOW + timedelta(minutes=1))


def whole_fleet(world: World) -> None:
    """owen's endpoints and one of oskar's on two nodes; beside them a node in each other state; two that wait."""
    for name, state in (("sn40l-3", "lost"), ("sn40l-4", "suspect"), ("sn40l-5", "joining")):
        add_node(actor=STUDIO, name=name, generation="SN40L", width=8, now=NOW)
        Node.objects.filter(name=name).update(state=state, state_since=NOW)
    add_node(
        actor=STUDIO, name="a-node-with-a-long-name-rack-17-unit-04", generation="SN30", width=16, now=NOW
    )
    Node.objects.filter(name__startswith="a-node").update(
        state="ready", machine="rack17-u04.internal", address="10.0.17.4"
    )
    for name, wish in {
        "hello": {"rdus": 4, "instances": 2},
        "words": {"rdus": 1, "instances": 3},
        "tone": {"arch": "SN30", "rdus": 2, "instances": 4},
    }.items():
        world.live(name, **wish)
    theirs(world)
    place_pending("SN40L")
    Instance.objects.filter(state="placed").update(state="ready", state_since=NOW)
    world.placed("samba", rdus=16, instances=2)
    theirs(world, "hungry", rdus=8)
    place_pending("SN40L")
    _lose(Node.objects.get(name="sn40l-2"), Node.objects.get(name="sn40l-3"))
    drain_node(actor=STUDIO, node=Node.objects.get(name="sn30-1"), now=NOW)
    cordon_node(actor=STUDIO, node=Node.objects.get(name="sn40l-4"), now=NOW)


def _lose(full: Node, spare: Node) -> None:
    """The full node is the lost one; its name in the table is no matter."""
    Node.objects.filter(pk=full.pk).update(state="lost", state_since=NOW)
    Node.objects.filter(pk=spare.pk).update(state="cordoned", intent="cordoned", state_since=NOW)
    Instance.objects.filter(node=full, state="ready").update(state="lost")
