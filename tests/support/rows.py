"""Rows that many tests begin with: made once by their services, then put in as they were.

On PostgreSQL only what a test begins with: there, to read a state costs as much as to make one.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction

ASIDE = ("django_migrations", "django_content_type", "auth_permission", "django_session", "accounts_session")
SIGNED_IN = "last_login"  # who has signed in before makes no difference to what is made
Rows = dict[str, list[str]]  # table → each row as the database would write it
QUOTED = {"sqlite": "quote({})", "postgresql": "quote_nullable({}::text)"}
_columns: dict[str, list[str]] = {}
_kept: dict[tuple[str, str], tuple[list[str], Any]] = {}


def put(name: str, make: Callable[[], Any]) -> Any:
    """What `make` returns, a key or nothing, after its rows stand in the database.

    It is called once in each state of the database; where the same state is found again, the rows that it added
    or changed then are put in as they were. What was counted by their ids is forgotten: it was another test's.
    A sequence of PostgreSQL never gives again what it gave for rows that are kept.
    """
    if not _is_anything_there():
        before: Rows = {table: [] for table in _columns}
    elif connection.vendor == "sqlite":
        before = _rows()
    else:
        return make()
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


def _is_anything_there() -> bool:
    if not _columns:
        _columns.update(_look_at_tables())
    looks = " OR ".join(f'EXISTS (SELECT 1 FROM "{table}")' for table in _columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {looks}")
        return bool(cursor.fetchone()[0])


def _rows() -> Rows:
    as_written = QUOTED[connection.vendor]
    in_order = "ORDER BY rowid" if connection.vendor == "sqlite" else ""
    found = {}
    with connection.cursor() as cursor:
        for table, columns in _columns.items():
            quoted = " || ',' || ".join(as_written.format(column) for column in columns)
            cursor.execute(f'SELECT {quoted} FROM "{table}" {in_order}')
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
    """A statement for each table, on PostgreSQL all in one; nothing that is kept may take rows away."""
    changes = []
    for table, rows in after.items():
        assert len(rows) >= len(before[table]), f"rows of {table} are gone"
        old = set(before[table])
        new = ", ".join(f"({row})" for row in rows if row not in old)
        if new:
            put = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
            changes.append(f'{put} INTO "{table}" ({", ".join(_columns[table])}) VALUES {new}')
    return changes if connection.vendor == "sqlite" else ["; ".join(changes)]
