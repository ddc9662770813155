"""Watching: who fell silent, who stands still, whose pause is over, what a lost nudge left behind.

Silence counts only while control itself could listen, and freezes when many nodes fall silent together.
Nothing is released on lost: the node's RDUs leave the pool, its instances are replaced elsewhere.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from endpoints import routing
from endpoints.models import Endpoint
from scheduler import registers
from scheduler import selectors as machines
from scheduler.advance import crashed
from scheduler.driver import drive_node, standing_of, take_reports
from scheduler.models import Control, Demand, Instance, Node, Placement, Sweep
from scheduler.rules import (
    COMING,
    InstanceState,
    NodeState,
    check_arrow,
    heard_state,
    is_stuck,
    silence,
    too_many_silent,
)
from scheduler.services import raise_demand, touch_nodes
from scheduler.wire import packed
from studio import enqueue
from studio.unit import unit_of_work

LISTEN_EVERY = 3.0  # seconds; each look costs an idle platform some CPU
WRITE_EVERY = timedelta(seconds=5)
ABSENCE = timedelta(seconds=15)  # a longer gap between looks means that control was away
ANSWERING = (NodeState.READY, NodeState.CORDONED, NodeState.DRAINING)


def claim_sweep(name: str, interval: float, now: datetime) -> bool:
    """Whether this caller runs the sweep now; any number of beats may ask."""
    _, made = Sweep.objects.get_or_create(name=name, defaults={"last": now})
    if made:
        return True
    due = Sweep.objects.filter(name=name, last__lt=now - timedelta(seconds=interval))
    return bool(due.update(last=now))


# ----- silence --------------------------------------------------------------------------------------------


def listen(now: datetime) -> None:
    """Look at every node's report register: take what is new, count the silence of the others.

    Raises `redis.RedisError` before anything is counted when the broker is away: then nobody is silent.
    """
    nodes = list(Node.objects.exclude(state__in=[NodeState.REMOVED]))
    names = [node.name for node in nodes]
    found = registers.get_reports(enqueue.broker(), names)
    intruders = registers.get_intruders(enqueue.broker(), names)
    numbers = {name: number for name, (number, _) in found.items()}
    heard = {node.name for node in nodes if numbers.get(node.name, 0) > node.report_number}
    elapsed = _mark_listening(now)
    take_reports(sorted(heard))
    _write_heard([node for node in nodes if node.name in heard], numbers, now)
    _write_intruders(nodes, intruders)
    _count_silence([node for node in nodes if node.state != NodeState.JOINING], heard, elapsed, now)


def _mark_listening(now: datetime) -> float:
    """Seconds since control last listened; a long gap is remembered as the end of an absence."""
    control, _ = Control.objects.get_or_create(pk=1)
    gap = now - control.listened_at if control.listened_at else timedelta(0)
    Control.objects.filter(pk=1).update(
        listened_at=now, resumed_at=now if gap > ABSENCE else control.resumed_at
    )
    return gap.total_seconds()


def _write_heard(nodes: Sequence[Node], numbers: dict[str, int], now: datetime) -> None:
    """Remember the newest numbers, of all that were not written lately at once."""
    stale = [node for node in nodes if node.heard_at is None or now - node.heard_at >= WRITE_EVERY]
    for node in stale:
        mine = Node.objects.filter(pk=node.pk, report_number__lt=numbers[node.name], agent=node.agent)
        mine.exclude(agent="").update(report_number=numbers[node.name], heard_at=now)


def _write_intruders(nodes: Sequence[Node], found: dict[str, str]) -> None:
    """Which second agent claims a node's name, for operators to see; forgotten when it has gone."""
    for node in nodes:
        agent = found.get(node.name, "")
        if node.intruder != agent:
            Node.objects.filter(pk=node.pk).update(intruder=agent)


def _count_silence(nodes: Sequence[Node], heard: set[str], elapsed: float, now: datetime) -> None:
    counted = {n.pk: silence(n.silent_seconds, n.name in heard, elapsed, LISTEN_EVERY) for n in nodes}
    newly = [n for n in nodes if counted[n.pk] >= 2 * LISTEN_EVERY and n.state in ANSWERING]
    frozen = too_many_silent(len(newly), len(nodes))
    for node in nodes:
        if frozen and node.name not in heard:
            continue
        state = heard_state(node.state, node.intent, counted[node.pk])
        if state != node.state:
            _change_state(node, state, counted[node.pk], now)
        elif counted[node.pk] != node.silent_seconds:
            Node.objects.filter(pk=node.pk).update(silent_seconds=counted[node.pk])


@unit_of_work
def _change_state(node: Node, state: str, silent: float, now: datetime) -> None:
    """Steps: 1. lock endpoints and node; 2. the node's state, if nobody else moved it; 3. its instances on lost."""
    endpoints = machines.endpoints_on(node.pk)
    list(Endpoint.objects.select_for_update().filter(pk__in=endpoints).order_by("pk").values_list("pk"))
    moved = Node.objects.filter(pk=node.pk, state=node.state, report_number=node.report_number)
    if not moved.update(state=state, state_since=now, silent_seconds=silent):
        return
    if state == NodeState.LOST:
        rows = Instance.objects.filter(node=node, state__in=[*COMING, InstanceState.READY])
        for row in rows:
            check_arrow(row.state, InstanceState.LOST)
        rows.update(state=InstanceState.LOST, state_since=now)
        routing.touch(endpoints)
        for endpoint in endpoints:
            enqueue.nudge_converging(str(endpoint))
    raise_demand(node.generation_id)


# ----- what stands still ----------------------------------------------------------------------------------


def mend(now: datetime) -> None:
    """End pauses, restart what stands still, drive nodes whose wish was not written, plan what waits."""
    end_pauses(now)
    _restart_stuck(now)
    for name in _undriven():
        drive_node(name)
    for generation in _unplanned():
        enqueue.nudge("scheduler.tasks.place", generation, queue="placement")


def end_pauses(now: datetime) -> None:
    due = Instance.objects.filter(state=InstanceState.PLACED, retry_at__lte=now, node__isnull=False)
    if due.exists():
        _clear_pauses(now)


@unit_of_work
def _clear_pauses(now: datetime) -> None:
    due = Instance.objects.filter(state=InstanceState.PLACED, retry_at__lte=now, node__isnull=False)
    nodes = sorted(set(due.values_list("node_id", flat=True)))
    list(Node.objects.select_for_update().filter(pk__in=nodes).order_by("pk").values_list("pk"))
    due.update(retry_at=None, state_since=now)
    touch_nodes(nodes)


def _restart_stuck(now: datetime) -> None:
    resumed = Control.objects.filter(pk=1, resumed_at__isnull=False).values_list("resumed_at", flat=True)
    marks = [mark for mark in resumed if mark]
    rows = Instance.objects.filter(state__in=COMING, retry_at=None, node__state__in=ANSWERING)
    for row in rows.select_related("node", "runtime_version__runtime"):
        assert row.node is not None, "an instance at work has a node"
        since = max(row.state_since, row.node.state_since, *marks)
        start = row.runtime_version.runtime.start_seconds
        if is_stuck(row.state, since, row.progress_at, start, row.ready_at is not None, now):
            restart(row, now)


@unit_of_work
def restart(row: Instance, now: datetime) -> None:
    """Count it as a crash; the agent ends the old attempt before it begins the new one."""
    list(Endpoint.objects.select_for_update().filter(pk=row.endpoint_id).values_list("pk"))
    list(Node.objects.select_for_update().filter(instances=row).values_list("pk"))
    seconds = int((now - row.state_since).total_seconds())
    sentence = f"No progress for {seconds} seconds while {row.state}."
    change = crashed(standing_of(row), "stuck", sentence, row.log_tail, now)
    check_arrow(row.state, change.state)
    fields = change.fields | {"state": change.state, "state_since": now}
    if Instance.objects.filter(pk=row.pk, state=row.state, attempt=row.attempt).update(**fields):
        touch_nodes([row.node_id])
        routing.touch([row.endpoint_id])
        enqueue.nudge_converging(str(row.endpoint_id))


def _undriven() -> list[str]:
    """Nodes whose newest epoch is not in the register: a nudge was lost, or the broker came back empty."""
    nodes = Node.objects.exclude(state=NodeState.REMOVED).values_list("name", "epoch", "wished_epoch")
    behind = {name for name, epoch, wished in nodes if wished < epoch}
    present = machines.incarnation()
    standing = registers.get_wish_numbers(enqueue.broker(), [name for name, _, _ in nodes])
    return sorted(
        behind | {name for name, epoch, _ in nodes if standing.get(name, -1) != packed(present, epoch)}
    )


def _unplanned() -> list[str]:
    """Generations whose demand moved since they were planned."""
    planned = dict(Placement.objects.values_list("pk", "planned"))
    return [pk for pk, count in Demand.objects.values_list("pk", "count") if planned.get(pk, -1) != count]
