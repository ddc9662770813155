"""What the planner reads and what it says, in words of its own: nodes, the queue, quotas, placements, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

Code = Literal[
    "no_nodes", "too_wide", "fragmented", "none_free", "quota", "unusable", "held", "behind", "reserved"
]


class NodeView(NamedTuple):
    """One node of the generation; `width` and `free` in RDUs, 0 <= free <= width.

    `usable` is false for a node that takes nothing now (cordoned, draining, suspect, lost, joining), and
    `why_not` is that state's word. Its RDUs are not in the pool; reasons tell of them. A tuple, because a preview
    makes thousands. `tenant`: the only one whose instances it takes; "" for one that all share.
    """

    id: str
    name: str
    width: int
    free: int
    usable: bool
    why_not: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """So many nodes of one kind that are not listed one by one, since no plan of this queue comes to them.

    That is so of nodes that are not usable or have nothing free. Of usable ones of one width with as much free,
    those may be left out that come, by name, behind as many as there are waiting instances, where none avoids any.
    """

    width: int
    free: int
    usable: bool
    count: int
    why_not: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One instance that wants `rdus` (>= 1) RDUs in one node; `arrival` in seconds on any one clock.

    `avoids` are ids of nodes that hold an instance of this endpoint already: a preference, never a rule. What
    this plan itself places for the endpoint need not be in it. `relieves`: RDUs that its tenant gives back for it,
    once it answers: those of an instance whose node is to be emptied.
    """

    instance: str
    endpoint: str
    tenant: str
    rdus: int
    arrival: float
    ordinal: int = 0
    priority: int = 0
    avoids: frozenset[str] = frozenset()
    relieves: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """RDUs a tenant holds in this generation now, the most it may hold (None: no limit), and what it is sure of.

    Within its guarantee a tenant goes first; beyond it, it has what the others do not need.
    """

    used: int
    maximum: int | None
    guaranteed: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings: quotas by tenant (none: no limit), and whole nodes kept free of spreading."""

    quotas: Mapping[str, Quota] = field(default_factory=dict)
    spare_nodes: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Free RDUs kept anywhere in the pool for an instance that waited long (the next step; not read yet)."""

    instance: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Placement:
    """`instance` gets `rdus` RDUs of the node with the id `node`."""

    instance: str
    node: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Move:
    """A running instance changes its node so that another one fits (the next step; no plan has one yet)."""

    instance: str
    source: str
    target: str
    rdus: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance waits, in numbers (RDUs, if not said otherwise) that hold after the plan's placements.

    Nodes that are assigned to other tenants are none here. `code` is the first of these that is so:

    - `reserved`: the generation has nodes, all assigned to other tenants;
    - `no_nodes`: the generation has no node;
    - `too_wide`: no node, usable or not, is `rdus` wide;
    - `quota`: the tenant would hold more than its maximum;
    - `unusable`: nodes wide enough exist, and none of them is usable;
    - `none_free`: fewer than `rdus` are free in all usable nodes together;
    - `fragmented`: enough are free, and no single usable node has them.

    `held` and `behind` belong to the next step.
    """

    code: Code
    rdus: int = 0  # what the instance wants
    position: int = 0  # in the generation's queue of those still waiting, from 1
    total: int = 0  # in usable nodes
    free: int = 0  # in usable nodes
    widest_free: int = 0  # most free in one usable node
    widest_node: str = ""  # the name of that node, "" while nothing is free
    widest_width: int = 0  # widest usable node
    any_width: int = 0  # widest node, usable or not
    waiting_nodes: tuple[tuple[str, int], ...] = ()  # (why_not, number of nodes), by word
    waiting_free: int = 0  # free in nodes that are not usable
    quota_used: int = 0  # what the tenant holds
    quota_maximum: int | None = None  # what it may hold, None without a limit

    def as_json(self) -> dict[str, Any]:
        """For the column of a row: plain values only; `from_json` gives an equal reason back."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {"waiting_nodes": dict(self.waiting_nodes)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Reason:
        """Read what `as_json` wrote, here or in another version: unknown fields drop, absent ones default."""
        known = {each.name: plain[each.name] for each in fields(cls) if each.name in plain}
        return cls(**known | {"waiting_nodes": tuple(sorted(plain.get("waiting_nodes", {}).items()))})


@dataclass(frozen=True, slots=True)
class Wait:
    """`instance` gets nothing in this plan."""

    instance: str
    reason: Reason

    @property
    def position(self) -> int:
        """Its place in the generation's queue of those still waiting, from 1."""
        return self.reason.position


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, as it was decided; each waiting instance is in placements or in waits, once."""

    placements: tuple[Placement, ...] = ()
    moves: tuple[Move, ...] = ()
    waits: tuple[Wait, ...] = ()
