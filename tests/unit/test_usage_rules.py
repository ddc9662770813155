"""Percentiles from buckets, even steps, sound rows: held against what is worked out the slow way."""

import math
from bisect import bisect_left
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.usage import rules, wire
from studio.errors import Invalid
from tests.support.effort import examples

NOW = datetime(2026, 11, 7, 9, 30, 15, tzinfo=UTC)
SECONDS = st.one_of(st.sampled_from([float(bound) for bound in wire.SECONDS]), st.floats(0, 400))
COUNTS = st.integers(0, 1000)


def noted(values: list[float]) -> wire.Times:
    times = wire.Times()
    for value in values:
        times.note(value)
    return times


@given(st.lists(st.lists(SECONDS, max_size=5), min_size=1, max_size=5))
def test_a_total_is_what_adding_one_to_another_comes_to(each: list[list[float]]) -> None:
    one_by_one = wire.Times()
    for values in each:
        one_by_one.add(noted(values))
    total = wire.total([noted(values) for values in each])
    assert total.count == one_by_one.count
    assert total.buckets == one_by_one.buckets
    assert total.total == pytest.approx(one_by_one.total)


# --- percentiles ------------------------------------------------------------------------------------------------


@settings(max_examples=examples(300))
@given(st.lists(SECONDS, min_size=1, max_size=200), st.integers(1, 100))
def test_an_estimate_lies_in_the_bucket_of_the_true_value(values: list[float], percent: int) -> None:
    true = sorted(values)[math.ceil(len(values) * percent / 100 - 1e-9) - 1]
    estimate = rules.percentile(noted(values).buckets, percent)
    assert estimate is not None
    if true > wire.SECONDS[-1]:
        assert estimate == wire.SECONDS[-1]
    else:
        assert bisect_left(wire.SECONDS, estimate) == bisect_left(wire.SECONDS, true)


@settings(max_examples=examples(100))
@given(st.lists(SECONDS, min_size=1), st.integers(1, 99), st.integers(1, 99))
def test_a_higher_percentile_is_no_shorter(values: list[float], one: int, other: int) -> None:
    buckets = noted(values).buckets
    low, high = (rules.percentile(buckets, percent) for percent in sorted((one, other)))
    assert low <= high


def test_the_middle_of_an_even_bucket() -> None:
    assert rules.percentile(noted([0.2] * 100).buckets, 50) == pytest.approx(0.175)
    assert rules.percentile([0] * 16, 50) is None
    assert rules.mean(noted([1, 3])) == 2
    assert rules.mean(wire.Times()) is None


# --- steps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "step", "span"),
    [
        (3600, 60, rules.MINUTE),
        (86_400, 1800, rules.HALF_HOUR),
        (7 * 86_400, 7200, rules.TWO_HOURS),
        (60 * 86_400, rules.DAY, rules.DAY),
        (365 * 86_400, 5 * rules.DAY, rules.DAY),
    ],
)
def test_steps_of_the_usual_ranges(seconds: int, step: int, span: int) -> None:
    shown = rules.even_range(NOW - timedelta(seconds=seconds), NOW)
    assert (shown.step, shown.span) == (step, span)


MOMENTS = st.floats(1.6e9, 1.9e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(max_examples=examples(300))
@given(MOMENTS, st.floats(1, 3e8))
def test_a_range_is_cut_into_even_steps_that_hold_it_and_are_not_too_many(
    since: datetime, seconds: float
) -> None:
    until = since + timedelta(seconds=seconds)
    shown = rules.even_range(since, until)
    slack = timedelta(seconds=shown.step)
    assert shown.since <= since < shown.since + slack
    assert shown.until - slack < until <= shown.until
    assert shown.step % rules.MINUTE == shown.step % shown.span == shown.since.timestamp() % shown.step == 0
    assert 1 <= len(shown.starts) <= rules.POINTS + 1
    starts = [int(start.timestamp()) for start in shown.starts]
    assert [shown.place(start) for start in starts] == list(range(len(starts)))
    assert shown.place(starts[-1] + shown.step - 1) == len(starts) - 1
    shorter = [step for step in rules.STEPS if step < shown.step]
    assert all(seconds > step * rules.POINTS for step in shorter), "no shorter step would do"


@settings(max_examples=examples(100))
@given(MOMENTS, st.integers(1, 500), st.sampled_from(rules.STEPS))
def test_a_step_begins_where_the_sums_it_is_read_from_begin(since: datetime, steps: int, step: int) -> None:
    shown = rules.even_range(since, since + timedelta(seconds=steps * step), step)
    for start in shown.starts[:3]:
        minute = int(start.timestamp()) // 60
        assert rules.start_of(minute, shown.span) == start


@pytest.mark.parametrize(
    ("since", "until", "step", "field"),
    [
        (NOW, NOW, 0, "since"),
        (NOW, NOW - timedelta(hours=1), 0, "since"),
        (NOW - timedelta(hours=1), NOW, 90, "step"),
        (NOW - timedelta(days=60), NOW, 60, "step"),
    ],
)
def test_a_range_that_cannot_be_shown_names_its_field(
    since: datetime, until: datetime, step: int, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        rules.even_range(since, until, step)
    assert list(refused.value.fields) == [field]


# --- what people write ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01T12:00:00 02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01 12:00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
    ],
)
def test_moments(written: str, moment: datetime) -> None:
    assert rules.moment_of("since", written, NOW) == moment


@pytest.mark.parametrize(
    "written",
    ["", "yesterday", "1w", "-1h", "999999d", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"],
)
def test_what_is_no_moment_is_refused_at_its_field(written: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.moment_of("since", written, NOW)
    assert list(refused.value.fields) == ["since"]


@settings(max_examples=examples(300))
@given(st.text(max_size=30))
def test_whatever_is_written_is_a_moment_or_refused(written: str) -> None:
    with suppress(Invalid):
        assert rules.moment_of("since", written, NOW).tzinfo
    with suppress(Invalid):
        assert rules.step_of(written) % 60 == 0


def test_steps_people_write() -> None:
    assert [rules.step_of(each) for each in ("5m", "1h", "2d")] == [300, 3600, 172_800]
    for wrong in ("0m", "60", "1s", ""):
        with pytest.raises(Invalid):
            rules.step_of(wrong)


# --- rows -------------------------------------------------------------------------------------------------------


@st.composite
def rows(draw: st.DrawFn) -> wire.Row:
    row = wire.Row("e", draw(st.sampled_from("ab")), draw(st.integers(29_000_000, 29_003_000)))
    row.errors = draw(st.lists(st.integers(0, 5), min_size=len(wire.ERRORS), max_size=len(wire.ERRORS)))
    row.requests = sum(row.errors) + draw(COUNTS)
    row.prompt_tokens, row.completion_tokens = draw(COUNTS), draw(COUNTS)
    for name in rules.TIMES:
        setattr(row, name, noted(draw(st.lists(SECONDS, max_size=5))))
    return row


@settings(max_examples=examples(100))
@given(rows())
def test_a_row_is_sound_and_its_times_come_back_as_they_were(row: wire.Row) -> None:
    assert rules.row_fault(row) == ""
    assert rules.unpack_times(rules.pack_times(row)) == {name: getattr(row, name) for name in rules.TIMES}


@settings(max_examples=examples(100))
@given(st.lists(rows(), max_size=5))
def test_the_times_of_many_rows_are_their_sum(given_rows: list[wire.Row]) -> None:
    found = rules.sum_times(len(given_rows), b"".join(map(rules.pack_times, given_rows)))
    for name in rules.TIMES:
        whole = wire.Times()
        for row in given_rows:
            whole.add(getattr(row, name))
        sums = found.get(name, wire.Times())
        assert (sums.count, sums.buckets) == (whole.count, whole.buckets)
        assert sums.total == pytest.approx(whole.total)


@settings(max_examples=examples(100))
@given(st.lists(rows(), max_size=8), st.sampled_from(rules.SPANS))
def test_sums_lose_nothing_change_no_row_and_come_in_one_order(given_rows: list[wire.Row], span: int) -> None:
    before = [rules.pack_times(row) for row in given_rows]
    sums = rules.sums_by_place(given_rows, span)
    assert sum(row.requests for row in sums.values()) == sum(row.requests for row in given_rows)
    assert sum(row.queue.count for row in sums.values()) == sum(row.queue.count for row in given_rows)
    assert list(sums) == sorted(sums)
    assert [rules.pack_times(row) for row in given_rows] == before
    for (start, _, key), _ in sums.items():
        assert any(row.key == key and 0 <= row.minute * 60 - start.timestamp() < span for row in given_rows)


def broken(**facts: object) -> wire.Row:
    row = wire.Row("e", "k", 29_000_000, requests=3)
    for name, value in facts.items():
        setattr(row, name, value)
    return row


@pytest.mark.parametrize(
    "row",
    [
        broken(minute=-1),
        broken(minute=2**40),
        broken(requests=-1),
        broken(requests=2**63),
        broken(prompt_tokens=2**63),
        broken(errors=[1]),
        broken(errors=[1, 1, 1, 1, 0, 0]),
        broken(errors=[-1, 0, 0, 0, 0, 0]),
        broken(queue=wire.Times(1, 1.0, [1])),
        broken(queue=wire.Times(2, 1.0, [1] + [0] * 15)),
        broken(queue=wire.Times(0, -1.0)),
        broken(queue=wire.Times(0, math.nan)),
        broken(queue=wire.Times(0, math.inf)),
        broken(queue=wire.Times(0, 0.0, [1, -1] + [0] * 14)),
    ],
)
def test_what_no_gateway_counts_is_told(row: wire.Row) -> None:
    assert rules.row_fault(row)


@pytest.mark.parametrize(("gateway", "number"), [("", 1), ("a b", 1), ("x" * 65, 1), ("g", 0), ("g", 2**60)])
def test_what_is_no_batch_is_told(gateway: str, number: int) -> None:
    assert rules.batch_fault(wire.Batch(gateway, number))
    assert rules.batch_fault(wire.Batch("3f2a.host-1:9000", 1)) == ""
