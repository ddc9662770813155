"""The figures as a table with the goals beside them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

SMALL, SMALL_GOAL, LARGE_GOAL = 1_000, 50, 100  # endpoints, milliseconds


@dataclass(frozen=True)
class Sized:
    """What one database gave: (page, person) → its figures."""

    endpoints: int
    database: str
    seconds_to_fill: float
    yardstick: list[float]
    figures: dict[tuple[str, str], dict[str, Any]]

    @classmethod
    def read(cls, endpoints: int, database: str, said: dict[str, Any]) -> "Sized":
        figures = {(each["page"], each["person"]): each for each in said["figures"]}
        return cls(endpoints, database, said["seconds_to_fill"], said["yardstick"], figures)

    @property
    def goal(self) -> int:
        return SMALL_GOAL if self.endpoints <= SMALL else LARGE_GOAL


def figures(found: Sequence[Sized]) -> list[dict[str, Any]]:
    return [
        {
            "endpoints": each.endpoints,
            "database": each.database,
            "goal_ms": each.goal,
            "yardstick_ms": each.yardstick,
            "figures": list(each.figures.values()),
        }
        for each in found
    ]


def text(found: Sequence[Sized]) -> str:
    sizes = "".join(f"{f'at {each.endpoints:,}':>14}{'least':>8}{'cold':>8}{'CPU':>8}" for each in found)
    lines = [
        f"Server time of the pages, median ms, {found[0].database}. cold: nothing kept of the last two seconds;",
        "CPU: of web and database. least: the fastest round, since a machine's speed changes with its neighbours",
        f"{'page':28}{'person':8}{'queries':>8}{sizes}  goal",
    ]
    lines += [_line(place, found) for place in found[0].figures]
    missed = sum("missed" in line for line in lines)
    goals = ", ".join(f"{each.goal} ms at {each.endpoints:,}" for each in found)
    lines.append(f"\ngoal: {goals}; {missed} of {len(found[0].figures)} missed")
    lines += [_speed(each) for each in found]
    return "\n".join(lines)


def _speed(found: Sized) -> str:
    fast, usual, slow = min(found.yardstick), median(found.yardstick), max(found.yardstick)
    return f"a fixed piece of work took {fast:.0f} to {slow:.0f} ms, {usual:.0f} in the median ({found.endpoints:,})"


def _line(place: tuple[str, str], found: Sequence[Sized]) -> str:
    rows = [each.figures[place] for each in found]
    queries = "/".join(str(count) for count in dict.fromkeys(row["queries"] for row in rows))
    names = (("warm", 14), ("least", 8), ("cold", 8), ("cpu", 8))
    times = "".join(f"{row[name]:{width}.1f}" for row in rows for name, width in names)
    met = all(row["warm"] <= each.goal for row, each in zip(rows, found, strict=True))
    return f"{place[0]:28}{place[1]:8}{queries:>8}{times}  {'met' if met else 'missed'}"
