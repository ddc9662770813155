"""Whether all of a wish finds room now, told by two sums: a create asks this first and plans nothing where it does."""

from typing import Any
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from scheduler import quotas
from scheduler.models import Instance, Node, Quota
from scheduler.rules import InstanceState, NodeState
from studio.statements import statement


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
    [(_, room, widest)] = _room(tenant, generation, min_width, rdus) or [(generation, 0, 0)]
    if room < instances:
        return False
    if _limited(tenant, generation):
        own = sum(width * many for width, many in _waiting(generation, widest, without, tenant))
        if quotas.lacking(tenant, generation, own + rdus * instances):
            return False
    before = _waiting(generation, widest, without, None)
    return room - sum(-(-width // rdus) * many for width, many in before) >= instances


@statement()
def _room(tenant: UUID, generation: str, min_width: int, rdus: int) -> QuerySet[Node, Any]:
    """How many fit on the nodes that are open to the tenant, and the most RDUs that any of them has free."""
    open_ = Q(tenant=None) | Q(tenant=tenant)
    wide = Q(width__gte=min_width, free__gte=rdus)
    nodes = Node.objects.filter(open_, generation=generation, state=NodeState.READY).order_by()
    sums = {"slots": Sum(F("free") / rdus, filter=wide, default=0), "most": Max("free", default=0)}
    return nodes.values_list("generation").annotate(**sums)


@statement()
def _limited(tenant: UUID, generation: str) -> QuerySet[Quota, int]:
    rows = Quota.objects.filter(tenant=tenant, generation=generation, maximum__isnull=False)
    return rows.order_by().values_list("pk", flat=True)


@statement()
def _waiting(
    generation: str, widest: int, without: UUID, tenant: UUID | None
) -> QuerySet[Instance, tuple[int, int]]:
    """RDUs → how many instances, of this tenant or of all, wait for so many."""
    rows = Instance.objects.filter(generation=generation, state=InstanceState.AWAITING, rdus__lte=widest)
    if tenant is not None:
        rows = rows.filter(endpoint__project__tenant=tenant)
    return rows.exclude(endpoint=without).order_by().values_list("rdus").annotate(Count("pk"))
