"""Fleets and requests made up for the goals that no trace shows; chance comes from the seed given."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate

from scheduler.planner import NodeView, Waiting, plan
from tests.bench.placement.replay import Request

DAY = 86_400.0


def fleet(count: int, width: int = 8) -> list[NodeView]:
    """Empty nodes of one width."""
    return [NodeView(f"{n:05}", f"node-{n:05}", width, width, usable=True) for n in range(count)]


def static_fill(count: int, sizes: Sequence[int], seed: int, instances: Sequence[int] = (1,)) -> float:
    """RDUs taken before the first refusal, as a share of what a pool without node borders takes before its first.

    Requests of random sizes and numbers of instances come one after another to an empty fleet, and nobody leaves.
    """
    nodes = fleet(count)
    queue = list(_queue(sum(node.width for node in nodes), sizes, instances, random.Random(seed)))
    refused = {wait.instance for wait in plan(nodes, queue).waits}
    first = next((number for number, one in enumerate(queue) if one.instance in refused), len(queue))
    return sum(one.rdus for one in queue[:first]) / sum(one.rdus for one in queue)


def _queue(
    room: int, sizes: Sequence[int], instances: Sequence[int], chance: random.Random
) -> Iterator[Waiting]:
    """Instances in order, up to the first that would not fit into `room`."""
    number = 0
    while True:
        number += 1
        rdus = chance.choice(sizes)
        for ordinal in range(chance.choice(instances)):
            room -= rdus
            if room < 0:
                return
            yield Waiting(f"{number}/{ordinal}", f"{number:06}", "default", rdus, float(number), ordinal)


def endpoints(count: int, load: float, seed: int, total: int = 7_000) -> list[Request]:
    """Endpoints of 1 to 8 instances of 1 to 8 RDUs that live for a day in the mean, for `count` nodes of 8."""
    chance = random.Random(seed)
    sizes, weights, instances = (1, 2, 4, 8), (8, 4, 2, 1), (1, 1, 2, 3, 4, 8)
    mean_rdus = sum(size * weight for size, weight in zip(sizes, weights, strict=True)) / sum(weights)
    mean_work = mean_rdus * sum(instances) / len(instances) * DAY
    arrivals = accumulate(chance.expovariate(load * count * 8 / mean_work) for _ in range(total))
    return [
        Request(
            arrival=arrival,
            tenant="default",
            rdus=chance.choices(sizes, weights)[0],
            instances=chance.choice(instances),
            duration=chance.expovariate(1 / DAY),
        )
        for arrival in arrivals
    ]


def decision_seconds(count: int, batch: int = 100, rounds: int = 200) -> list[float]:
    """Seconds per decision in batches as the product plans them, the index built anew for each; 8 to 16 wide nodes."""
    chance = random.Random(count)
    nodes = [
        NodeView(f"{n:05}", f"node-{n:05}", width, chance.randint(0, width), usable=True)
        for n, width in enumerate(chance.choices((8, 16), (3, 1), k=count))
    ]
    queue = [
        Waiting(f"{n}", f"{n // 4:04}", "default", chance.choice((1, 2, 4, 8)), n // 4, n % 4)
        for n in range(batch)
    ]
    return sorted(_seconds(nodes, queue) / batch for _ in range(rounds))


def _seconds(nodes: Sequence[NodeView], queue: Sequence[Waiting]) -> float:
    begin = time.perf_counter()
    plan(nodes, queue)
    return time.perf_counter() - begin
