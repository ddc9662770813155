"""From what is to what is wished, one step at a time: `endpoints.rules.next_step`, written down.

Called by the services after every change of the wish, by a nudge whenever an instance moved, and by a
sweep; under the endpoint's row lock, so that two callers never open the same instance twice.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from endpoints import routing
from endpoints.models import Endpoint
from endpoints.rules import AT_WORK, Part, Step, next_step
from scheduler.models import Instance
from scheduler.rules import NodeState, waits_for_room
from scheduler.services import end_instances, open_instances
from studio.unit import unit_of_work


@unit_of_work
def converge(endpoint_id: UUID, *, now: datetime) -> Step:
    """Take the endpoint's next step, if there is one."""
    endpoint = Endpoint.objects.select_for_update().get(pk=endpoint_id)
    step = next_step(
        desired=endpoint.desired,
        wanted=endpoint.instances,
        config=endpoint.config_version,
        parts=_parts(endpoint),
    )
    if step.ends:
        end_instances([UUID(each) for each in step.ends], now=now)
    if step.opens:
        wanted = [
            (each.ordinal, UUID(each.replaces) if each.replaces else None, each.cause) for each in step.opens
        ]
        open_instances(endpoint, wanted, now=now)
    if step.ends or step.opens:
        routing.touch([endpoint.pk])
    return step


def unsettled() -> list[UUID]:
    """Endpoints that may have a step to take: what a lost nudge left behind. Cheap, and may name too many."""
    rows = Instance.objects.exclude(state="stopped")
    not_wished = rows.exclude(endpoint__desired="running").exclude(state="draining")
    wished = rows.filter(endpoint__desired="running", state__in=["awaiting", *AT_WORK])
    moving = rows.filter(node__intent=NodeState.DRAINING)
    lost = rows.filter(state="lost", endpoint__desired="running")
    found = set(not_wished.values_list("endpoint_id", flat=True)) | set(
        moving.exclude(state="draining").values_list("endpoint_id", flat=True)
    )
    found |= set(lost.values_list("endpoint_id", flat=True))
    found |= {
        pk
        for pk, config, wanted in wished.values_list(
            "endpoint_id", "config_version", "endpoint__config_version"
        )
        if config != wanted
    }
    return sorted(found | _miscounted())


def _miscounted() -> set[UUID]:
    """Running endpoints whose present instances are not as many as wished."""
    from_rows: dict[UUID, int] = {}
    present = Instance.objects.filter(
        endpoint__desired="running",
        state__in=["awaiting", *AT_WORK, "failed"],
    )
    for pk in present.values_list("endpoint_id", flat=True):
        from_rows[pk] = from_rows.get(pk, 0) + 1
    wished = Endpoint.objects.filter(desired="running").values_list("pk", "instances")
    return {pk for pk, wanted in wished if from_rows.get(pk, 0) != wanted}


def _parts(endpoint: Endpoint) -> list[Part]:
    rows = Instance.objects.filter(endpoint=endpoint).filter(~Q(state="stopped")).select_related("node")
    return [
        Part(
            id=str(row.pk),
            ordinal=row.ordinal,
            state=row.state,
            config=row.config_version,
            replaces=str(row.replaces_id) if row.replaces_id else None,
            waits_for_room=row.state == "awaiting"
            and row.generation_id == endpoint.generation_id
            and waits_for_room(row.reason),
            moving=row.node is not None and row.node.intent == NodeState.DRAINING,
        )
        for row in rows
    ]
