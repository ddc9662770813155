"""Print how the planner does against its goals: `python -m tests.bench.placement NODES.csv REQUESTS.csv`.

Each generation of the trace is replayed twice, on its nodes and in a pool without node borders, and compared within
this run. Goals that need moves, hold or fair share come with these.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean

from scheduler.planner import NodeView
from tests.bench.placement.replay import Outcome, Request, replay, without_borders
from tests.bench.placement.synthetic import decision_seconds, endpoints, fleet, static_fill

Line = tuple[str, str, str]  # measure, value, goal
MOVES = "(needs moves)"


def main() -> None:
    options = _options()
    nodes, requests = _read_nodes(options.nodes, options.scale), _read_requests(options.requests)
    begin = time.perf_counter()
    for measure, value, goal in chain(_trace(nodes, requests), _fill(), _spread(), _speed()):
        print(f"{measure:58} {value:>22}   {goal}", flush=True)
    print(f"took {time.perf_counter() - begin:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.placement", description=__doc__)
    parser.add_argument("nodes", type=Path, help="CSV: node,generation,accelerators")
    parser.add_argument(
        "requests",
        type=Path,
        help="CSV: arrival_s,tenant,accelerators_per_instance,instances,generation,duration_s",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="times as many nodes of each generation")
    return parser.parse_args()


def _read_nodes(path: Path, scale: float) -> dict[str, list[NodeView]]:
    """By generation; scaling repeats its list of nodes, so that the mix of widths stays."""
    widths: defaultdict[str, list[int]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            widths[row["generation"]].append(int(row["accelerators"]))
    return {generation: _scaled(some, scale) for generation, some in sorted(widths.items())}


def _scaled(widths: Sequence[int], scale: float) -> list[NodeView]:
    repeated = [widths[n % len(widths)] for n in range(max(1, round(scale * len(widths))))]
    return [
        NodeView(f"{n:05}", f"node-{n:05}", width, width, usable=True) for n, width in enumerate(repeated)
    ]


def _read_requests(path: Path) -> dict[str, list[Request]]:
    """By generation, in order of arrival."""
    requests: defaultdict[str, list[Request]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            request = Request(
                arrival=float(row["arrival_s"]),
                tenant=row["tenant"],
                rdus=int(row["accelerators_per_instance"]),
                instances=int(row["instances"]),
                duration=float(row["duration_s"]),
            )
            requests[row["generation"]].append(request)
    return {name: sorted(some, key=lambda each: each.arrival) for name, some in requests.items()}


def _trace(
    nodes: Mapping[str, Sequence[NodeView]], requests: Mapping[str, Sequence[Request]]
) -> Iterator[Line]:
    for generation, asked in sorted(requests.items()):
        some = nodes[generation]
        bordered, pool = replay(some, asked), replay(without_borders(some), asked)
        widest = max(request.rdus for request in asked)
        points = 100 * (bordered.idle_share() - pool.idle_share())
        yield (
            f"{generation}: idle while something waits, over the pool",
            f"{points:+.2f} points",
            f"<= +0.6 {MOVES}",
        )
        yield f"{generation}: mean wait, against the pool", _times(bordered, pool), f"<= 1.02 x {MOVES}"
        yield (
            f"{generation}: mean wait of the widest ({widest}), against the pool",
            _times(bordered, pool, widest),
            f"<= 1.03 x {MOVES}",
        )


def _times(bordered: Outcome, pool: Outcome, rdus: int = 0) -> str:
    against = pool.mean_wait(rdus)
    return f"{bordered.mean_wait(rdus) / against:.3f} x" if against else "no wait in the pool"


def _fill() -> Iterator[Line]:
    powers, every = (1, 2, 4, 8), range(1, 9)
    for count in (100, 1_000):
        fill = min(static_fill(count, powers, seed) for seed in range(5))
        yield f"static fill, powers of two, {count} nodes (worst of 5)", f"{fill:.4f}", "1.000"
    fill = fmean(static_fill(1_000, powers, seed, instances=(1, 2, 4)) for seed in range(5))
    yield "static fill, powers of two, endpoints of 1, 2, 4 instances", f"{fill:.4f}", "1.000"
    fill = fmean(static_fill(10_000, every, seed) for seed in range(3))
    yield "static fill, sizes 1..8, 10,000 nodes", f"{fill:.4f}", ">= 0.998"


def _spread() -> Iterator[Line]:
    for load in (0.85, 0.95):
        shares = [replay(fleet(100), endpoints(100, load, seed)).together_share() for seed in range(1, 6)]
        value = f"{100 * fmean(shares):.2f} (max {100 * max(shares):.2f}) %"
        yield f"endpoints that stand on one node, load {load:.2f}, mean of 5", value, "<= 1 %"


def _speed() -> Iterator[Line]:
    small, large = decision_seconds(100), decision_seconds(10_000)
    p99 = large[int(len(large) * 0.99)]
    yield "decision at 10,000 nodes in batches of 100, p99", f"{p99 * 1e6:.0f} us", "<= 100 us"
    yield "decisions a second at 10,000 nodes", f"{1 / fmean(large):,.0f}", ">= 10,000"
    yield "the same against 100 nodes", f"{fmean(large) / fmean(small):.1f} x", ""


if __name__ == "__main__":
    main()
