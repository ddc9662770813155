"""Nodes as a preview draws them: each RDU a cell, those marked that would be taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from scheduler.models import Allocation, Node
from scheduler.rules import InstanceState, NodeState
from studio.statements import statement
from studio.tenants.rules import Actor


@dataclass(frozen=True, slots=True)
class Cell:
    """One RDU of a node in a picture. `use`: free, mine, other, here (would be taken), out."""

    index: int
    use: str


@dataclass(frozen=True, slots=True)
class NodePicture:
    name: str
    state: str
    virtual: bool
    cells: list[Cell]
    lands: list[int] = field(default_factory=list)  # numbers of the instances that would land here


def pictures(
    actor: Actor,
    names: Sequence[str],
    lands: Mapping[str, Sequence[int]],
    rdus: int,
    without: UUID | None,
) -> list[NodePicture]:
    """The nodes of these names with their RDUs as cells; the free ones that would be taken are marked.

    `lands`: the numbers of the instances that would land on each. `without`: an endpoint whose RDUs are taken for free.
    """
    rows = _in_this_order(names)
    held = _holders(rows, without)
    found = []
    for node in rows:
        numbers = sorted(lands.get(node.name, []))
        take = len(numbers) * rdus
        cells = []
        for index in range(node.width):
            use = _use(actor, node, held.get((node.pk, index)))
            if use == "free" and take:
                use, take = "here", take - 1
            cells.append(Cell(index, use))
        found.append(NodePicture(node.name, node.state, node.virtual, cells, numbers))
    return found


def _in_this_order(names: Sequence[str]) -> list[Node]:
    found = {node.name: node for node in _drawn(list(names))}
    return [found[name] for name in names if name in found]


@statement()
def _drawn(names: list[str]) -> QuerySet[Node]:
    return Node.objects.order_by().only("name", "state", "virtual", "width").filter(name__in=names)


def _holders(rows: Sequence[Node], without: UUID | None) -> dict[tuple[UUID, int], UUID]:
    """(node, RDU index) → tenant that holds it."""
    found = _held_on([node.pk for node in rows], without)
    return {(node, index): tenant for node, index, tenant in found}


@statement()
def _held_on(nodes: list[UUID], without: UUID | None) -> QuerySet[Allocation, Any]:
    # By the instances on these nodes, which are few: by the RDUs, a plan for any nodes may read all there are.
    held = Allocation.objects.filter(instance__node__in=nodes, released_at=None)
    held = held.exclude(instance__state__in=[InstanceState.STOPPED, InstanceState.AWAITING])
    if without is not None:
        held = held.exclude(instance__endpoint=without)
    return held.values_list("instance__node_id", "rdu__index", "instance__endpoint__project__tenant_id")


def _use(actor: Actor, node: Node, holder: UUID | None) -> str:
    if holder is not None:
        return "mine" if holder == actor.tenant else "other"
    return "free" if node.state == NodeState.READY else "out"
