"""Rows that many tests begin with: made once by their services, then put in as they were.

Only where the database is SQLite; on PostgreSQL they are made anew, as its sequences do not follow.
"""

from collections.abc import Callable

from django.core.cache import cache
from django.db import connection, transaction

MIGRATED = ("django_migrations", "django_content_type", "auth_permission")  # filled by the migrations
_kept: dict[str, list[str]] = {}


def put(name: str, make: Callable[[], object]) -> None:
    """The rows that `make` leaves in an empty database, the same ones for every test of this process.

    What was counted of them by their ids is forgotten: it was another test's.
    """
    if connection.vendor != "sqlite":
        make()
        return
    if name not in _kept:
        assert _inserts() == [], f"the {name} is not the first thing in this database"
        make()
        _kept[name] = _inserts()
        return
    cache.clear()
    with transaction.atomic(), connection.cursor() as cursor:  # tables wait for each other only inside one
        for insert in _kept[name]:
            cursor.execute(insert)


def _inserts() -> list[str]:
    tables = [name for name in connection.introspection.table_names() if name not in MIGRATED]
    return [insert for insert in map(_insert, tables) if insert]


def _insert(table: str) -> str:
    """One statement with every row of the table as SQLite would write it; "" when it is empty."""
    with connection.cursor() as cursor:
        columns = [
            f'"{column.name}"' for column in connection.introspection.get_table_description(cursor, table)
        ]
        quoted = " || ',' || ".join(f"quote({column})" for column in columns)
        cursor.execute(f'SELECT {quoted} FROM "{table}" ORDER BY rowid')
        rows = [f"({row})" for (row,) in cursor.fetchall()]
    return f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES {", ".join(rows)}' if rows else ""
