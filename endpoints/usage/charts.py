"""Drawing sums as SVG paths, and writing numbers for people. Pure: geometry and words, no templates."""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from endpoints.usage import rules, wire

# The plot's own units; the page stretches it to whatever room there is.
WIDTH, HEIGHT = 600, 120
BAR = 0.8  # of its step's width
LEAST_DASH = 8  # what one value alone needs to be seen

NICE = (1, 2, 4, 6, 8, 10)  # so that the half of each is short, too

# ----- geometry -------------------------------------------------------------------------------------------


def top_of(values: Sequence[float], least: float = 0.0) -> float:
    """The nice number at the upper end of the axis, no lower than any value."""
    most = max([*values, least])
    if most <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next((unit * nice for nice in NICE if unit * nice >= most), unit * 20)


def line(values: Sequence[float | None], top: float) -> str:
    """A path through the middle of each step, broken where there is nothing; one value alone is a dash."""
    dash = max(BAR * WIDTH / len(values), LEAST_DASH)
    runs: list[list[tuple[float, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            x = (number + 0.5) * WIDTH / len(values)
            runs[-1].append((x, _y(value, top)))
    return "".join(map(partial(_run, dash=dash), filter(None, runs)))


def _run(points: Sequence[tuple[float, float]], dash: float) -> str:
    (x, y), *others = points
    if not others:
        return f"M{x - dash / 2:.1f} {y:.1f}h{dash:.1f}"
    return f"M{x:.1f} {y:.1f}L" + " ".join(f"{x:.1f} {y:.1f}" for x, y in others)


def bars(values: Sequence[int], below: Sequence[int], top: float) -> str:
    """A path of one bar per step, standing on what is `below` it."""
    width = WIDTH / len(values)
    path = ""
    for number, (value, floor) in enumerate(zip(values, below, strict=True)):
        if value:
            x, y = (number + (1 - BAR) / 2) * width, _y(floor + value, top)
            path += f"M{x:.1f} {y:.1f}h{BAR * width:.1f}V{_y(floor, top):.1f}h-{BAR * width:.1f}z"
    return path


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)


# ----- words ----------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """`12,345`, `1.2 M`"""
    for limit, unit in ((1e9, "bn"), (1e6, "M")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """`0.4 ms`, `140 ms`, `1.4 s`, `2.1 min`: two digits, since estimates have no more."""
    if seconds is None:
        return "–"
    if seconds >= wire.SECONDS[-1]:
        return f"≥ {wire.SECONDS[-1] / 60:g} min"
    for limit, size, unit in ((120, 60, "min"), (1, 1, "s")):
        if seconds >= limit:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds * 1000)} ms"


def axis_duration(seconds: float) -> str:
    """An exact one: an axis may go beyond what is measured."""
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def share(part: int, whole: int) -> str:
    """`0.4 %`"""
    return f"{_two_digits(100 * part / whole)} %" if whole else "0 %"


def when(moment: datetime, shown: rules.Range) -> str:
    """A moment as short as the range allows."""
    if shown.step >= rules.DAY:
        return f"{moment:%d %b}"
    days = (shown.until - shown.since).total_seconds() / rules.DAY
    return f"{moment:%d %b, %H:%M}" if days > 1.1 else f"{moment:%H:%M}"


def ticks(shown: rules.Range) -> list[str]:
    """What stands below the plot, from its left end to its right: ends and quarters, on whole steps."""
    edges = [*shown.starts, shown.until]
    return [when(edges[(len(edges) - 1) * quarter // 4], shown) for quarter in range(5)]
