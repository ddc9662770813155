"""Usage: which rows are sound, in which steps a chart goes, and what the time buckets tell. Pure."""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import msgspec

from endpoints.usage import wire
from studio.errors import invalid_field

# The spans whose sums are kept, in seconds; a step of a chart is read from the longest that divides it.
MINUTE, HALF_HOUR, TWO_HOURS, DAY = 60, 1800, 7200, 86_400
SPANS = (MINUTE, HALF_HOUR, TWO_HOURS, DAY)

TIMES = ("response", "queue", "execution", "first_token")

# ----- rows -----------------------------------------------------------------------------------------------

MOST = 2**53  # of anything that is counted in one row
LAST_MINUTE = 2**32  # about the year 10,000; later ones are no dates
GATEWAY = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def batch_fault(batch: wire.Batch) -> str:
    """Why a batch cannot be taken, in a few words; "" where it can."""
    if not GATEWAY.fullmatch(batch.gateway):
        return "no name of a gateway"
    return "" if 1 <= batch.number <= MOST else "no number of a batch"


def row_fault(row: wire.Row) -> str:
    """What is wrong with a row, in a few words; "" for a sound one."""
    if not 0 <= row.minute < LAST_MINUTE:
        return "no minute"
    if len(row.errors) != len(wire.ERRORS):
        return "other classes of errors"
    counts = (row.requests, row.prompt_tokens, row.completion_tokens, *row.errors)
    if not all(0 <= count <= MOST for count in counts):
        return "counts out of range"
    if sum(row.errors) > row.requests:
        return "more errors than requests"
    return "" if all(_are_sound(getattr(row, name)) for name in TIMES) else "times out of range"


def _are_sound(times: wire.Times) -> bool:
    return (
        len(times.buckets) == len(wire.SECONDS) + 1
        and all(0 <= count <= MOST for count in times.buckets)
        and times.count == sum(times.buckets)
        and 0 <= times.total < math.inf
    )


def start_of(minute: int, span: int) -> datetime:
    """When the span that holds this minute (since the epoch) began."""
    return datetime.fromtimestamp(minute * MINUTE // span * span, UTC)


def sums_by_place(rows: Iterable[wire.Row], span: int) -> dict[tuple[datetime, str, str], wire.Row]:
    """(start, endpoint, key) → the sum of its rows, in this order, which is the order of all locks."""
    found: dict[tuple[datetime, str, str], wire.Row] = {}
    for row in rows:
        place = (start_of(row.minute, span), row.endpoint, row.key)
        found.setdefault(place, wire.Row(row.endpoint, row.key, row.minute)).add(row)
    return dict(sorted(found.items()))


_times = msgspec.msgpack.Decoder(list[tuple[float, list[int]]])


def pack_times(row: wire.Row) -> bytes:
    """The four times of a row, some seventy bytes while they are sparse."""
    each = (getattr(row, name) for name in TIMES)
    return msgspec.msgpack.encode([(float(times.total), times.buckets) for times in each])


def unpack_times(packed: bytes) -> dict[str, wire.Times]:
    each = _times.decode(packed)
    return {
        name: wire.Times(sum(buckets), total, buckets)
        for name, (total, buckets) in zip(TIMES, each, strict=True)
    }


_many_times = msgspec.msgpack.Decoder(list[list[tuple[float, list[int]]]])


def sum_times(count: int, packed: bytes) -> dict[str, wire.Times]:
    """The times of so many rows, which follow each other, as one: a chart of a week adds thousands.

    Read at once, as the list that they are with its length before them, and added up by column.
    """
    rows = _many_times.decode(b"\xdd" + count.to_bytes(4, "big") + packed)
    found = {}
    for name, column in zip(TIMES, zip(*rows, strict=True), strict=False):
        totals, each = zip(*column, strict=True)
        buckets = list(map(sum, zip(*each, strict=True)))
        found[name] = wire.Times(sum(buckets), sum(totals), buckets)
    return found


NO_TIMES = pack_times(wire.Row("", "", 0))

# ----- percentiles ----------------------------------------------------------------------------------------

# Of each bucket, in seconds.
BEGINNINGS = (0.0, *map(float, wire.SECONDS))
ENDS = (*BEGINNINGS[1:], BEGINNINGS[-1])


def percentile(buckets: Sequence[int], percent: int) -> float | None:
    return percentiles(buckets, [percent])[0]


def percentiles(buckets: Sequence[int], percents: Sequence[int]) -> list[float | None]:
    """Estimates in seconds, each within the bucket of the true value; None where nothing was counted.

    Values are taken to lie evenly in their bucket. The last bucket has no end, so its beginning stands for it.
    """
    sums = list(accumulate(buckets))
    if not sums[-1]:
        return [None] * len(percents)
    found: list[float | None] = []
    for percent in percents:
        rank = max(1, -(-sums[-1] * percent // 100))
        at = bisect_left(sums, rank)
        into = (rank - (sums[at] - buckets[at])) / buckets[at]
        found.append(min(ENDS[at], BEGINNINGS[at] + (ENDS[at] - BEGINNINGS[at]) * into))
    return found


def mean(times: wire.Times) -> float | None:
    return times.total / times.count if times.count else None


# ----- ranges and steps -----------------------------------------------------------------------------------

STEPS = (60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, DAY)
POINTS = 90  # in a chart, about
MOST_POINTS = 1500  # that anybody may ask for: a day of minutes


@dataclass(frozen=True, slots=True)
class Range:
    """From `since` to `until` in whole steps of `step` seconds."""

    since: datetime
    until: datetime
    step: int

    @property
    def starts(self) -> list[datetime]:
        steps = int((self.until - self.since).total_seconds()) // self.step
        return [self.since + timedelta(seconds=self.step * number) for number in range(steps)]

    @property
    def span(self) -> int:
        return next(span for span in reversed(SPANS) if self.step % span == 0)

    def place(self, second: int) -> int:
        """The number of the step that holds this second since the epoch."""
        return (second - int(self.since.timestamp())) // self.step


def step_for(seconds: float) -> int:
    """The shortest even step that cuts this time into no more than `POINTS`."""
    for step in STEPS:
        if seconds <= step * POINTS:
            return step
    return DAY * math.ceil(seconds / (DAY * POINTS))


def even_range(since: datetime, until: datetime, step: int = 0) -> Range:
    """Widened to whole steps, which begin at the epoch: days are days of UTC. Without a step: a suitable one.

    Raises `Invalid` for a range that is none, and for more steps than anybody can look at.
    """
    if not since < until:
        raise invalid_field("since", "since must be before until.")
    step = step or step_for((until - since).total_seconds())
    if step % MINUTE:
        raise invalid_field("step", "step must be whole minutes.")
    first, last = int(since.timestamp()) // step, math.ceil(until.timestamp() / step)
    if last - first > MOST_POINTS:
        raise invalid_field("step", f"That would be {last - first} steps; at most {MOST_POINTS} are shown.")
    return Range(datetime.fromtimestamp(first * step, UTC), datetime.fromtimestamp(last * step, UTC), step)


# ----- what people write ----------------------------------------------------------------------------------

_AGO = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": MINUTE, "h": 3600, "d": DAY}
YEARS = range(2000, 3000)


def moment_of(field: str, written: str, now: datetime) -> datetime:
    """`24h` is a day ago; else an ISO 8601 moment, of UTC unless it says otherwise. Raises `Invalid`."""
    ago = _AGO.fullmatch(written.strip())
    if ago:
        seconds = int(ago[1]) * _UNITS[ago[2]]
        moment = now - timedelta(seconds=min(seconds, now.timestamp()))
    else:
        moment = _iso_moment(field, written)
    if moment.year not in YEARS:
        raise invalid_field(field, f"{field} must be between the years {YEARS.start} and {YEARS.stop}.")
    return moment


def _iso_moment(field: str, written: str) -> datetime:
    text = written.strip()
    # In an address the + of an offset that was not encoded arrives as a space.
    text = text.replace(" ", "+") if "T" in text else text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_field(
            field, f"{field} is a moment like 2024-01-02T03:04:05Z, or how long ago: 30m, 24h, 7d."
        ) from None
    if moment.year not in YEARS:  # near the ends of the calendar a change of zone is no date
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def step_of(written: str) -> int:
    """`5m`, `1h`, `1d` in seconds. Raises `Invalid`."""
    found = _AGO.fullmatch(written.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not seconds:
        raise invalid_field("step", "step is a time like 5m, 1h or 1d.")
    return seconds
