"""Whether all of a wish finds room now, told by two sums: a create asks this first and plans nothing where it does."""

from uuid import UUID

from django.db.models import Count, F, Max, Q, Sum

from scheduler.models import Instance, Node
from scheduler.rules import InstanceState, NodeState


def surely_fits(*, generation: str, min_width: int, rdus: int, instances: int, without: UUID) -> bool:
    """True only where the planner would place every instance; False where it would have to be asked.

    A node has room for free // rdus of them. Whoever waits before them and takes w RDUs of one node takes room for no
    more than w / rdus of them, rounded up; who wants more than any node has free takes nothing. `without`: an
    endpoint whose own instances do not wait.
    """
    wide = Q(width__gte=min_width, free__gte=rdus)
    sums = Node.objects.filter(generation=generation, state=NodeState.READY).aggregate(
        slots=Sum(F("free") / rdus, filter=wide, default=0), most=Max("free", default=0)
    )
    room, widest = sums["slots"], sums["most"]
    if room < instances:
        return False
    waiting = Instance.objects.filter(generation=generation, state=InstanceState.AWAITING, rdus__lte=widest)
    before = waiting.exclude(endpoint=without).order_by().values_list("rdus").annotate(Count("pk"))
    return room - sum(-(-each // rdus) * many for each, many in before) >= instances
