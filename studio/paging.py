"""Pages of lists: how far a list is read, and the cursor that says where the next page begins."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from django.core.exceptions import ValidationError as BadValue
from django.db.models import Field, Model, Q, QuerySet

from studio.errors import Refusal, invalid_field
from studio.json_api import check_storable
from studio.statements import Statement, order_of

PAGE = 100
MOST = 1000
AHEAD = 2000  # rows that a dear filter is tried on first
Row = TypeVar("Row", bound=Model)


def page(
    rows: QuerySet[Row],
    cursor: str | None,
    limit: int,
    only: Callable[[QuerySet[Row]], QuerySet[Row]] | None = None,
) -> tuple[list[Row], str | None]:
    """(rows after the cursor, cursor of the next page or None), in the order of `rows`.

    The order must end with a unique column. What is added or removed meanwhile shifts nothing. `only`: a filter that
    is dear to ask of all rows; the nearest are asked first, which as a rule are enough.
    """
    _check_limit(limit)
    columns = order_of(rows)
    if cursor:
        rows = rows.filter(_after(rows.model, columns, cursor))
    found = _nearest(rows, only, limit + 1) if only else []
    if len(found) <= limit:
        found = list((only(rows) if only else rows)[: limit + 1])
    return _cut(found, limit, columns)


def kept_page(
    rows: Statement[..., Row], cursor: str | None, limit: int, *args: Any
) -> tuple[list[Row], str | None]:
    """The same of a kept statement, whose last argument is how many rows are wanted, None for all.

    Most look at the first page and no further; what stands behind a cursor is a query that is built anew.
    """
    _check_limit(limit)
    if cursor:
        return page(rows.queryset(*args, None), cursor, limit)
    found = rows(*args, limit + 1)
    return _cut(found, limit, rows.order)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise invalid_field("limit", f"limit must be from 1 to {MOST}, not {limit}.")


def _cut(found: list[Row], limit: int, columns: Sequence[str]) -> tuple[list[Row], str | None]:
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    values = [str(getattr(last, column.lstrip("-"))) for column in columns]
    return found[:limit], base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _nearest(rows: QuerySet[Row], only: Callable[[QuerySet[Row]], QuerySet[Row]], most: int) -> list[Row]:
    """Those of the next rows that pass, as far as it is looked ahead."""
    ahead: list[Any] = list(rows.values_list("pk", flat=True)[:AHEAD])
    return list(only(rows.filter(pk__in=ahead))[:most])


def _after(model: type[Model], columns: Sequence[str], cursor: str) -> Q:
    """The condition of standing behind the cursor: for columns a, b it is a > A or (a = A and b > B)."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        pairs = [(column, str(value)) for column, value in zip(columns, values, strict=True)]
        for column, value in pairs:
            cast("Field[Any, Any]", model._meta.get_field(column.lstrip("-"))).to_python(value)
            check_storable("cursor", value)
    except (ValueError, TypeError, RecursionError, BadValue, Refusal):
        raise invalid_field("cursor", "This cursor is not one that a list gave.") from None
    condition, equal = Q(), Q()
    for column, value in pairs:
        name = column.lstrip("-")
        condition |= equal & Q(**{f"{name}__{'lt' if column.startswith('-') else 'gt'}": value})
        equal &= Q(**{name: value})
    return condition
