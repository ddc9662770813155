"""Driving nodes: the whole wish down into its register, the newest report up into the rows.

A wish is built under the node row's lock and written after it, so the epoch in it is the epoch of what it
says; the register refuses an older one. A report is taken once, by its number, together with its effects.
"""

import platform
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import redis
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from endpoints import routing
from endpoints.models import Endpoint
from scheduler import registers, wire
from scheduler.advance import Change, Standing, advance
from scheduler.models import LIVE, Allocation, Control, Instance, Node
from scheduler.rules import InstanceState, NodeState, check_arrow
from scheduler.selectors import incarnation
from scheduler.services import raise_demand, release, touch_nodes
from studio import enqueue, keyring, seal
from studio.unit import unit_of_work

log = structlog.get_logger()

MOST_REPORT = 8 * 2**20  # bytes; that of 64 instances which all failed has less than one
HOST = re.compile(r"[\w.:%-]{1,64}")
ONE_MACHINE = (
    "This platform runs on SQLite, which serves one machine only; "
    "move to PostgreSQL before a node on another machine joins."
)


# ----- down: the wish -------------------------------------------------------------------------------------


def drive_node(name: str) -> bool:
    """Write the node's whole wish to its register and wake its agent. False when the broker was away."""
    built = _build_wish(name)
    if built is None:
        return True
    node, wish = built
    try:
        standing = registers.put_wish(
            enqueue.broker(),
            name,
            wish.number,
            seal.seal(_wire_key(node), wire.encode(wish), wire.wish_purpose(name)),
        )
    except redis.RedisError as error:
        log.warning("wish not written", node=name, error=type(error).__name__)
        return False
    if not standing.taken:
        _met_a_newer_wish(name, standing.number)
        return True
    Node.objects.filter(pk=node.pk, wished_epoch__lt=wish.epoch).update(wished_epoch=wish.epoch)
    enqueue.wake(f"node.{name}", "scheduler.agent.wake")
    return True


def _build_wish(name: str) -> tuple[Node, wire.Wish] | None:
    with transaction.atomic():
        node = Node.objects.select_for_update().filter(name=name).exclude(state=NodeState.REMOVED).first()
        if node is None:
            return None
        rows = list(
            Instance.objects.filter(node=node, state__in=LIVE)
            .select_related("model_version__model", "runtime_version__runtime")
            .order_by("pk")
        )
        held = _held(rows)
        device_env = node.generation.device_env
        wish = wire.Wish(
            node=name,
            agent=node.agent,
            incarnation=incarnation(),
            epoch=node.epoch,
            refusal=node.refusal,
            instances=[_wished(row, held[row.pk], device_env) for row in rows],
        )
    return node, wish


def _held(rows: Sequence[Instance]) -> dict[UUID, list[int]]:
    found: dict[UUID, list[int]] = defaultdict(list)
    live = Allocation.objects.filter(instance__in=rows, released_at=None).order_by("rdu__index")
    for instance, index in live.values_list("instance_id", "rdu__index"):
        found[instance].append(index)
    return found


def _wished(row: Instance, rdus: list[int], device_env: str) -> wire.Wished:
    version, runtime = row.model_version, row.runtime_version.runtime
    return wire.Wished(
        id=str(row.pk),
        endpoint=str(row.endpoint_id),
        desired=_desired(row),
        attempt=row.attempt,
        name=version.model.name,
        experts=[
            wire.Expert(
                name=version.model.name,
                path=version.path,
                files=[msgspec.convert(entry, wire.File) for entry in version.manifest],
            )
        ],
        runtime=wire.Runtime(
            name=runtime.name,
            version=str(row.runtime_version.number),
            argv=runtime.argv,
            env={**runtime.env, **row.runtime_version.env},
            token_file_env=runtime.token_file_env,
            token_env=runtime.token_env,
            device_env=device_env,
            health_path=runtime.health_path,
            warmup_path=runtime.warmup_path,
            metrics_path=runtime.metrics_path,
            in_flight_metrics=runtime.in_flight_metrics,
            start_seconds=runtime.start_seconds,
            stop_seconds=runtime.stop_seconds,
            parallel=runtime.parallel,
        ),
        rdus=rdus,
        parameters=row.parameters,
        token=keyring.open_value(row.sealed_token, "instance") if row.sealed_token else "",
        drain_seconds=row.drain_seconds,
    )


def _desired(row: Instance) -> wire.Desired:
    if row.state == InstanceState.DRAINING:
        return "stop" if row.drain_mode == "stop" else "drain"
    if row.state == InstanceState.FAILED:
        return "stop"
    return "hold" if row.retry_at else "run"  # its end is an epoch of its own (`listening.mend`)


def _met_a_newer_wish(name: str, standing: int) -> None:
    """Another writer was faster, or the database is older than the broker: a restore. Only the latter matters."""
    seen_incarnation, seen_epoch = wire.unpacked(standing)
    node = Node.objects.filter(name=name).first()
    if node is None or (incarnation(), node.epoch) >= (seen_incarnation, seen_epoch):
        return
    log.warning("the database is older than the broker; a new incarnation begins", node=name)
    mint_incarnation(above=seen_incarnation)
    Node.objects.filter(pk=node.pk).update(epoch=F("epoch") + 1)
    enqueue.nudge_driving(name)


def mint_incarnation(*, above: int) -> None:
    """After a restored database: what control says from now on counts as newer than anything said before."""
    Control.objects.get_or_create(pk=1)
    Control.objects.filter(pk=1, incarnation__lte=above).update(incarnation=above + 1)


def _wire_key(node: Node) -> bytes:
    return seal.derive(keyring.open_value(node.sealed_token, "join"), "node-wire")


# ----- up: the reports ------------------------------------------------------------------------------------


def take_reports(names: Sequence[str]) -> int:
    """Take the newest report of each named node. Returns how many changed something."""
    bodies = registers.get_reports(enqueue.broker(), list(names))
    known = {node.name: node for node in Node.objects.filter(name__in=list(bodies)).exclude(state="removed")}
    return sum(_take_safely(known[name], body) for name, (_, body) in sorted(bodies.items()) if name in known)


def _take_safely(node: Node, body: bytes) -> bool:
    """One node's report that cannot be taken keeps no other from being taken."""
    try:
        return take_report(node, body)
    except Exception:
        log.exception("report not taken", node=node.name)
        return False


def take_report(node: Node, body: bytes) -> bool:
    """Read one report and write its effects. False when it says nothing new, or nothing we believe."""
    report = read_report(node, body)
    if report is None:
        return False
    if node.agent not in ("", report.agent):
        Node.objects.filter(pk=node.pk).exclude(intruder=report.agent).update(intruder=report.agent)
        registers.bind(enqueue.broker(), node.name, node.agent)  # a broker that came back empty forgot it
        return False
    if node.agent == "" and settings.SQLITE and report.machine != platform.node():
        _refuse(node, report)
        return False
    if report.number <= node.report_number or not _says_more(node, report):
        return False
    return _take(node.pk, report)


def read_report(node: Node, body: bytes) -> wire.Report | None:
    """The report, if the node's own agent may have written it. Where it says that servers are, gateways will go."""
    why = "too large"
    if len(body) <= MOST_REPORT:
        try:
            plain = seal.unseal([_wire_key(node)], body, wire.wish_purpose(node.name))
            report = wire.decode_report(plain)
            if all(
                HOST.fullmatch(host)
                for host in (report.host, *(seen.host or "-" for seen in report.instances))
            ):
                return report
            why = "a host that is none"
        except (seal.Unsealable, msgspec.DecodeError) as error:
            why = type(error).__name__
    log.warning("report not readable", node=node.name, error=why)
    return None


def _refuse(node: Node, report: wire.Report) -> None:
    """It does not join, and hears why. Its name stays free for an agent on this machine."""
    refused = Node.objects.filter(pk=node.pk, agent="").exclude(refusal=ONE_MACHINE)
    if refused.update(refusal=ONE_MACHINE, epoch=F("epoch") + 1):
        log.warning("node not joined", node=node.name, machine=report.machine, reason=ONE_MACHINE)
        enqueue.nudge_driving(node.name)
    registers.unbind(enqueue.broker(), node.name, report.agent)


def _says_more(node: Node, report: wire.Report) -> bool:
    """Whether taking it would change a row; looked at without locks, so that a quiet fleet costs no writes."""
    if node.agent == "" or node.state not in ("ready", "cordoned", "draining") or report.host != node.address:
        return True
    if report.incarnation == incarnation() and report.epoch > node.applied_epoch:
        return True
    return any(changes for _, changes in _changes(node.pk, report, datetime.now(UTC)))


@unit_of_work
def _take(node_id: UUID, report: wire.Report) -> bool:
    """Steps: 1. lock endpoints, then the node; 2. claim the number; 3. move instances; 4. tell who must know."""
    endpoints = Instance.objects.filter(node=node_id, state__in=LIVE).values_list("endpoint_id", flat=True)
    list(Endpoint.objects.select_for_update().filter(pk__in=set(endpoints)).order_by("pk").values_list("pk"))
    node = Node.objects.select_for_update().get(pk=node_id)
    if report.number <= node.report_number or node.agent not in ("", report.agent):
        return False
    now = datetime.now(UTC)
    _take_node(node, report, now)
    changes = [(row, change) for row, change in _changes(node_id, report, now) if change]
    for row, change in changes:
        _write(row, change, now)
    gone = [row for row, change in changes if change.released]
    if gone:
        release(gone, now=now)
        Instance.objects.filter(pk__in=[row.pk for row in gone], state=InstanceState.FAILED).update(node=None)
    routing.touch([row.endpoint_id for row, change in changes if change.seen_outside])
    if any(change.wish_moved for _, change in changes):
        touch_nodes([node_id])
    for endpoint in {row.endpoint_id for row, change in changes if change.state or change.released}:
        enqueue.nudge_converging(str(endpoint))
    return True


def _take_node(node: Node, report: wire.Report, now: datetime) -> None:
    ours = report.incarnation == incarnation()
    applied = max(node.applied_epoch, report.epoch) if ours else node.applied_epoch
    state = node.state
    if state in (NodeState.JOINING, NodeState.SUSPECT):
        state = node.intent
    elif state == NodeState.LOST:
        state = NodeState.RETURNING
    if state == NodeState.RETURNING and ours and report.epoch >= node.epoch and not report.foreign:
        state = node.intent
    joined = node.agent == ""
    Node.objects.filter(pk=node.pk).update(
        agent=report.agent,
        address=report.host,
        machine=report.machine,
        report_number=report.number,
        applied_epoch=applied,
        heard_at=now,
        silent_seconds=0,
        intruder="",
        refusal="",
        state=state,
        state_since=now if state != node.state else node.state_since,
    )
    if joined:
        enqueue.after_commit(lambda: registers.bind(enqueue.broker(), node.name, report.agent))
        touch_nodes([node.pk])
    if state != node.state and state == NodeState.READY:
        raise_demand(node.generation_id)


def _changes(node_id: UUID, report: wire.Report, now: datetime) -> list[tuple[Instance, Change]]:
    rows = {str(row.pk): row for row in Instance.objects.filter(node=node_id, state__in=LIVE).order_by("pk")}
    return [
        (rows[seen.id], advance(standing_of(rows[seen.id]), seen, now))
        for seen in report.instances
        if seen.id in rows
    ]


def standing_of(row: Instance) -> Standing:
    """What of a row a sighting can move."""
    return Standing(
        state=row.state,
        attempt=row.attempt,
        crashes=row.crashes,
        ready_at=row.ready_at,
        host=row.host,
        port=row.port,
        pid=row.pid,
        progress=row.progress,
    )


def _write(row: Instance, change: Change, now: datetime) -> None:
    """The guarded update: nothing is written where the state is no longer the one that was seen."""
    fields = dict(change.fields)
    if change.state and change.state != row.state:
        check_arrow(row.state, change.state)
    if change.state:
        fields |= {"state": change.state, "state_since": now}
    Instance.objects.filter(pk=row.pk, state=row.state, attempt=row.attempt).update(**fields)
