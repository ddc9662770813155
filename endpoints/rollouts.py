"""From what is to what is wished, one step at a time: `endpoints.rules.next_step`, written down.

Called by the services after every change of the wish, by a nudge whenever an instance moved, and by a
sweep; under the endpoint's row lock, so that two callers never open the same instance twice.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db.models import Count, F, Q, QuerySet

from endpoints import routing
from endpoints.models import Endpoint
from endpoints.rules import AT_WORK, REMOVE_FIRST, Forecast, Part, Step, forecast, next_step, surplus
from scheduler import quotas
from scheduler import selectors as machines
from scheduler.models import Instance, Node, Placement
from scheduler.rules import NodeState, waits_for_room
from scheduler.services import end_instances, open_instances
from studio.statements import statement
from studio.unit import unit_of_work

log = structlog.get_logger()


@unit_of_work
def converge(endpoint_id: UUID, *, now: datetime) -> Step:
    """Take the endpoint's next step, if there is one."""
    endpoint = Endpoint.objects.select_for_update().get(pk=endpoint_id)
    step = due(endpoint)
    if step.ends:
        end_instances([UUID(each) for each in step.ends], now=now)
    _open(endpoint, step, now)
    if step.ends or step.opens:
        routing.touch([endpoint.pk])
    return step


def begin(endpoint: Endpoint, *, now: datetime) -> None:
    """The first step of one that this transaction created: there is nothing of it yet, and nobody else sees it."""
    step = next_step(
        desired=endpoint.desired, wanted=endpoint.instances, config=endpoint.config_version, parts=()
    )
    _open(endpoint, step, now)
    routing.announce([endpoint.pk])


def due(endpoint: Endpoint) -> Step:
    """The step that `converge` would take now."""
    return next_step(
        desired=endpoint.desired,
        wanted=endpoint.instances,
        config=endpoint.config_version,
        parts=_parts(endpoint, _present(endpoint)),
    )


def foresee(after: Endpoint, *, was: str, differs: bool, rolls: bool) -> Forecast:
    """How the endpoint would come to be as `after`, a row that is not saved: the facts for `rules.forecast`."""
    rows = _present(after)
    parts = _parts(after, rows)
    told = partial(
        forecast,
        was=was,
        desired=after.desired,
        wanted=after.instances,
        config=after.config_version,
        differs=differs,
        rolls=rolls,
        parts=parts,
    )
    if not (rolls and was == after.desired == Endpoint.Desired.RUNNING):
        return told()
    going = {part.id for part in surplus(after.instances, parts)}
    freed: Counter[UUID] = Counter()
    for row in rows:
        if row.node_id and (row.state == "draining" or str(row.pk) in going):
            freed[row.node_id] += row.rdus
    room_maker = _room_maker(after, rows)
    maker = Node.objects.get(pk=room_maker) if room_maker else None
    of_quota = quotas.lacking(after.project.tenant_id, after.generation_id, after.rdus, sum(freed.values()))
    return told(
        spare=machines.spare(after, freed),
        lacking=max(of_quota, after.rdus - maker.free - freed[maker.pk] if maker else after.rdus),
        holds={str(row.pk): row.rdus for row in rows},
    )


def _open(endpoint: Endpoint, step: Step, now: datetime) -> None:
    wanted = [
        (each.ordinal, UUID(each.replaces) if each.replaces else None, each.cause) for each in step.opens
    ]
    if wanted:
        open_instances(endpoint, wanted, now=now)


def settle(*, now: datetime) -> None:
    """The sweep: what a lost nudge left behind. One endpoint that cannot take its step keeps no other from it."""
    for endpoint in unsettled():
        try:
            converge(endpoint, now=now)
        except Exception:
            log.exception("endpoint not settled", endpoint=str(endpoint))


def unsettled() -> list[UUID]:
    """Endpoints that may have a step to take. Cheap, and may name too many."""
    present = Instance.objects.filter(state__in=REMOVE_FIRST)
    wished = Q(endpoint__desired="running")
    outdated = ~Q(config_version=F("endpoint__config_version"))
    moving = Q(node__intent=NodeState.DRAINING)
    moving |= Q(node__tenant__isnull=False) & ~Q(node__tenant=F("endpoint__project__tenant"))
    found = present.filter(~wished | outdated | moving).values_list("endpoint_id", flat=True)
    return sorted({*found, *_miscounted()})


def _miscounted() -> set[UUID]:
    """Running endpoints whose present instances are not as many as wished."""
    count = Count("rows", filter=Q(rows__state__in=REMOVE_FIRST))
    counted = Endpoint.objects.filter(desired="running").order_by().annotate(present=count)
    return set(counted.exclude(present=F("instances")).values_list("pk", flat=True))


def _present(endpoint: Endpoint) -> list[Instance]:
    return _present_rows(endpoint.pk)


@statement()
def _present_rows(endpoint: UUID) -> QuerySet[Instance]:
    rows = Instance.objects.filter(endpoint=endpoint).exclude(state="stopped").select_related("node")
    return rows.order_by("ordinal", "created_at").only(
        "ordinal", "state", "config_version", "replaces", "reason", "rdus",
        "node__name", "node__state", "node__intent", "node__width", "node__free", "node__generation",
        "node__tenant",
    )  # fmt: skip


def _parts(endpoint: Endpoint, rows: Sequence[Instance]) -> list[Part]:
    looked = any(row.state == "awaiting" for row in rows) and _planner_looked(endpoint.generation_id)
    room_maker = _room_maker(endpoint, rows)
    return [
        Part(
            id=str(row.pk),
            ordinal=row.ordinal,
            state=row.state,
            config=row.config_version,
            replaces=str(row.replaces_id) if row.replaces_id else None,
            waits_for_room=row.state == "awaiting" and looked and waits_for_room(row.reason),
            makes_room=row.node_id is not None and row.node_id == room_maker,
            moving=row.node is not None and _must_leave(endpoint, row.node),
        )
        for row in rows
    ]


def _must_leave(endpoint: Endpoint, node: Node) -> bool:
    """It is being emptied, or was given to another tenant."""
    return node.intent == NodeState.DRAINING or not _is_open(endpoint, node)


def _is_open(endpoint: Endpoint, node: Node) -> bool:
    return node.tenant_id is None or node.tenant_id == endpoint.project.tenant_id


def _planner_looked(generation: str) -> bool:
    """Whether the reasons of those that wait are of now: every wish and every release so far was planned."""
    return bool(_all_planned(generation))


@statement()
def _all_planned(generation: str) -> QuerySet[Placement, str]:
    planned = Placement.objects.filter(pk=generation, planned=F("generation__demand__count"))
    return planned.values_list("pk", flat=True)


def _room_maker(endpoint: Endpoint, rows: Sequence[Instance]) -> UUID | None:
    """The node where one present instance would fit once outdated ones of this endpoint have ended, if any.

    Of several the one where something leaves already, then the one where least has to end: a little room on
    each of two nodes would help nobody.
    """
    nodes = {row.node_id: row.node for row in rows if row.node}
    leaving = {row.node_id for row in rows if row.state == "draining"}
    gives: Counter[UUID | None] = Counter()
    for row in rows:
        outdated = row.state in AT_WORK and row.config_version != endpoint.config_version
        if outdated or row.state == "draining":
            gives[row.node_id] += row.rdus
    hopeful = [
        (pk not in leaving, -node.free, node.name, pk)
        for pk, node in nodes.items()
        if node.state == NodeState.READY
        and node.generation_id == endpoint.generation_id
        and node.width >= endpoint.min_width
        and gives[pk] > 0
        and node.free + gives[pk] >= endpoint.rdus
        and _is_open(endpoint, node)
    ]
    return min(hopeful)[-1] if hopeful else None
