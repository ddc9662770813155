"""`/api/nodes`: the machines for everybody to read, and for operators to add, close, empty and remove."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ninja import Router, Schema
from pydantic import Field

from scheduler import resources, selectors, services
from scheduler.models import Node
from scheduler.resources import Held, NodeRow
from scheduler.rules import join_command
from studio import env
from studio.errors import Refusal
from studio.json_api import ApiRequest, Body, moment
from studio.json_docs import changes, creates, looks
from studio.paging import PAGE, kept_page
from studio.repeating import REPEATABLE, may_repeat
from studio.tenants.rules import Actor, Facts, may, require
from studio.tenants.selectors import tenant_named

router = Router(tags=["nodes"])

CALLED = {"width": "rdus", "generation": "arch"}  # how fields of the service are called here


class NewNode(Body):
    name: str = Field(examples=["sn40l-3"])
    arch: str = Field(examples=["SN40L"])
    rdus: int
    virtual: bool = False
    address: str = ""


class HeldOut(Schema):
    """`endpoint_id` and `instance` are null where you may not see the endpoint; `held_by` then says whose it is."""

    held_by: str
    endpoint_id: str | None
    instance: int | None
    state: str
    rdus: list[int]


class NodeOut(Schema):
    """`address`, `machine`, `heard`, `intruder` and `refusal` are null unless you may manage nodes."""

    id: str
    name: str
    arch: str
    rdus: int
    free: int
    virtual: bool
    state: str
    intent: str
    time_state: str
    kept_for: str = Field(
        description="`shared`, or the tenant whose instances alone it takes, by name where you may know it.",
        examples=["shared"],
    )
    instances: list[HeldOut]
    address: str | None
    machine: str | None
    heard: str | None
    intruder: bool | None
    refusal: str | None


class Assignment(Body):
    tenant: str = Field("", description="Name or id; empty: shared by all tenants.", examples=["research"])


class Nodes(Schema):
    nodes: list[NodeOut]
    next: str | None


class Join(Schema):
    command: str
    token: str


class NewNodeOut(NodeOut):
    join: Join


@router.get("/nodes", response=looks(Nodes), summary="List nodes")
def list_nodes(
    request: ApiRequest,
    arch: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Nodes with who holds their RDUs. An endpoint is named only if you can see it."""
    require(request.auth, "resources.see", services.NODE_FACTS)
    wanted = ((arch or "").upper() or None, state or None)
    found, following = kept_page(resources.found_nodes, cursor, limit, *wanted)
    rows = resources.node_rows(request.auth, found)
    return {"nodes": [_node(request.auth, row) for row in rows], "next": following}


@router.post("/nodes", response=creates(NewNodeOut), summary="Add a node", openapi_extra=REPEATABLE)
@may_repeat
def add_node(request: ApiRequest, body: NewNode) -> dict[str, Any]:
    """`join` has the command that starts the node's agent, and the token it reads; it is shown this once."""
    try:
        node, token = services.add_node(
            actor=request.auth,
            name=body.name,
            generation=body.arch.strip().upper(),
            width=body.rdus,
            virtual=body.virtual,
            address=body.address,
            now=request.now,
        )
    except Refusal as refusal:
        refusal.fields = {CALLED.get(name, name): text for name, text in refusal.fields.items()}
        raise
    command = join_command(node.name, node.address, env.broker_url())
    return _node(request.auth, NodeRow(node)) | {"join": {"command": command, "token": token.reveal()}}


@router.post("/nodes/{node}/cordon", response=changes(NodeOut), summary="Place nothing new on a node")
def cordon_node(request: ApiRequest, node: str) -> dict[str, Any]:
    return _deed(request, node, services.cordon_node)


@router.post("/nodes/{node}/uncordon", response=changes(NodeOut), summary="Place instances on a node again")
def uncordon_node(request: ApiRequest, node: str) -> dict[str, Any]:
    return _deed(request, node, services.uncordon_node)


@router.post("/nodes/{node}/drain", response=changes(NodeOut), summary="Move everything off a node")
def drain_node(request: ApiRequest, node: str) -> dict[str, Any]:
    """Replacements start elsewhere; only when one answers does the old instance end."""
    return _deed(request, node, services.drain_node)


@router.post("/nodes/{node}/undrain", response=changes(NodeOut), summary="Stop emptying a node")
def undrain_node(request: ApiRequest, node: str) -> dict[str, Any]:
    return _deed(request, node, services.uncordon_node)


@router.post("/nodes/{node}/assign", response=changes(NodeOut), summary="Keep a node for a tenant")
def assign_node(request: ApiRequest, node: str, body: Assignment) -> dict[str, Any]:
    """Or, without a tenant, share it again. What others run on it moves off as in a drain."""
    actor = request.auth
    require(actor, "tenant.manage", Facts(tenant=actor.tenant), thing="node")
    found = selectors.node_named(node)
    tenant = tenant_named(actor, body.tenant) if body.tenant else None
    done = services.assign_node(actor=actor, node=found, tenant=tenant, now=request.now)
    (row,) = resources.node_rows(actor, [done])
    return _node(actor, row)


@router.post("/nodes/{node}/remove", response=changes(NodeOut), summary="Remove a node")
def remove_node(request: ApiRequest, node: str) -> dict[str, Any]:
    """Your word that the machine is dead or empty. Refused with 409 while it answers and runs instances."""
    return _deed(request, node, services.remove_node)


def _deed(request: ApiRequest, name: str, service: Callable[..., Node]) -> dict[str, Any]:
    """Who may do nothing to nodes hears that before whether there is such a node."""
    require(request.auth, "node.manage", services.NODE_FACTS)
    node = selectors.node_named(name)
    called = node.name
    done = service(actor=request.auth, node=node, now=request.now)
    (row,) = resources.node_rows(request.auth, [done])
    return _node(request.auth, row) | {"name": called}


def _node(actor: Actor, row: NodeRow) -> dict[str, Any]:
    node = row.node
    shown = {
        "id": str(node.pk),
        "name": node.name,
        "arch": node.generation_id,
        "rdus": node.width,
        "free": node.free,
        "virtual": node.virtual,
        "state": node.state,
        "intent": node.intent,
        "time_state": moment(node.state_since),
        "kept_for": row.whose,
        "instances": [_held(each) for each in row.held],
    }
    managed = may(actor, "node.manage", services.NODE_FACTS)
    return shown | {
        "address": node.address if managed else None,
        "machine": node.machine if managed else None,
        "heard": _moment(node.heard_at) if managed else None,
        "intruder": bool(node.intruder) if managed else None,
        "refusal": node.refusal if managed else None,
    }


def _held(held: Held) -> dict[str, Any]:
    known = held.holder.endpoint
    return {
        "held_by": held.holder.name,
        "endpoint_id": str(known) if known else None,
        "instance": held.ordinal if known else None,
        "state": held.state,
        "rdus": held.rdus,
    }


def _moment(at: datetime | None) -> str | None:
    return moment(at) if at else None
