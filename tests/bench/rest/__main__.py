"""What the management API costs: `python -m tests.bench.rest`.

One web worker on a throw-away database with a hundred thousand endpoints, asked over HTTP by one client, one request
after another. Prints the medians beside the goals and asserts nothing. Then how long `snapi` takes to start.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.support import postgres
from tests.support.served import served

PEOPLE = ("owen", "olga")  # a member who owns a part of it, and an OrgAdmin
WARM = 3
STARTS = 10


@dataclass(frozen=True)
class Figure:
    """Milliseconds, as the client waits."""

    what: str
    person: str
    median: float
    p90: float
    goal: float | None

    @property
    def verdict(self) -> str:
        return "" if self.goal is None else "met" if self.median <= self.goal else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rest", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument(
        "--keep", type=Path, help="a folder for the filled database, which the next run uses again"
    )
    parser.add_argument("--json", action="store_true", help="all figures, for programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        log = Path(folder) / "web.log"
        with served(
            "tests.bench.rest.prepare",
            "--endpoints",
            str(options.endpoints),
            log=log,
            keep=options.keep,
            at_rest=True,
        ) as (
            url,
            told,
        ):
            figures = [each for person in PEOPLE for each in _measured(url, told, person, options.rounds)]
    figures += [_started(word) for word in ("version", "--help")]
    if options.json:
        print(json.dumps([asdict(each) for each in figures], indent=2))
    else:
        print(_text(figures, options.endpoints))


def _measured(url: str, told: Any, person: str, rounds: int) -> Iterator[Figure]:
    key = told["keys"][person]
    with httpx.Client(
        base_url=f"{url}/api", headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as client:
        numbers = iter(range(10_000))
        run = uuid4().hex[:8]  # a database that is kept has the names of the last one

        def create() -> httpx.Response:
            number = next(numbers)
            wish = {
                "project": told["project"],
                "endpoint_name": f"bench {run} {number}",
                "model_checkpoint": "Help",
                "rdu_arch": "SN40L",
            }
            return client.post("/endpoints", json=wish, headers={"Idempotency-Key": f"bench-{run}-{number}"})

        made = create().json()["id"]
        asked: list[tuple[str, float | None, Callable[[], httpx.Response]]] = [
            ("list of 50", 50, lambda: client.get("/endpoints", params={"limit": 50})),
            ("list of 50 of a project", None, lambda: client.get(
                "/endpoints", params={"limit": 50, "project": told["project"]})),
            ("list of 50 that are Live", None, lambda: client.get(
                "/endpoints", params={"limit": 50, "status": "Live"})),
            ("info", 15, lambda: client.get(f"/endpoints/{made}")),
            ("instances", None, lambda: client.get(f"/endpoints/{made}/instances")),
            ("plan", None, lambda: client.post(
                "/plan", json={"project": told["project"], "model_checkpoint": "Help"})),
            ("create", 60, create),
        ]  # fmt: skip
        for what, goal, ask in asked:
            times = sorted([_milliseconds(ask, what) for _ in range(rounds + WARM)][WARM:])
            yield Figure(what, person, statistics.median(times), times[int(0.9 * len(times))], goal)


def _started(word: str) -> Figure:
    times = sorted(_start(word) for _ in range(STARTS))
    return Figure(f"snapi {word}", "", statistics.median(times), times[int(0.9 * STARTS)], 150)


def _start(word: str) -> float:
    begun = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("snapi"), word], stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - begun)


def _milliseconds(ask: Callable[[], httpx.Response], what: str) -> float:
    """What did not come is no figure."""
    begun = time.perf_counter()
    answer = ask()
    spent = 1000 * (time.perf_counter() - begun)
    assert answer.status_code == 200, f"{what}: {answer.status_code} {answer.text[:200]}"
    return spent


def _text(figures: list[Figure], endpoints: int) -> str:
    database = "PostgreSQL" if postgres.programs() else "SQLite"
    lines = [
        f"The management API at {endpoints:,} endpoints, one web worker, {database}, milliseconds",
        f"{'':26}{'person':8}{'median':>9}{'P90':>9}{'goal':>7}",
    ]
    lines += [
        f"{each.what:26}{each.person:8}{each.median:9.1f}{each.p90:9.1f}{each.goal or '':>7}  {each.verdict}".rstrip()
        for each in figures
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
