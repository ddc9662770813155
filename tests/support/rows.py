"""Rows that many tests begin with: made once by their services, then put in as they were.

Only where the database is SQLite; on PostgreSQL they are made anew, as its sequences do not follow.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction

ASIDE = ("django_migrations", "django_content_type", "auth_permission", "django_session", "accounts_session")
SIGNED_IN = "last_login"  # who has signed in before makes no difference to what is made
Rows = dict[str, list[str]]  # table → each row as SQLite would write it
_columns: dict[str, list[str]] = {}
_kept: dict[tuple[str, str], tuple[list[str], Any]] = {}


def put(name: str, make: Callable[[], Any]) -> Any:
    """What `make` returns, a key or nothing, after its rows stand in the database.

    It is called once in each state of the database; where the same state is found again, the rows that it added
    or changed then are put in as they were. What was counted by their ids is forgotten: it was another test's.
    """
    if connection.vendor != "sqlite":
        return make()
    before = _rows()
    state = (name, sha256(repr(before).encode()).hexdigest())
    if state not in _kept:
        returned = make()
        _kept[state] = (_changes(before, _rows()), returned)
        return returned
    cache.clear()
    changes, returned = _kept[state]
    with transaction.atomic(), connection.cursor() as cursor:  # tables wait for each other only inside one
        for change in changes:
            cursor.execute(change)
    return returned


def _rows() -> Rows:
    if not _columns:
        _columns.update(_look_at_tables())
    found = {}
    with connection.cursor() as cursor:
        for table, columns in _columns.items():
            quoted = " || ',' || ".join(f"quote({column})" for column in columns)
            cursor.execute(f'SELECT {quoted} FROM "{table}" ORDER BY rowid')
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def _look_at_tables() -> dict[str, list[str]]:
    tables = [name for name in connection.introspection.table_names() if name not in ASIDE]
    with connection.cursor() as cursor:
        described = {table: connection.introspection.get_table_description(cursor, table) for table in tables}
    return {
        table: [f'"{column.name}"' for column in columns if column.name != SIGNED_IN]
        for table, columns in described.items()
    }


def _changes(before: Rows, after: Rows) -> list[str]:
    """A statement for each table; nothing that is kept may take rows away."""
    changes = []
    for table, rows in after.items():
        assert len(rows) >= len(before[table]), f"rows of {table} are gone"
        old = set(before[table])
        new = ", ".join(f"({row})" for row in rows if row not in old)
        if new:
            changes.append(f'INSERT OR REPLACE INTO "{table}" ({", ".join(_columns[table])}) VALUES {new}')
    return changes
