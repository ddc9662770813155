"""Drawing sums as SVG paths, and writing numbers for people. Pure: geometry and words, no templates."""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby

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
    points = [
        "" if value is None else f"{x} {_y(value, top):.1f}"
        for x, value in zip(_middles(len(values)), values, strict=True)
    ]
    dash = max(BAR * WIDTH / len(values), LEAST_DASH)
    return "".join([_run(list(points), dash) for is_there, points in groupby(points, key=bool) if is_there])


@lru_cache(16)
def _middles(steps: int) -> list[str]:
    """Of a chart with so many steps: a page has a dozen lines over the same ones."""
    return [f"{(number + 0.5) * WIDTH / steps:.1f}" for number in range(steps)]


def _run(points: Sequence[str], dash: float) -> str:
    first, *others = points
    if others:
        return f"M{first}L" + " ".join(others)
    x, y = first.split()
    return f"M{float(x) - dash / 2:.1f} {y}h{dash:.1f}"


def bars(values: Sequence[int], below: Sequence[int], top: float) -> str:
    """A path of one bar per step, standing on what is `below` it."""
    step = WIDTH / len(values)
    width = f"{BAR * step:.1f}"
    path = ""
    for number, (value, floor) in enumerate(zip(values, below, strict=True)):
        if value:
            x = (number + (1 - BAR) / 2) * step
            path += f"M{x:.1f} {_y(floor + value, top):.1f}h{width}V{_y(floor, top):.1f}h-{width}z"
    return path


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)


# ----- words ----------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """`12,345`, `1.2 M`"""
    if value < 1e6:
        return f"{value:,.0f}"
    return f"{value / 1e9:.1f} bn" if value >= 1e9 else f"{value / 1e6:.1f} M"


def duration(seconds: float | None) -> str:
    """`0.4 ms`, `140 ms`, `1.4 s`, `2.1 min`: two digits, since estimates have no more."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{_two_digits(seconds * 1000)} ms"
    if seconds < 120:
        return f"{_two_digits(seconds)} s"
    if seconds < wire.SECONDS[-1]:
        return f"{_two_digits(seconds / 60)} min"
    return f"≥ {wire.SECONDS[-1] / 60:g} min"


def axis_duration(seconds: float) -> str:
    """An exact one: an axis may go beyond what is measured."""
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _two_digits(value: float) -> str:
    written = f"{value:.2g}"
    return f"{float(written):g}" if "e" in written else written


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
