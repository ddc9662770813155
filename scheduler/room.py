"""Whether all of a wish finds room now, told by two sums: a create asks this first and plans nothing where it does."""

from uuid import UUID

from django.db.models import Count, F, Max, Q, Sum

from scheduler import quotas
from scheduler.models import Instance, Node, Quota
from scheduler.rules import InstanceState, NodeState


def surely_fits(
    *, tenant: UUID, generation: str, min_width: int, rdus: int, instances: int, without: UUID
) -> bool:
    """True only where the planner would place every instance; False where it would have to be asked.

    A node has room for free // rdus of them. Whoever waits before them and takes w RDUs of one node takes room for no
    more than w / rdus of them, rounded up; who wants more than any node has free takes nothing. Of the
    tenant's quota, those of it that wait take all they want. `without`: an endpoint whose own instances do not wait.
    """
    if not instances:
        return True
    open_ = Q(tenant=None) | Q(tenant=tenant)
    wide = Q(width__gte=min_width, free__gte=rdus)
    sums = Node.objects.filter(open_, generation=generation, state=NodeState.READY).aggregate(
        slots=Sum(F("free") / rdus, filter=wide, default=0), most=Max("free", default=0)
    )
    room, widest = sums["slots"], sums["most"]
    if room < instances:
        return False
    waiting = Instance.objects.filter(generation=generation, state=InstanceState.AWAITING, rdus__lte=widest)
    rows = waiting.exclude(endpoint=without).order_by()
    before = rows.values_list("rdus").annotate(Count("pk"))
    if Quota.objects.filter(tenant=tenant, generation=generation, maximum__isnull=False).exists():
        own = rows.filter(endpoint__project__tenant=tenant).aggregate(all=Sum("rdus", default=0))["all"]
        if quotas.lacking(tenant, generation, own + rdus * instances):
            return False
    return room - sum(-(-each // rdus) * many for each, many in before) >= instances
