"""Audit rows are added and never changed or removed: not through the ORM, and not in the database either."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from studio.audit.models import AppendOnly, Event
from studio.audit.services import record
from studio.tenants.rules import STUDIO
from tests.doors.test_three_doors import ROOT

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def written(**facts: Any) -> Event:
    return record(STUDIO, "edit", "endpoint", uuid4(), "hello", tenant=None, role="platform", **facts)


CHANGES = {
    "update": lambda row: Event.objects.update(verb="stop"),
    "filtered update": lambda row: Event.objects.filter(pk=row.pk).update(verb="stop"),
    "ordered update": lambda row: Event.objects.order_by("id").update(verb="stop"),
    "bulk update": lambda row: Event.objects.bulk_update([row], ["verb"]),
    "update or create": lambda row: Event.objects.update_or_create(pk=row.pk, defaults={"verb": "stop"}),
    "save": lambda row: row.save(),
    "save of a read one": lambda row: Event.objects.get().save(update_fields=["verb"]),
    "delete": lambda row: row.delete(),
    "delete all": lambda row: Event.objects.all().delete(),
    "delete some": lambda row: Event.objects.filter(pk=row.pk).delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_orm_refuses(change: str) -> None:
    row = written()
    with pytest.raises(AppendOnly):
        CHANGES[change](row)
    assert Event.objects.get().verb == "edit"


STATEMENTS = [
    "DELETE FROM audit_event",
    "UPDATE audit_event SET verb = 'stop'",
    "UPDATE audit_event SET actor_name = 'somebody'",
    "UPDATE audit_event SET changes = '{}', mark = NULL",
    "UPDATE audit_event SET at = '2020-01-01 00:00:00'",
    "UPDATE audit_event SET tenant_id = thing_id",
    "UPDATE audit_event SET open_until = at",
    "UPDATE audit_event SET mark = NULL",
]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_it_of_whoever_passes_the_orm_by(statement: str, sealed: bool) -> None:
    row = written(changes={"name": ["a", "b"]}, open_until=NOW)
    if sealed:
        QuerySet(Event).filter(pk=row.pk).update(position=1, seal=b"s")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as db:
        db.execute(statement)
    assert Event.objects.get().changes == {"name": ["a", "b"]}


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE audit_event",
        "TRUNCATE audit_event, audit_chain",
        "TRUNCATE audit_event RESTART IDENTITY CASCADE",
    ],
)
def test_the_table_is_not_emptied_at_one_stroke(statement: str) -> None:
    written()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as db:
        db.execute(statement)
    assert Event.objects.exists()


@pytest.mark.parametrize("again", ["position = 2", "position = NULL, seal = NULL", "seal = mark"])
def test_a_row_is_sealed_once(again: str) -> None:
    row = written()
    QuerySet(Event).filter(pk=row.pk).update(position=1, seal=b"s")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as db:
        db.execute(f"UPDATE audit_event SET {again}")


def test_what_is_said_twice_is_two_rows_with_a_mark_each() -> None:
    thing = uuid4()
    for _ in range(2):
        record(STUDIO, "edit", "endpoint", thing, "hello", tenant=None, role="platform")
    assert Event.objects.values("mark").distinct().count() == 2
    copy = Event.objects.first()
    assert copy is not None
    copy.pk, copy._state.adding = None, True
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()


def test_nothing_but_the_audit_itself_knows_the_way_past_the_refusals() -> None:
    sources = [
        path
        for folder in ("studio", "endpoints", "apikeys", "scheduler")
        for path in (ROOT / folder).rglob("*.py")
    ]
    knowing = {path.name for path in sources if "every_way" in path.read_text()}
    assert knowing <= {"models.py", "sealing.py"}
    assert not [
        path for path in sources if "QuerySet(Event" in path.read_text() and path.parent.name != "audit"
    ]
