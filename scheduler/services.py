"""Opening and ending instances, and what operators do to nodes.

Lock order everywhere: project, placement row, endpoints by id, nodes by id, instances, demand. Whatever changes
what a node should run raises the node's `epoch` in the same transaction; whatever changes what people or gateways
see of an endpoint raises its `route_version`.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NoReturn
from uuid import UUID

import redis
import structlog
from django.db.models import Case, F, Value, When

from endpoints import routing
from endpoints.models import Endpoint
from scheduler import registers
from scheduler import selectors as machines
from scheduler.models import LIVE, Allocation, Demand, Instance, Node, Quota, Rdu
from scheduler.rules import (
    COMING,
    InstanceState,
    NodeState,
    answers,
    check_quota,
    clean_address,
    quota_in_words,
)
from studio import enqueue, keyring, seal
from studio.audit.services import record
from studio.errors import Conflict, NotFound, invalid_field
from studio.hub.models import Generation
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor, Facts, clean_name, leading_role, require
from studio.tenants.selectors import check_open
from studio.unit import unit_of_work

log = structlog.get_logger()

NODE_FACTS = Facts(tenant=None)
WIDEST_NODE = 64


# ----- instances ------------------------------------------------------------------------------------------


def open_instances(
    endpoint: Endpoint, wanted: Sequence[tuple[int, UUID | None, str]], *, now: datetime
) -> list[Instance]:
    """New instances of the endpoint's present configuration: (ordinal, replaced instance, cause) each.

    A part of the caller's unit, which has the endpoint locked or has just made it.
    """
    rows = [
        Instance(
            endpoint=endpoint,
            ordinal=ordinal,
            replaces_id=replaced,
            cause=cause,
            generation_id=endpoint.generation_id,
            rdus=endpoint.rdus,
            min_width=endpoint.min_width,
            model_version_id=endpoint.model_version_id,
            runtime_version_id=endpoint.runtime_version_id,
            parameters=endpoint.parameters,
            config_version=endpoint.config_version,
            drain_seconds=endpoint.drain_seconds,
            created_at=now,
            state_since=now,
        )
        for ordinal, replaced, cause in wanted
    ]
    Instance.objects.bulk_create(rows)
    raise_demand(endpoint.generation_id)
    return rows


@unit_of_work
def end_instances(ids: Sequence[UUID], *, now: datetime) -> int:
    """Let instances go: those that wait are withdrawn, those at work drain, those that failed stop.

    Returns how many were touched; one that somebody else ended first is left alone.
    """
    _lock_nodes_of(ids)
    rows = Instance.objects.filter(pk__in=ids)
    withdrawn = rows.filter(state=InstanceState.AWAITING).update(
        state=InstanceState.STOPPED, state_since=now, ended_at=now, reason=None
    )
    stopped = rows.filter(state=InstanceState.FAILED, node=None).update(
        state=InstanceState.STOPPED, state_since=now, ended_at=now
    )
    draining = rows.filter(state=InstanceState.READY).update(
        state=InstanceState.DRAINING, drain_mode="drain", state_since=now
    )
    draining += rows.filter(state__in=COMING).update(
        state=InstanceState.DRAINING, drain_mode="stop", state_since=now
    )
    touch_nodes(Instance.objects.filter(pk__in=ids, node__isnull=False).values_list("node_id", flat=True))
    return withdrawn + stopped + draining


def touch_nodes(ids: Iterable[UUID | None]) -> None:
    """What these nodes should run has changed: raise their epochs, and nudge once it is committed."""
    ours = Node.objects.filter(pk__in={each for each in ids if each})
    nodes = list(ours.select_for_update().order_by("pk"))
    Node.objects.filter(pk__in=[node.pk for node in nodes]).update(epoch=F("epoch") + 1)
    for node in nodes:
        enqueue.nudge_driving(node.name)


def release(instances: Sequence[Instance], *, now: datetime) -> None:
    """Give back the RDUs of instances that certainly have no process any more, and wake who waits for them."""
    for instance in instances:
        freed = Allocation.objects.filter(instance=instance, released_at=None).update(released_at=now)
        if freed and instance.node_id:
            Node.objects.filter(pk=instance.node_id).update(free=F("free") + freed)
    for generation in sorted({instance.generation_id for instance in instances}):
        raise_demand(generation)


def raise_demand(generation: str) -> None:
    """There is something to plan: a new wish, or RDUs that came free. The last lock of its transaction."""
    demand = Demand.objects.filter(pk=generation)
    if not demand.update(count=F("count") + 1):
        Demand.objects.get_or_create(generation_id=generation)
        demand.update(count=F("count") + 1)
    enqueue.nudge_placement(generation)


def _lock_nodes_of(ids: Sequence[UUID]) -> None:
    nodes = Instance.objects.filter(pk__in=ids, node__isnull=False).values("node_id")
    list(Node.objects.select_for_update().filter(pk__in=nodes).order_by("pk").values_list("pk"))


# ----- quotas ---------------------------------------------------------------------------------------------


@unit_of_work
def set_quotas(
    *, actor: Actor, tenant: Tenant, wanted: Mapping[str, tuple[int, int | None]], now: datetime
) -> None:
    """Generation → (guaranteed, maximum or None for no limit); a generation that is not named stays as it is.

    What is held beyond a maximum goes on; nothing new is placed until less is. Raises `Invalid` at `<generation>`.
    """
    facts = Facts(tenant=tenant.pk)
    require(actor, "tenant.manage", facts, thing="tenant")
    known = set(Generation.objects.values_list("code", flat=True))
    for generation, (guaranteed, maximum) in wanted.items():
        if generation not in known:
            names = ", ".join(sorted(known))
            raise invalid_field("arch", f"There is no RDU generation {generation!r}; there are: {names}.")
        check_quota(generation, guaranteed, maximum)
    list(Tenant.objects.select_for_update(no_key=True).filter(pk=tenant.pk).values_list("pk"))
    present = {row.generation_id: row for row in Quota.objects.filter(tenant=tenant)}
    changes: dict[str, object] = {}
    for generation in sorted(wanted):
        row = present.get(generation)
        old, new = (row.guaranteed, row.maximum) if row else (0, None), wanted[generation]
        if old == new:
            continue
        Quota.objects.update_or_create(
            tenant=tenant, generation_id=generation, defaults={"guaranteed": new[0], "maximum": new[1]}
        )
        changes[generation] = [quota_in_words(*old), quota_in_words(*new)]
    if changes:
        role = leading_role(actor, facts)
        record(actor, "quota", "tenant", tenant.pk, tenant.name, tenant=tenant.pk, role=role, changes=changes)
    for generation in changes:
        raise_demand(generation)


# ----- nodes ----------------------------------------------------------------------------------------------


@unit_of_work
def add_node(
    *,
    actor: Actor,
    name: str,
    generation: str,
    width: int,
    virtual: bool = False,
    address: str = "",
    now: datetime,
) -> tuple[Node, seal.Secret]:
    """A node and its join token, which is shown this once. Raises `Invalid` and `Conflict` at the field.

    `address`: where its model servers will be reached; its agent's own word counts as soon as it has joined.
    """
    require(actor, "node.manage", NODE_FACTS)
    name = clean_name("name", name)
    if " " in name:
        raise invalid_field("name", "A node's name has no spaces; it is part of its queue's name.")
    if not name[0].isalnum():
        raise invalid_field("name", "A node's name begins with a letter or a digit.")
    address = clean_address("address", address)
    if not 1 <= width <= WIDEST_NODE:
        raise invalid_field("width", f"A node has from 1 to {WIDEST_NODE} RDUs, not {width}.")
    if not Generation.objects.filter(pk=generation).exists():
        names = ", ".join(Generation.objects.values_list("code", flat=True))
        raise invalid_field("generation", f"There is no RDU generation {generation!r}; there are: {names}.")
    if Node.objects.filter(name__iexact=name).exists():
        raise Conflict(f"There is a node {name!r} already.", {"name": "This name is taken."})
    token = secrets.token_urlsafe(32)
    node = Node.objects.create(
        name=name,
        generation_id=generation,
        width=width,
        free=width,
        virtual=virtual,
        address=address,
        created_at=now,
        sealed_token=keyring.seal_value(token, "join"),
    )
    Rdu.objects.bulk_create([Rdu(node=node, index=index) for index in range(width)])
    _record(
        actor,
        "add",
        node,
        {"generation": generation, "width": width, "virtual": virtual, "address": address},
    )
    _forget_registers(name)  # of a node of this name that was removed while the broker was away
    raise_demand(generation)
    return node, seal.Secret(token)


@unit_of_work
def cordon_node(*, actor: Actor, node: Node, now: datetime) -> Node:
    """No new instances; what runs stays."""
    return _intend(actor, node, NodeState.CORDONED, now)


@unit_of_work
def uncordon_node(*, actor: Actor, node: Node, now: datetime) -> Node:
    """Take instances again, after a cordon or a drain."""
    return _intend(actor, node, NodeState.READY, now)


@unit_of_work
def drain_node(*, actor: Actor, node: Node, now: datetime) -> Node:
    """Move everything off: replacements start elsewhere, then the old ones end (`endpoints.rollouts`)."""
    return _intend(actor, node, NodeState.DRAINING, now)


@unit_of_work
def assign_node(*, actor: Actor, node: Node, tenant: Tenant | None, now: datetime) -> Node:
    """Keep it for one tenant's instances; with None it is shared by all again.

    What others run on it moves off as in a drain: replacements start elsewhere, only then do the old ones end.
    """
    require(actor, "tenant.manage", Facts(tenant=actor.tenant), thing="node")
    if tenant is not None:
        check_open(tenant)
    rows = Node.objects.select_for_update(of=("self",)).select_related("tenant")
    node = rows.exclude(state=NodeState.REMOVED).filter(pk=node.pk).first() or _gone(node)
    if node.tenant == tenant:
        return node
    old, node.tenant = node.tenant, tenant
    node.save(update_fields=["tenant"])
    names = [each.name if each else "shared by all" for each in (old, tenant)]
    _record(actor, "assign", node, {"tenant": names})
    raise_demand(node.generation_id)
    for endpoint in machines.endpoints_on(node.pk):
        enqueue.nudge_converging(str(endpoint))
    return node


def _gone(node: Node) -> NoReturn:
    raise NotFound(f"There is no node {node.name}.")


@unit_of_work
def remove_node(*, actor: Actor, node: Node, now: datetime) -> Node:
    """The operator's word that the machine is gone: its instances are over and its RDUs leave the platform.

    Raises `Conflict` while a node that answers still has instances; drain it first.
    """
    require(actor, "node.manage", NODE_FACTS)
    endpoints = machines.endpoints_on(node.pk)
    list(Endpoint.objects.select_for_update().filter(pk__in=endpoints).order_by("pk").values_list("pk"))
    node = Node.objects.select_for_update().get(pk=node.pk)
    if node.state == NodeState.REMOVED:
        raise NotFound(f"There is no node {node.name}.")
    rows = list(Instance.objects.filter(node=node, state__in=LIVE))
    if rows and answers(node.state, node.heard_at, now):
        raise Conflict(f"{node.name} answers and still runs {len(rows)} instances; drain it first.")
    for row in rows:
        Allocation.objects.filter(instance=row, released_at=None).update(released_at=now)
    ended = Instance.objects.filter(pk__in=[row.pk for row in rows])
    ended.filter(state__in=[*COMING, InstanceState.READY]).update(state=InstanceState.LOST)
    ended.update(state=InstanceState.STOPPED, state_since=now, ended_at=now, host="", port=0, pid=0)
    Node.objects.filter(pk=node.pk).update(
        state=NodeState.REMOVED,
        intent=NodeState.REMOVED,
        name=f"{node.name[:54]}~{str(node.pk)[:8]}",
        free=F("width"),
        state_since=now,
        epoch=F("epoch") + 1,
    )
    changes = {"state": [str(node.state), str(NodeState.REMOVED)], "instances": [len(rows), 0]}
    _record(actor, "remove", node, changes)
    routing.touch(endpoints)
    _forget_registers(node.name)
    for endpoint in endpoints:
        enqueue.nudge_converging(str(endpoint))
    raise_demand(node.generation_id)
    node.refresh_from_db()
    return node


def _forget_registers(name: str) -> None:
    """Once it is committed. A broker that is away keeps them; they are forgotten when the name is used again."""

    def forget() -> None:
        try:
            registers.forget(enqueue.broker(), name)
        except redis.RedisError as error:
            log.warning("registers not forgotten", node=name, error=type(error).__name__)

    enqueue.after_commit(forget)


def _intend(actor: Actor, node: Node, intent: str, now: datetime) -> Node:
    require(actor, "node.manage", NODE_FACTS)
    listening = (NodeState.READY, NodeState.CORDONED, NodeState.DRAINING)
    moved = Node.objects.filter(pk=node.pk).exclude(state=NodeState.REMOVED)
    was = moved.select_for_update().values_list("intent", flat=True).first()
    if was is None:
        raise NotFound(f"There is no node {node.name}.")
    moved.update(
        intent=intent,
        state=Case(When(state__in=listening, then=Value(intent)), default=F("state")),
        state_since=now,
    )
    verb = {"ready": "uncordon", "cordoned": "cordon"}.get(intent, "drain")
    _record(actor, verb, node, {"intent": [was, str(intent)]})
    raise_demand(node.generation_id)
    for endpoint in machines.endpoints_on(node.pk):
        enqueue.nudge_converging(str(endpoint))
    node.refresh_from_db()
    return node


def _record(actor: Actor, verb: str, node: Node, changes: Mapping[str, object]) -> None:
    role = leading_role(actor, NODE_FACTS)
    record(actor, verb, "node", node.pk, node.name, tenant=None, role=role, changes=changes)
