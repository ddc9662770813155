"""Gathering the facts for `studio.doctor.rules`: one look at rows, registers and routes. Nothing is changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from endpoints import rollouts, wire
from endpoints.models import Endpoint
from endpoints.rules import FORGOTTEN
from scheduler import registers
from scheduler.driver import read_report
from scheduler.models import LIVE, Allocation, Control, Demand, Instance, Node, Placement, Rdu, Sweep
from scheduler.placing import LEASE
from scheduler.rules import COMING, InstanceState, NodeState
from scheduler.selectors import incarnation
from scheduler.wire import packed
from studio import enqueue
from studio.doctor import rules
from studio.doctor.rules import Finding
from studio.repeats.models import Answered
from studio.repeats.services import KEPT

SPARE = timedelta(seconds=3 * rules.SWEEPS["forget deleted"])  # for the sweep that forgets
MOST = 500  # endpoints whose next step is worked out in one look


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, and what could not be looked at and why."""

    findings: list[Finding]
    unlooked: list[str]


def examine(*, clock: Callable[[], datetime], pause: Callable[[], None]) -> Look:
    """Look; where something is found, wait and look again: what is left is no passing moment."""
    first = look(clock())
    if not first.findings:
        return first
    pause()
    second = look(clock())
    return Look(rules.lasting(first.findings, second.findings), second.unlooked)


def look(now: datetime) -> Look:
    """Sweeps first, as their repair is to come first: it takes reports that may move what seems to stand still."""
    found = [*_sweeps(now), *_instances(now), *_rdus(), *_allocations(), *_plans(now), *_steps(), *_kept(now)]
    try:
        found += [*_nodes(), *_routes()]
    except redis.RedisError as error:
        says = f"The broker does not answer ({type(error).__name__})."
        remedy = "See its log and STUDIO_BROKER_URL. Running endpoints answer on meanwhile."
        found += [Finding("broker-away", "broker", says, remedy=remedy), *_unpublished([])]
        return Look(found, ["wishes, reports and routes in the broker"])
    return Look(found, [])


# ----- rows -----------------------------------------------------------------------------------------------


def _instances(now: datetime) -> Iterator[Finding]:
    on_its_way = Q(state__in=[*COMING, InstanceState.DRAINING, InstanceState.LOST])
    unseen = Q(state=InstanceState.AWAITING, reason__isnull=True)
    stranded = Q(state__in=LIVE, node__state=NodeState.REMOVED)
    rows = Instance.objects.filter(on_its_way | unseen | stranded)
    resumed = resumed_at()
    for row in rows.select_related("node", "runtime_version__runtime").order_by("pk"):
        yield from _some(rules.check_instance(standing_of(row, resumed), now))


def resumed_at() -> datetime | None:
    """When control came back after its last absence: nothing could move before."""
    return Control.objects.filter(pk=1).values_list("resumed_at", flat=True).first()


def standing_of(row: Instance, resumed: datetime | None) -> rules.Standing:
    runtime, node = row.runtime_version.runtime, row.node
    marks = [mark for mark in (node.state_since if node else None, resumed) if mark]
    return rules.Standing(
        id=str(row.pk),
        state=row.state,
        since=row.state_since,
        attempt=row.attempt,
        progress_at=row.progress_at,
        retry_at=row.retry_at,
        was_ready=row.ready_at is not None,
        start_seconds=runtime.start_seconds,
        stop_seconds=runtime.stop_seconds,
        drain_seconds=0 if row.drain_mode == "stop" else row.drain_seconds,
        has_reason=row.reason is not None,
        node=node.name if node else "",
        node_state=node.state if node else "",
        clock_since=max(marks, default=None),
    )


def _rdus() -> Iterator[Finding]:
    """Each node's rows and counter, read in one statement: a placement changes both in one transaction."""
    indices: dict[object, list[int]] = defaultdict(list)
    for node, index in Rdu.objects.order_by().values_list("node_id", "index"):
        indices[node].append(index)
    nodes = with_held(Node.objects.exclude(state=NodeState.REMOVED)).order_by("name")
    for pk, name, width, free, held in nodes.values_list("pk", "name", "width", "free", "held"):
        yield from _some(rules.check_rdus(name, width, indices[pk]))
        yield from _some(rules.check_free(name, width, free, held))


def with_held(nodes: QuerySet[Node]) -> Any:
    """Annotate `held`: how many of its RDUs have a live allocation."""
    live = Allocation.objects.filter(rdu__node=OuterRef("pk"), released_at=None).order_by()
    counted = live.values("rdu__node").annotate(many=Count("pk")).values("many")
    return nodes.annotate(held=Coalesce(Subquery(counted), 0))


def _allocations() -> Iterator[Finding]:
    over = Q(instance__state__in=[InstanceState.STOPPED, InstanceState.AWAITING])
    elsewhere = Q(instance__node__isnull=True) | ~Q(instance__node=F("rdu__node"))
    rows = Allocation.objects.filter(over | elsewhere, released_at=None).select_related(
        "rdu__node", "instance"
    )
    for row in rows.order_by("pk"):
        same = row.instance.node_id == row.rdu.node_id
        yield from _some(rules.check_allocation(str(row.rdu), str(row.instance_id), row.instance.state, same))


def _sweeps(now: datetime) -> Iterable[Finding]:
    return rules.check_sweeps(dict(Sweep.objects.values_list("name", "last")), made_at(now), now)


def made_at(now: datetime) -> datetime:
    """When the database was brought to its shape: a new platform, or a new version, has not run every sweep yet."""
    applied = MigrationRecorder.Migration.objects.order_by("-applied").values_list("applied", flat=True)
    return applied.first() or now


def _plans(now: datetime) -> Iterator[Finding]:
    planned = {row.pk: row for row in Placement.objects.all()}
    for pk, count in Demand.objects.order_by("pk").values_list("pk", "count"):
        row = planned.get(pk)
        met, held_until = (row.planned, row.held_until) if row else (-1, None)
        yield from _some(rules.check_plan(pk, count, met, held_until, now, LEASE))


def _steps() -> Iterator[Finding]:
    """Endpoints that may have a step to take, and what it would be."""
    ids = rollouts.unsettled()[:MOST]
    for endpoint in Endpoint.objects.filter(pk__in=ids).order_by("pk"):
        step = rollouts.due(endpoint)
        yield from _some(rules.check_step(str(endpoint.pk), len(step.opens), step.ends))


def _kept(now: datetime) -> Iterable[Finding]:
    late = now - SPARE
    answers = Answered.objects.filter(created_at__lt=late - KEPT).count()
    gone = Endpoint.objects.filter(desired=Endpoint.Desired.DELETED, deleted_at__lt=late - FORGOTTEN)
    values = gone.filter(api_keys__sealed__isnull=False).distinct().count()
    return rules.check_kept(answers, values)


# ----- the broker -----------------------------------------------------------------------------------------


def _nodes() -> Iterator[Finding]:
    """Raises `redis.RedisError`, like all below."""
    nodes = list(Node.objects.exclude(state=NodeState.REMOVED).order_by("name"))
    present = incarnation()
    standing = registers.get_wish_numbers(enqueue.broker(), [node.name for node in nodes])
    for node in nodes:
        wanted = packed(present, node.epoch)
        yield from _some(
            rules.check_wish(node.name, node.epoch, node.wished_epoch, wanted, standing.get(node.name))
        )
    for said in what_they_said(nodes, present):
        yield from rules.check_report(said)


def what_they_said(nodes: Sequence[Node], present: int) -> Iterator[rules.NodeSaid]:
    """Of nodes that answer and have applied the present wish: older reports may know less."""
    answering = {node.name: node for node in nodes if node.state in rules.ANSWERING}
    rows: dict[object, list[str]] = defaultdict(list)
    live = Instance.objects.filter(node__in=answering.values(), state__in=LIVE).order_by("pk")
    bodies = registers.get_reports(enqueue.broker(), list(answering))
    for pk, node_id in live.values_list("pk", "node_id"):
        rows[node_id].append(str(pk))
    epochs = dict(Node.objects.values_list("pk", "epoch"))  # as they are after the rows were read
    for name, (_, body) in sorted(bodies.items()):
        node = answering[name]
        report = read_report(node, body)
        if report is None or report.agent != node.agent:
            continue
        if (report.incarnation, report.epoch) == (present, epochs.get(node.pk)):
            yield rules.NodeSaid(name, rows[node.pk], [seen.id for seen in report.instances], report.foreign)


def _routes() -> Iterable[Finding]:
    """Of every endpoint the broker holds a route, also of those that are deleted."""
    there = {key.decode() for key in enqueue.broker().hkeys(wire.ROUTES)}  # type: ignore[union-attr]
    ids = Endpoint.objects.filter(published_version__gt=0).order_by("pk").values_list("pk", flat=True)
    return _unpublished([str(pk) for pk in ids.iterator() if str(pk) not in there])


def _unpublished(absent: Sequence[str]) -> Iterable[Finding]:
    behind = Endpoint.objects.filter(route_version__gt=F("published_version")).order_by("pk")
    return rules.check_routes([str(pk) for pk in behind.values_list("pk", flat=True)], absent)


def _some(finding: Finding | None) -> Iterator[Finding]:
    if finding:
        yield finding
