"""Replay of requests through the product's planner in virtual time: one generation, no clock, no sleeping."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from scheduler.planner import NodeView, Placement, Waiting, plan


@dataclass(frozen=True, slots=True)
class Request:
    """`instances` of `rdus` RDUs each; `arrival` and `duration` in seconds, the duration counts from placement."""

    arrival: float
    tenant: str
    rdus: int
    instances: int
    duration: float


@dataclass(slots=True)
class Outcome:
    """What one replay showed. Idle and capacity in RDU-seconds, waits in seconds by (rdus, wait)."""

    idle: float = 0.0
    capacity: float = 0.0
    waits: list[tuple[int, float]] = field(default_factory=list)
    spread: int = 0  # endpoints of several instances that stood on several nodes once complete
    together: int = 0  # those that stood on one node, although a node is wider than one instance

    def idle_share(self) -> float:
        return self.idle / self.capacity if self.capacity else 0.0

    def mean_wait(self, rdus: int = 0) -> float:
        """Of all instances, or of those of this width."""
        waits = [wait for width, wait in self.waits if rdus in (0, width)]
        return sum(waits) / len(waits)

    def together_share(self) -> float:
        return self.together / (self.together + self.spread)


def replay(nodes: Sequence[NodeView], requests: Sequence[Request]) -> Outcome:
    """Let the requests arrive, be planned at each arrival and release, and leave, until all were placed.

    No request may be wider than the widest node: it would wait for ever.
    Idle counts until the last arrival: afterwards the load falls away, and the end would blur the share.
    """
    if max(request.rdus for request in requests) > max(node.width for node in nodes):
        raise ValueError("a request is wider than every node of its generation")
    return _Replay(nodes, requests).run()


def without_borders(nodes: Sequence[NodeView]) -> list[NodeView]:
    """The same RDUs in one node: the pool everything is compared with."""
    width = sum(node.width for node in nodes)
    return [NodeView("pool", "pool", width, width, usable=True)]


class _Replay:
    def __init__(self, nodes: Sequence[NodeView], requests: Sequence[Request]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.requests = requests
        self.free = self.capacity = sum(node.width for node in nodes)
        self.queues: dict[int, deque[Waiting]] = defaultdict(deque)  # by rdus, in order of arrival
        self.releases: list[tuple[float, str, int, str]] = []  # heap of (time, node, rdus, instance)
        self.homes: dict[str, dict[str, str]] = defaultdict(dict)  # endpoint: instance: node
        self.outcome = Outcome()

    def run(self) -> Outcome:
        coming = deque(enumerate(self.requests))
        clock, never = self.requests[0].arrival, float("inf")
        while coming or any(self.queues.values()):
            release = self.releases[0][0] if self.releases else never
            now = min(release, coming[0][1].arrival if coming else never)
            if coming:
                self._account(now - clock)
            clock = now
            while self.releases and self.releases[0][0] <= now:
                self._release(*heapq.heappop(self.releases)[1:])
            while coming and coming[0][1].arrival <= now:
                self._arrive(*coming.popleft())
            self._place(now)
        return self.outcome

    def _account(self, seconds: float) -> None:
        if any(self.queues.values()):
            self.outcome.capacity += self.capacity * seconds
            self.outcome.idle += self.free * seconds

    def _arrive(self, number: int, request: Request) -> None:
        for ordinal in range(request.instances):
            self.queues[request.rdus].append(
                Waiting(
                    f"{number}/{ordinal}", str(number), request.tenant, request.rdus, request.arrival, ordinal
                )
            )

    def _place(self, now: float) -> None:
        waiting = list(self._hopeful())
        if not waiting:
            return
        wanting = {one.instance: one for one in waiting}
        placed = plan(list(self.nodes.values()), waiting).placements
        for each in placed:
            self._settle(each, wanting[each.instance], now)
        gone = {each.instance for each in placed}
        for rdus in {each.rdus for each in placed}:
            self.queues[rdus] = deque(one for one in self.queues[rdus] if one.instance not in gone)

    def _hopeful(self) -> Iterator[Waiting]:
        """Those of the queue that could be placed at all: an equal plan, and a long queue costs nothing."""
        widest = max(node.free for node in self.nodes.values())
        for rdus, queue in self.queues.items():
            if rdus <= widest:
                for one in islice(queue, self.free // rdus):
                    yield replace(one, avoids=frozenset(self.homes.get(one.endpoint, {}).values()))

    def _settle(self, placement: Placement, one: Waiting, now: float) -> None:
        request = self.requests[int(one.endpoint)]
        self._change(placement.node, -one.rdus)
        heapq.heappush(self.releases, (now + request.duration, placement.node, one.rdus, one.instance))
        self.outcome.waits.append((one.rdus, now - one.arrival))
        home = self.homes[one.endpoint]
        home[one.instance] = placement.node
        if len(home) == request.instances > 1:
            self._judge(set(home.values()))

    def _judge(self, home: set[str]) -> None:
        if len(home) > 1:
            self.outcome.spread += 1
        else:
            self.outcome.together += 1

    def _release(self, node: str, rdus: int, instance: str) -> None:
        self._change(node, rdus)
        endpoint = instance.partition("/")[0]
        del self.homes[endpoint][instance]
        if not self.homes[endpoint]:
            del self.homes[endpoint]

    def _change(self, node: str, rdus: int) -> None:
        self.nodes[node] = self.nodes[node]._replace(free=self.nodes[node].free + rdus)
        self.free += rdus
