"""Paths that stay in their plot, nice axes, and numbers as people read them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.usage import charts, rules
from tests.support.effort import examples

VALUES = st.just(0.0) | st.floats(1e-6, 1e6)  # seconds or counts


def heights(path: str) -> list[float]:
    return [float(y) for y in re.findall(r"[ML ][\d.]+ (-?[\d.]+)", path)]


@settings(max_examples=examples(200))
@given(st.lists(VALUES, min_size=1))
def test_the_top_is_nice_above_all_and_not_far_above(values: list[float]) -> None:
    top, most = charts.top_of(values), max(values)
    assert top >= most
    assert most == 0 or top <= 2 * most * (1 + 1e-9)


@settings(max_examples=examples(200))
@given(st.lists(st.none() | VALUES, min_size=1, max_size=100))
def test_a_line_has_every_value_inside_the_plot_and_none_where_there_is_none(
    values: list[float | None],
) -> None:
    there = [value for value in values if value is not None]
    path = charts.line(values, charts.top_of(there))
    assert len(heights(path)) == len(there)
    assert all(0 <= height <= charts.HEIGHT for height in heights(path))
    runs = "".join("x" if value is not None else " " for value in values).split()
    assert path.count("M") == len(runs), "nothing is drawn over a gap"


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=100))
def test_bars_stand_on_each_other(pairs: list[tuple[int, int]]) -> None:
    low, high = [a for a, _ in pairs], [b for _, b in pairs]
    top = charts.top_of([a + b for a, b in pairs], least=2)
    assert charts.bars(low, [0] * len(low), top).count("M") == sum(value > 0 for value in low)
    assert all(0 <= height <= charts.HEIGHT for height in heights(charts.bars(high, low, top)))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0, "0 ms"), (0.00042, "0.42 ms"), (0.144, "140 ms"), (1.44, "1.4 s"), (59.6, "60 s"),
     (125, "2.1 min"), (300, "≥ 5 min")],
)  # fmt: skip
def test_durations(seconds: float | None, words: str) -> None:
    assert charts.duration(seconds) == words


def test_numbers_and_shares() -> None:
    assert [charts.number(value) for value in (0, 999, 12_345, 1_240_000, 3.2e9)] == [
        "0", "999", "12,345", "1.2 M", "3.2 bn",
    ]  # fmt: skip
    assert [charts.share(*pair) for pair in ((0, 0), (0, 9), (1, 300), (9, 9))] == [
        "0 %", "0 %", "0.33 %", "100 %",
    ]  # fmt: skip
    assert [charts.axis_duration(value) for value in (0.0005, 0.4, 1, 400)] == [
        "0.5 ms", "400 ms", "1 s", "6.67 min",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hours", "first"), [(1, "09:00"), (24, "10:00"), (168, "31 Oct, 10:00"), (1440, "08 Sep")]
)
def test_ticks_are_whole_steps_from_end_to_end(hours: int, first: str) -> None:
    until = datetime(2026, 11, 7, 10, 0, tzinfo=UTC)
    found = charts.ticks(rules.even_range(until - timedelta(hours=hours), until))
    assert (found[0], len(found)) == (first, 5)
