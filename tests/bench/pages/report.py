"""The figures as a table with the goals beside them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SMALL, SMALL_GOAL, LARGE_GOAL = 1_000, 50, 100  # endpoints, milliseconds


@dataclass(frozen=True)
class Sized:
    """What one database gave: (page, person) → its figures."""

    endpoints: int
    database: str
    seconds_to_fill: float
    figures: dict[tuple[str, str], dict[str, Any]]

    @classmethod
    def read(cls, endpoints: int, database: str, said: dict[str, Any]) -> "Sized":
        figures = {(each["page"], each["person"]): each for each in said["figures"]}
        return cls(endpoints, database, said["seconds_to_fill"], figures)

    @property
    def goal(self) -> int:
        return SMALL_GOAL if self.endpoints <= SMALL else LARGE_GOAL


def figures(found: Sequence[Sized]) -> list[dict[str, Any]]:
    return [
        {
            "endpoints": each.endpoints,
            "database": each.database,
            "goal_ms": each.goal,
            "figures": list(each.figures.values()),
        }
        for each in found
    ]


def text(found: Sequence[Sized]) -> str:
    sizes = "".join(f"{f'at {each.endpoints:,}':>14}{'cold':>9}{'CPU':>8}" for each in found)
    lines = [
        f"Server time of the pages, median ms, {found[0].database}. cold: nothing kept of the last two seconds;",
        "CPU: of web and database, the same on a busy machine",
        f"{'page':28}{'person':8}{'queries':>8}{sizes}  goal",
    ]
    lines += [_line(place, found) for place in found[0].figures]
    missed = sum("missed" in line for line in lines)
    goals = ", ".join(f"{each.goal} ms at {each.endpoints:,}" for each in found)
    lines.append(f"\ngoal: {goals}; {missed} of {len(found[0].figures)} missed")
    return "\n".join(lines)


def _line(place: tuple[str, str], found: Sequence[Sized]) -> str:
    rows = [each.figures[place] for each in found]
    queries = "/".join(str(count) for count in dict.fromkeys(row["queries"] for row in rows))
    times = "".join(f"{row['warm']:14.1f}{row['cold']:9.1f}{row['cpu']:8.1f}" for row in rows)
    met = all(row["warm"] <= each.goal for row, each in zip(rows, found, strict=True))
    return f"{place[0]:28}{place[1]:8}{queries:>8}{times}  {'met' if met else 'missed'}"
