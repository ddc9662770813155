"""The audit's guards in the database, put aside: for whoever tampers in a test, and for emptying tables after one."""

import contextlib
from collections.abc import Iterator

from django.db import connection


@contextlib.contextmanager
def unguarded() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with _without_triggers_of_postgres():
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_event'"
        )
        guards = cursor.fetchall()
        for name, _ in guards:
            cursor.execute(f"DROP TRIGGER {name}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for _, statement in guards:
                cursor.execute(statement)


@contextlib.contextmanager
def _without_triggers_of_postgres() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
