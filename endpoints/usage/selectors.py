"""Reading usage: the sums of an endpoint over a range, step by step, and for each key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Aggregate, Count, Field, Func, QuerySet, Sum, TextField

from apikeys.models import ApiKey
from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.usage import rules, wire
from endpoints.usage.models import COUNTS, TABLES
from studio.statements import WORD, statement
from studio.tenants.rules import Actor, require


@dataclass(slots=True)
class Sums:
    """What is added up of some rows."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(wire.ERRORS, 0))
    times: dict[str, wire.Times] = field(default_factory=lambda: {name: wire.Times() for name in rules.TIMES})

    @property
    def failed(self) -> int:
        """Errors of all classes."""
        return sum(self.errors.values())

    def add(self, counts: Iterable[int]) -> None:
        """`counts` in the order of `COUNTS`."""
        requests, prompt_tokens, completion_tokens, *errors = counts
        self.requests += requests
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        for name, count in zip(wire.ERRORS, errors, strict=True):
            self.errors[name] += count

    @property
    def counts(self) -> tuple[int, ...]:
        """In the order of `COUNTS`."""
        return (self.requests, self.prompt_tokens, self.completion_tokens, *self.errors.values())


def _total(parts: Sequence[Sums]) -> Sums:
    """Added up by column, which takes a fraction of the time of adding one to another."""
    total = Sums()
    total.add(map(sum, zip(*(each.counts for each in parts), strict=True)))
    for name in rules.TIMES:
        total.times[name] = wire.total([each.times[name] for each in parts])
    return total


@dataclass(frozen=True, slots=True)
class UsageView:
    """`points` has every step of the range, empty ones too; `keys` those that were used, busiest first.

    The sums of a key have no times.
    """

    range: rules.Range
    total: Sums
    points: list[tuple[datetime, Sums]]
    keys: list[tuple[ApiKey, Sums]]


def usage_of(
    actor: Actor,
    endpoint: Endpoint,
    *,
    since: datetime,
    until: datetime,
    step: int = 0,
    key: ApiKey | None = None,
) -> UsageView:
    """The usage of the endpoint, or of one of its keys, in even steps; three queries.

    Raises `Invalid` for a range or step that cannot be shown.
    """
    require(actor, "endpoint.see", selectors.facts(actor, endpoint), thing="endpoint")
    range_ = rules.even_range(since, until, step)
    wanted = (range_.span, endpoint.pk, range_.since, range_.until, key.pk if key else None)
    steps = _steps(range_, _sums_by_start(*wanted))
    points = [(start, steps.get(place) or Sums()) for place, start in enumerate(range_.starts)]
    return UsageView(range_, _total([sums for _, sums in points]), points, _keys(_sums_by_key(*wanted)))


@statement(span=WORD)
def _sums_by_start(
    span: int, endpoint: UUID, since: datetime, until: datetime, key: UUID | None
) -> QuerySet[Any, Any]:
    """The database adds up the keys: their rows are many."""
    rows = _rows(span, endpoint, since, until, key).values_list(_Second("start"))
    return rows.annotate(Count("pk"), *map(_Sum, COUNTS), _Joined("times"))


@statement(span=WORD)
def _sums_by_key(
    span: int, endpoint: UUID, since: datetime, until: datetime, key: UUID | None
) -> QuerySet[Any, Any]:
    return _rows(span, endpoint, since, until, key).values_list("key").annotate(*map(_Sum, COUNTS))


def _rows(span: int, endpoint: UUID, since: datetime, until: datetime, key: UUID | None) -> QuerySet[Any]:
    rows = TABLES[span]._default_manager.filter(endpoint=endpoint, start__gte=since, start__lt=until)
    return (rows if key is None else rows.filter(key=key)).order_by()


class _Sum(Sum):
    """In whole numbers: PostgreSQL adds them up as decimals, each of which would be read and made one here."""

    output_field = Field()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="SUM(%(expressions)s)::BIGINT", **more)


class _Second(Func):
    """A moment as whole seconds since the epoch, which take a tenth of the time to read."""

    template = "CAST(STRFTIME('%%%%s', %(expressions)s) AS BIGINT)"
    output_field = Field()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="EXTRACT(EPOCH FROM %(expressions)s)::BIGINT", **more
        )


class _Joined(Aggregate):
    """The bytes of a group one behind the other, in hexadecimal digits, which each database can add up."""

    name = "Joined"
    template = "GROUP_CONCAT(HEX(%(expressions)s), '')"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="STRING_AGG(ENCODE(%(expressions)s, 'hex'), '')", **more
        )


def _steps(range_: rules.Range, rows: Iterable[Any]) -> dict[int, Sums]:
    """Place → the sums of its step."""
    found: dict[int, list[Any]] = {}
    for second, *row in rows:
        found.setdefault(range_.place(second), []).append(row)
    return {place: _sum(own) for place, own in found.items()}


def _sum(rows: Sequence[Any]) -> Sums:
    many, *counts, joined = zip(*rows, strict=True)
    sums = Sums(times=rules.sum_times(sum(many), bytes.fromhex("".join(joined))))
    sums.add(map(sum, counts))
    return sums


def _keys(rows: Iterable[Any]) -> list[tuple[ApiKey, Sums]]:
    sums: dict[UUID, Sums] = {}
    for pk, *counts in rows:
        sums.setdefault(pk, Sums()).add(counts)
    found = [(key, sums[key.pk]) for key in _with_ids(list(sums))]
    return sorted(found, key=lambda pair: (-pair[1].requests, pair[0].created_at, pair[0].pk))


@statement()
def _with_ids(pks: list[UUID]) -> QuerySet[ApiKey]:
    return ApiKey.objects.only("description", "prefix", "created_at", "revoked_at").filter(pk__in=pks)
