"""Statements whose SQL is built once, so that a query that comes with every request costs its values alone.

Django builds a query's SQL anew each time it is asked, which is most of the work of one that finds a row by its key.
`@statement()` on a function that returns a queryset makes it a function that returns the rows, and keeps the SQL:
the function is called once with stand-ins for its values, what Django made of it is searched for them, and later
calls only put their own in these places.
"""

import inspect
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cached_property, update_wrapper
from itertools import cycle, islice
from secrets import randbelow, token_bytes, token_hex
from threading import Lock
from typing import Any, Generic, NoReturn, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID, uuid4

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import BinaryField, DateTimeField, Field, QuerySet, TextField, UUIDField
from psycopg.sql import quote

P = ParamSpec("P")
Row = TypeVar("Row")

FIELDS: "dict[type, Field[Any, Any]]" = {
    UUID: UUIDField(), bytes: BinaryField(), datetime: DateTimeField(), str: TextField(), int: Field(),
}  # fmt: skip
NUMBERS = cycle(range(20_000, 2**15))  # small enough for each column, greater than what selectors say
# The text has every sign that a pattern would escape: so a place where values are escaped is not mistaken for one
# where they stand as they are.
STAND_INS: dict[type, Callable[[], Any]] = {
    UUID: uuid4,
    bytes: lambda: token_bytes(32),
    datetime: lambda: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=randbelow(10**15)),
    str: lambda: f"%_\\{token_hex(16)}",
    int: lambda: next(NUMBERS),
}


MOST_KEPT = 200  # shapes of one statement
IN_OR_PLACE = re.compile(r"%%| IN \(%s(?:, %s)+\)|%s")


class Kind(Protocol):
    """How an argument that is more than a value or a list of them is taken apart."""

    def shape(self, argument: Any) -> Hashable:
        """What the SQL depends on."""

    def values(self, argument: Any, shape: Any) -> Sequence[Any]:
        """Its values, as many and in the same order for each argument of this shape."""

    def stand_in(self, shape: Any) -> Any:
        """An argument of this shape with values like no other's."""


def statement(**kinds: Kind) -> Callable[[Callable[P, QuerySet[Any, Row]]], "Statement[P, Row]"]:
    """For a function that makes its queryset of nothing but its arguments.

    Values are UUIDs, bytes, moments, texts and whole numbers, and lists of them; they must come into the queryset as
    they are. Whatever else (None, a bool, a member of an enum, an argument whose kind is said to be a `WORD`) decides
    what the SQL is, and has a statement of its own: so how many rows are wanted.
    """
    return lambda build: Statement(build, kinds)


class Statement(Generic[P, Row]):
    def __init__(self, build: Callable[P, QuerySet[Any, Row]], kinds: Mapping[str, Kind]) -> None:
        update_wrapper(self, build)
        self._build, self._kinds = build, kinds
        self._names = tuple(inspect.signature(build).parameters)
        self._kept: dict[Hashable, _Sql] = {}
        self._writing = Lock()
        self.order: list[str] = []  # the columns, the same for any arguments; known once there were some

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Row]:
        """The rows. Raises `TypeError` for an argument that has no place in the SQL as it is."""
        connection = connections[DEFAULT_DB_ALIAS]
        given = dict(zip(self._names, args, strict=False)) | kwargs
        kinds = [self._kinds.get(name) or _kind(name, value) for name, value in given.items()]
        shapes = [kind.shape(value) for kind, value in zip(kinds, given.values(), strict=True)]
        key = (connection.vendor, *given, *shapes)
        sql = self._kept.get(key) or self._keep(
            key, dict(zip(given, zip(kinds, shapes, strict=True), strict=True))
        )
        taken = zip(kinds, given.values(), shapes, strict=True)
        return cast(
            "list[Row]", sql.rows([one for kind, value, shape in taken for one in kind.values(value, shape)])
        )

    def queryset(self, *args: P.args, **kwargs: P.kwargs) -> QuerySet[Any, Row]:
        """For whoever asks for more of it than its rows."""
        return self._build(*args, **kwargs)

    def _keep(self, key: Hashable, wanted: Mapping[str, tuple[Kind, Hashable]]) -> "_Sql":
        with self._writing:
            if len(self._kept) >= MOST_KEPT:  # clients choose some words, as how many rows they want
                del self._kept[next(iter(self._kept))]
            self._kept[key] = sql = self._written(wanted)
            self.order = order_of(sql.queryset)
        return sql

    def _written(self, wanted: Mapping[str, tuple[Kind, Hashable]]) -> "_Sql":
        sql, again = self._once(wanted), self._once(wanted)
        if not sql.is_like(again):
            raise TypeError(f"{self.__name__}: its SQL depends on more than the shape of its arguments.")  # type: ignore[attr-defined]
        return sql

    def _once(self, wanted: Mapping[str, tuple[Kind, Hashable]]) -> "_Sql":
        stand_ins = {name: kind.stand_in(shape) for name, (kind, shape) in wanted.items()}
        queryset = self._build(**stand_ins)  # type: ignore[call-arg]
        flat = [
            (name, value)
            for name, (kind, shape) in wanted.items()
            for value in kind.values(stand_ins[name], shape)
        ]
        sql = _Sql(queryset, [value for _, value in flat])
        lost = {
            name for number, (name, _) in enumerate(flat) if number not in sql.places
        } - self._kinds.keys()
        if lost and not sql.is_empty:
            raise TypeError(f"{self.__name__}: {', '.join(lost)} does not come into the SQL as it is.")  # type: ignore[attr-defined]
        return sql


class _Sql:
    """What Django made of a queryset, and which of its parameters are places of which values."""

    def __init__(self, queryset: QuerySet[Any, Any], stand_ins: Sequence[Any]) -> None:
        self.queryset = queryset
        self._compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        try:
            self._text, params = self._compiler.as_sql()
            self.is_empty = False
        except EmptyResultSet:  # of a list without values, say
            self._text, params, self.is_empty = "", (), True
        prepared = [_prepared(value, self._compiler.connection) for value in stand_ins]
        places = {
            index: number
            for index, param in enumerate(params)
            for number, stand_in in enumerate(prepared)
            if _is(param, stand_in)
        }
        self.places = frozenset(places.values())
        self._params = [
            Place(places[index], type(param)) if index in places else param
            for index, param in enumerate(params)
        ]
        if self._compiler.connection.vendor == "postgresql":
            self._text, self._params = _for_any_values(self._text, self._params)

    def is_like(self, other: "_Sql") -> bool:
        return (self._text, self._params) == (other._text, other._params)

    def rows(self, values: Sequence[Any]) -> list[Any]:
        """As the queryset would give them with these values, by copies of its parts that know the SQL already."""
        if self.is_empty:
            return []
        connection = connections[DEFAULT_DB_ALIAS]  # each thread has its own
        params = tuple(
            param.value(values, connection) if isinstance(param, Place) else param for param in self._params
        )
        compiler, query = _copy(self._compiler), _copy(self.queryset.query)
        compiler.connection = connection
        compiler.execute_sql = lambda *_, **__: [self._asked(connection, params)]
        compiler.get_converters = lambda _: self._converters
        query.get_compiler = lambda *_, **__: compiler
        found = type(self.queryset)(self.queryset.model, query, DEFAULT_DB_ALIAS)
        for name in ("_iterable_class", "_fields", "_prefetch_related_lookups"):
            setattr(found, name, getattr(self.queryset, name))
        return list(found)

    def _asked(self, connection: Any, params: tuple[Any, ...]) -> list[Any]:
        """What the database says, read at once."""
        with connection.cursor() as cursor:
            cursor.execute(self._text, params)
            rows: list[Any] = cursor.fetchall()
        if self._compiler.has_extra_select:  # columns that only the order needs
            return [row[: self._compiler.col_count] for row in rows]
        return rows

    @cached_property
    def _converters(self) -> Any:
        """From what the driver gives to what a row shows; they depend on the columns alone."""
        columns = [column for column, *_ in self._compiler.select[: self._compiler.col_count]]
        return self._compiler.get_converters(columns)


def _copy(kept: Any) -> Any:
    """As `copy.copy`, which goes many ways before it comes to this one."""
    found = object.__new__(type(kept))
    found.__dict__.update(kept.__dict__)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """A parameter of the SQL that is one of the values, by its number, or an array of several."""

    number: int
    kind: type  # of numbers the driver has one for each width of a column
    further: tuple[int, ...] | None = None

    def value(self, values: Sequence[Any], connection: Any) -> Any:
        """As the database's driver takes it."""
        if self.further is not None:
            return [_prepared(values[number], connection) for number in (self.number, *self.further)]
        value = _prepared(values[self.number], connection)
        return self.kind(value) if isinstance(value, int) else value


def _for_any_values(text: str, params: Sequence[Any]) -> tuple[str, list[Any]]:
    """As PostgreSQL plans it best, which makes one plan for any values.

    `IN` over places becomes `= ANY` over an array: psycopg reads a text with many places anew each time. What is the
    same each time stands in the text: only then the plan knows how rare it is, and which partial indexes hold it.
    """
    taken: list[Any] = []
    rest = iter(params)

    def instead(match: re.Match[str]) -> str:
        own = list(islice(rest, match[0].count("%s")))
        if len(own) > 1 and all(isinstance(param, Place) for param in own):
            first, *further = own
            taken.append(Place(first.number, first.kind, tuple(param.number for param in further)))
            return " = ANY(%s)"
        taken.extend(param for param in own if not isinstance(param, str | int))
        words = iter(
            [quote(param).replace("%", "%%") if isinstance(param, str | int) else "%s" for param in own]
        )
        return re.sub("%s", lambda _: next(words), match[0])

    return IN_OR_PLACE.sub(instead, text), taken


def bring(rows: Sequence[Any], relation: str, read: Callable[[list[Any]], Sequence[Any]]) -> None:
    """Gives each row the one it is related to, one object for all that share it; `read`: a statement by ids.

    Where many rows share few, `select_related` makes an object for each row, which is most of what a list costs.
    """
    if not rows:
        return
    field = rows[0]._meta.get_field(relation)
    ids = [getattr(row, field.attname) for row in rows]
    found = {each.pk: each for each in read(list({pk for pk in ids if pk is not None}))}
    for row, pk in zip(rows, ids, strict=True):
        if pk in found:
            field.set_cached_value(row, found[pk])


def bring_all(rows: Sequence[Any], relation: str, read: Callable[[list[Any]], Sequence[Any]]) -> None:
    """Gives each row all that is related to it, in the order in which the statement `read` has them.

    As `prefetch_related` does, whose SQL is built anew each time.
    """
    if not rows:
        return
    field = rows[0]._meta.get_field(relation).field
    by_id = {row.pk: row for row in rows}
    found: dict[Any, list[Any]] = {pk: [] for pk in by_id}
    for each in read(list(by_id)):
        pk = getattr(each, field.attname)
        field.set_cached_value(each, by_id[pk])
        found[pk].append(each)
    for row in rows:
        related = _Read(field.model)
        related._result_cache = found[row.pk]
        row._prefetched_objects_cache = getattr(row, "_prefetched_objects_cache", {}) | {relation: related}


class _Read(QuerySet[Any]):
    """Rows that are there already. It has no condition, so asking more of it would ask of all rows there are."""

    _prefetch_done = True

    def _chain(self) -> NoReturn:
        raise TypeError("These rows were read with what they belong to; ask their model for others.")


def order_of(rows: QuerySet[Any, Any]) -> list[str]:
    """Columns, the descending ones with a minus before them."""
    return [str(column) for column in rows.query.order_by]


def places(many: int) -> int:
    """How many places a list gets that has so many values: a power of two, so that there are few shapes."""
    return 1 << (many - 1).bit_length() if many else 0


def filled(values: list[Any]) -> list[Any]:
    """As many as there are places: the last one again and again, which changes nothing of what is in a list."""
    return values + values[-1:] * (places(len(values)) - len(values))


# ----- kinds of arguments ---------------------------------------------------------------------------------


class One:
    """A value."""

    def shape(self, argument: Any) -> Hashable:
        return _type(argument)

    def values(self, argument: Any, shape: Any) -> Sequence[Any]:
        return (argument,)

    def stand_in(self, shape: Any) -> Any:
        return STAND_INS[shape]()


class Many:
    """A list of values of one type."""

    def shape(self, argument: Any) -> Hashable:
        return (_type(argument[0]), places(len(argument))) if argument else (None, 0)

    def values(self, argument: Any, shape: Any) -> Sequence[Any]:
        return filled(argument)

    def stand_in(self, shape: Any) -> Any:
        return [STAND_INS[shape[0]]() for _ in range(shape[1])]


class Word:
    """What only decides what the SQL is."""

    def shape(self, argument: Any) -> Hashable:
        return argument

    def values(self, argument: Any, shape: Any) -> Sequence[Any]:
        return ()

    def stand_in(self, shape: Any) -> Any:
        return shape


ONE, MANY, WORD = One(), Many(), Word()


def _kind(name: str, argument: Any) -> Kind:
    if argument is None or isinstance(argument, (bool, Enum)):
        return WORD
    if isinstance(argument, list):
        return MANY
    if _type(argument) is None:
        raise TypeError(f"{name}: a statement takes no {type(argument).__name__}.")
    return ONE


def _type(value: Any) -> type | None:
    return next((each for each in FIELDS if isinstance(value, each)), None)


def _prepared(value: Any, connection: Any) -> Any:
    """As the database's driver takes it."""
    return FIELDS[_type(value)].get_db_prep_value(value, connection)  # type: ignore[index]


def _is(param: Any, stand_in: Any) -> bool:
    if isinstance(stand_in, int):
        return isinstance(param, int) and param == stand_in
    return type(param) is type(stand_in) and bool(_bare(param) == _bare(stand_in))


def _bare(param: Any) -> Any:
    return getattr(param, "obj", param)  # psycopg wraps bytes
