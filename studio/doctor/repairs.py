"""What mends each finding: the same functions that nudges and sweeps call, and where no task would ever come, the row
itself under the common locks. Each is safe to repeat, and does nothing where the wedge is gone meanwhile.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import redis
from django.conf import settings
from django.db.models import F

from endpoints import rollouts, routing, services
from endpoints.models import Endpoint
from endpoints.usage.services import forget as forget_usage
from scheduler import listening
from scheduler.driver import drive_node
from scheduler.models import LIVE, Allocation, Instance, Node, Placement, Rdu, Sweep
from scheduler.placing import LEASE, place_pending
from scheduler.rules import COMING, InstanceState, NodeState
from scheduler.services import raise_demand, touch_nodes
from studio import enqueue
from studio.audit import sealing
from studio.audit.services import record
from studio.doctor.looking import resumed_at, standing_of, with_held
from studio.doctor.rules import GRACE, Finding, check_instance
from studio.errors import Conflict
from studio.repeats.services import forget_answered
from studio.tenants.rules import STUDIO
from studio.unit import unit_of_work

Repair = Callable[[Finding, datetime], None]
AWAY = "The broker does not answer; repeat the repair once it does."


def repair(finding: Finding, *, now: datetime) -> None:
    """Raises `Conflict` where it could not be done."""
    try:
        REPAIRS[finding.code](finding, now)
    except redis.RedisError as error:
        raise Conflict(AWAY) from error


# ----- instances ------------------------------------------------------------------------------------------


def _unstick(finding: Finding, now: datetime) -> None:
    rows = Instance.objects.select_related("node", "runtime_version__runtime")
    row = rows.filter(pk=finding.subject).first()
    if row is None or row.node is None or check_instance(standing_of(row, resumed_at()), now) is None:
        return
    if row.retry_at is not None:
        listening.end_pauses(now)
    elif row.state in COMING:
        listening.restart(row, now)
    else:
        _tell_anew(row, now)
    _note("instance", row.pk, str(row), finding)


@unit_of_work
def _tell_anew(row: Instance, now: datetime) -> None:
    """One that leaves is to end now; the node hears its whole wish under a new number."""
    touch_nodes([row.node_id])
    leaving = Instance.objects.filter(pk=row.pk, state=InstanceState.DRAINING)
    leaving.update(drain_mode="stop", state_since=now)


@unit_of_work
def _end_on_removed(finding: Finding, now: datetime) -> None:
    """As removing the node should have done."""
    row = Instance.objects.select_related("node").get(pk=finding.subject)
    assert row.node is not None, "it was found on a node"
    list(Endpoint.objects.select_for_update().filter(pk=row.endpoint_id).values_list("pk"))
    list(Node.objects.select_for_update().filter(pk=row.node.pk).values_list("pk"))
    ours = Instance.objects.filter(pk=row.pk, state__in=LIVE, node__state=NodeState.REMOVED)
    if not ours.exists():
        return
    Allocation.objects.filter(instance=row, released_at=None).update(released_at=now)
    Node.objects.filter(pk=row.node.pk).update(free=F("width"))
    at_work = Instance.objects.filter(pk=row.pk, state__in=[*COMING, InstanceState.READY])
    at_work.update(state=InstanceState.LOST)
    Instance.objects.filter(pk=row.pk).update(
        state=InstanceState.STOPPED, state_since=now, ended_at=now, host="", port=0, pid=0
    )
    routing.touch([row.endpoint_id])
    enqueue.nudge_converging(str(row.endpoint_id))
    _note("instance", row.pk, str(row), finding)


def _plan_instance(finding: Finding, now: datetime) -> None:
    generation = Instance.objects.values_list("generation_id", flat=True).get(pk=finding.subject)
    raise_demand(generation)
    place_pending(generation)


@unit_of_work
def _tell_node(finding: Finding, now: datetime) -> None:
    node = Node.objects.get(name=finding.subject.partition(" ")[0])
    touch_nodes([node.pk])
    _note("node", node.pk, node.name, finding)


def _write_wish(finding: Finding, now: datetime) -> None:
    if not drive_node(finding.subject):
        raise Conflict(AWAY)


# ----- RDUs -----------------------------------------------------------------------------------------------


@unit_of_work
def _add_rdus(finding: Finding, now: datetime) -> None:
    node = Node.objects.select_for_update().get(name=finding.subject)
    there = set(Rdu.objects.filter(node=node).values_list("index", flat=True))
    Rdu.objects.bulk_create(Rdu(node=node, index=index) for index in range(node.width) if index not in there)
    _count(node, finding)


@unit_of_work
def _count_free(finding: Finding, now: datetime) -> None:
    _count(Node.objects.select_for_update().get(name=finding.subject), finding)


@unit_of_work
def _release(finding: Finding, now: datetime) -> None:
    """Of an instance that is over, whose process its agent saw end, or that never came so far."""
    name, _, instance = finding.subject.partition(" ")
    node_name, _, index = name.rpartition(":")
    node = Node.objects.select_for_update().get(name=node_name)
    row = Instance.objects.select_for_update().get(pk=UUID(instance))
    if row.state in LIVE and row.node_id == node.pk:
        return
    held = Allocation.objects.filter(rdu__node=node, rdu__index=int(index), instance=row, released_at=None)
    held.update(released_at=now)
    _count(node, finding)


def _count(node: Node, finding: Finding) -> None:
    held = with_held(Node.objects.filter(pk=node.pk)).values_list("held", flat=True)[0]
    Node.objects.filter(pk=node.pk).update(free=node.width - held)
    _note("node", node.pk, node.name, finding)
    raise_demand(node.generation_id)


# ----- control --------------------------------------------------------------------------------------------


def _watch(now: datetime) -> None:
    listening.listen(now)
    listening.mend(now)


def _settle(now: datetime) -> None:
    rollouts.settle(now=now)


def _forget_deleted(now: datetime) -> None:
    services.forget_deleted(now=now)
    forget_answered(now=now)


def _forget_usage(now: datetime) -> None:
    forget_usage(now=now)


def _seal_audit(now: datetime) -> None:
    sealing.seal()


def _forget_audit(now: datetime) -> None:
    sealing.forget(days=settings.AUDIT_DAYS, now=now)


RUNS: Mapping[str, Callable[[datetime], None]] = {
    "watch": _watch,
    "settle": _settle,
    "seal audit": _seal_audit,
    "forget audit": _forget_audit,
    "forget deleted": _forget_deleted,
    "forget usage": _forget_usage,
}


def _sweep(finding: Finding, now: datetime) -> None:
    """Run it, and set its date: one in the future would keep everybody from it until then."""
    Sweep.objects.update_or_create(name=finding.subject, defaults={"last": now})
    RUNS[finding.subject](now)


def _plan(finding: Finding, now: datetime) -> None:
    """A lease that ends later than any planner would hold it belongs to nobody; the fence disarms who thinks so."""
    impossible = Placement.objects.filter(pk=finding.subject, held_until__gt=now + LEASE + GRACE)
    impossible.update(holder="", held_until=None, fence=F("fence") + 1)
    place_pending(finding.subject)


def _step(finding: Finding, now: datetime) -> None:
    rollouts.converge(UUID(finding.subject), now=now)


def _publish(finding: Finding, now: datetime) -> None:
    if not routing.publish([UUID(each) for each in finding.evidence.split(", ")]):
        raise Conflict(AWAY)


def _forget(finding: Finding, now: datetime) -> None:
    _forget_deleted(now)


REPAIRS: Mapping[str, Repair] = {
    "instance-stuck": _unstick,
    "instance-on-removed-node": _end_on_removed,
    "instance-unplanned": _plan_instance,
    "instance-forgotten": _tell_node,
    "process-orphaned": _tell_node,
    "wish-not-written": _write_wish,
    "rdus-missing": _add_rdus,
    "free-drift": _count_free,
    "rdu-held-by-nobody": _release,
    "sweep-stale": _sweep,
    "plan-behind": _plan,
    "endpoint-unsettled": _step,
    "routes-unpublished": _publish,
    "routes-absent": _publish,
    "answers-kept": _forget,
    "values-kept": _forget,
}


def _note(thing: str, pk: UUID, name: str, finding: Finding) -> None:
    """The platform's own row of the audit; who typed the command stands in the machine's log."""
    changes: dict[str, object] = {"finding": finding.code, "sentence": finding.sentence}
    record(STUDIO, "repair", thing, pk, name, tenant=None, role="platform", changes=changes)
