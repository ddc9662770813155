"""The nodes by kind: how many there are of each, and where a plan is previewed, which. One query each.

A database adds up thousands of nodes in a fraction of the time that it takes to hand them over one by one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Aggregate, Count, QuerySet, TextField

from scheduler.models import Node
from scheduler.planner import Alike, NodeView
from scheduler.rules import NodeState
from studio.statements import statement


@dataclass(frozen=True, slots=True)
class Kind:
    """The nodes of a generation that are in one state and one tenant's, and of one width with as much free."""

    generation: str
    state: str
    width: int
    free: int
    count: int
    names: Sequence[str] = ()  # in no order; only where they were asked for
    tenant: UUID | None = None  # whose alone they are

    @property
    def is_ready(self) -> bool:
        return self.state == NodeState.READY

    def is_open_to(self, tenant: UUID | None) -> bool:
        return self.tenant is None or self.tenant == tenant


class _Names(Aggregate):
    """The names of a group with commas between them, which no name has."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="%(function)s(%(expressions)s, ',')", function="STRING_AGG", **more
        )


def kinds(generations: list[str] | None = None) -> list[Kind]:
    """All, or those of these generations; without names."""
    return [
        Kind(generation, state, width, free, count, tenant=tenant)
        for generation, state, width, free, tenant, count in _counted(generations)
    ]


def named_kinds(generation: str, *, without: UUID | None = None) -> list[Kind]:
    """`without`: a node that shall not be among them."""
    found = []
    for state, width, free, tenant, written in _named(generation, without):
        names = written.split(",")
        found.append(Kind(generation, state, width, free, len(names), names, tenant))
    return found


@statement()
def _counted(generations: list[str] | None) -> QuerySet[Node, Any]:
    rows = _present() if generations is None else _present().filter(generation__in=generations)
    kinds = rows.values_list("generation_id", "state", "width", "free", "tenant_id")
    return kinds.annotate(count=Count("pk"))


@statement()
def _named(generation: str, without: UUID | None) -> QuerySet[Node, Any]:
    rows = _present().filter(generation=generation)
    rows = rows if without is None else rows.exclude(pk=without)
    return rows.values_list("state", "width", "free", "tenant_id").annotate(names=_Names("name"))


@statement()
def names(nodes: list[UUID]) -> QuerySet[Node, tuple[UUID, str]]:
    return Node.objects.order_by().filter(pk__in=nodes).values_list("pk", "name")


def _present() -> QuerySet[Node]:
    return Node.objects.exclude(state=NodeState.REMOVED).order_by()


def with_freed(found: Iterable[Kind], freed: Mapping[str, int]) -> list[Kind]:
    """The same nodes, as if of some of them so many more RDUs were free."""
    after = []
    for kind in found:
        own = freed.keys() & set(kind.names) if freed else set()
        left = [name for name in kind.names if name not in own] if own else kind.names
        if left:
            after.append(replace(kind, names=left, count=len(left)))
        after += [replace(kind, names=[name], count=1, free=kind.free + freed[name]) for name in own]
    return after


def views(found: Iterable[Kind], waiting: int) -> tuple[list[NodeView], list[Alike]]:
    """What `planner.plan` has to know of them for so many waiting instances: nodes one by one, and the rest.

    To the planner a node's name, which is unique, is its id.
    """
    listed: list[NodeView] = []
    rest: list[Alike] = []
    for kind in found:
        names = sorted(kind.names)[:waiting] if kind.is_ready and kind.free else []
        whose = str(kind.tenant) if kind.tenant else ""
        listed += [NodeView(name, name, kind.width, kind.free, True, tenant=whose) for name in names]
        why_not = "" if kind.is_ready else kind.state
        rest.append(Alike(kind.width, kind.free, kind.is_ready, kind.count - len(names), why_not, whose))
    return listed, rest
