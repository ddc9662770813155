"""What tenants hold of each generation, and what they may hold: for the planner, for previews and for pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Min, Q, QuerySet, Sum

from scheduler import planner
from scheduler.models import Instance, Node, Quota
from scheduler.rules import InstanceState, NodeState
from studio.hub.models import Generation
from studio.statements import statement

AT_WORK = (InstanceState.PLACED, InstanceState.STARTING, InstanceState.WARMING, InstanceState.READY)
# Its node is to be emptied, or is another tenant's.
MUST_LEAVE = Q(node__intent=NodeState.DRAINING) | (
    Q(node__tenant__isnull=False) & ~Q(node__tenant=F("endpoint__project__tenant"))
)

Held = Mapping[UUID, Mapping[str, int]]  # tenant → generation → RDUs


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant and one generation. `maximum` None: no limit."""

    generation: str
    held: int
    guaranteed: int
    maximum: int | None


def holders() -> QuerySet[Instance]:
    """Instances that hold their RDUs, in the words of the index of instances on nodes."""
    on_nodes = Instance.objects.filter(node__isnull=False)
    return on_nodes.exclude(state__in=[InstanceState.STOPPED, InstanceState.AWAITING]).order_by()


def held(tenants: Iterable[UUID] | None = None) -> Held:
    """By the instances on nodes: each holds all its RDUs there until it is over. Without `tenants`, of all.

    To a database one tenant looks small, and it then takes longer over that one than over all.
    """
    found: dict[UUID, dict[str, int]] = {}
    for tenant, generation, rdus in _held(None if tenants is None else list(tenants)):
        found.setdefault(tenant, {})[generation] = rdus
    return found


@statement()
def _held(tenants: list[UUID] | None) -> QuerySet[Instance, Any]:
    rows = holders()
    if tenants is not None:
        rows = rows.filter(endpoint__project__tenant__in=tenants)
    return rows.values_list("endpoint__project__tenant_id", "generation_id").annotate(Sum("rdus"))


def policy(generation: str, freed: Mapping[UUID, int] | None = None) -> planner.Policy:
    """What the planner has to keep to now. `freed`: RDUs by tenant that are taken for free."""
    rows = _quotas(generation)
    if not rows:  # as nearly everywhere
        return planner.OPEN_POLICY
    used = held(row.tenant_id for row in rows)
    quotas = {}
    for row in rows:
        now = used.get(row.tenant_id, {}).get(generation, 0) - (freed or {}).get(row.tenant_id, 0)
        quotas[str(row.tenant_id)] = planner.Quota(max(0, now), row.maximum, row.guaranteed)
    return planner.Policy(quotas)


@statement()
def _quotas(generation: str) -> QuerySet[Quota]:
    return Quota.objects.filter(generation=generation)


def relieved(endpoints: Iterable[UUID]) -> dict[UUID, int]:
    """Endpoint → RDUs that one more instance at work would let it give back, of those that leave a node for another.

    The same as `endpoints.rules.next_step` ends by then: one that is outdated, or on a node that is to be emptied, as
    soon as there are more at work than are wished. Where fewer are, everything goes on, and nothing is relieved.
    """
    rows = Instance.objects.filter(endpoint__in=set(endpoints), node__isnull=False, state__in=AT_WORK)
    outdated = ~Q(config_version=F("endpoint__config_version"))
    found = (
        rows.order_by()
        .values_list("endpoint_id", "endpoint__instances")
        .annotate(
            at_work=Count("pk"),
            leaving=Count("pk", filter=MUST_LEAVE),
            least=Min("rdus", filter=outdated | MUST_LEAVE),
        )
    )
    return {
        endpoint: least
        for endpoint, wanted, at_work, leaving, least in found
        if leaving and at_work >= wanted
    }


def lacking(tenant: UUID, generation: str, rdus: int, freed: int = 0) -> int:
    """RDUs that the tenant would have to give up for so many more; 0 where it may hold them."""
    row = Quota.objects.filter(tenant=tenant, generation=generation, maximum__isnull=False).first()
    if row is None or row.maximum is None:
        return 0
    used = held([tenant]).get(tenant, {}).get(generation, 0)
    return max(0, used - freed + rdus - row.maximum)


def standings(tenants: Iterable[UUID]) -> dict[UUID, list[Standing]]:
    """Every generation that has nodes, or that the tenant holds or has a quota of, in the operator's order."""
    ids = list(tenants)
    used = held(ids)
    rows = {(row.tenant_id, row.generation_id): row for row in Quota.objects.filter(tenant__in=ids)}
    nodes = Node.objects.exclude(state=NodeState.REMOVED).order_by()
    present = set(nodes.values_list("generation_id", flat=True).distinct())
    order = list(Generation.objects.order_by("rank", "code").values_list("code", flat=True))
    found: dict[UUID, list[Standing]] = {}
    for tenant in ids:
        own = used.get(tenant, {})
        codes = [code for code in order if code in present or code in own or (tenant, code) in rows]
        found[tenant] = [_standing(code, own.get(code, 0), rows.get((tenant, code))) for code in codes]
    return found


def _standing(generation: str, held_now: int, row: Quota | None) -> Standing:
    return Standing(generation, held_now, row.guaranteed if row else 0, row.maximum if row else None)
