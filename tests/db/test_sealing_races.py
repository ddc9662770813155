"""Rows that are committed out of order, and two that seal at once: what only PostgreSQL can show."""

from datetime import UTC, datetime
from threading import Thread
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from studio.audit import sealing
from studio.audit.models import Event
from studio.audit.services import record
from studio.tenants.rules import STUDIO

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
TENANT = UUID(int=1)


def write() -> int:
    return record(STUDIO, "edit", "endpoint", uuid4(), "n", tenant=TENANT, role="platform").pk


def elsewhere(act: object) -> None:
    """In a connection of its own."""

    def run() -> None:
        try:
            act()  # type: ignore[operator]
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


def test_a_row_that_is_committed_late_stands_behind_those_with_greater_ids() -> None:
    with transaction.atomic():
        late = write()
        early: list[int] = []
        elsewhere(lambda: early.append(write()))
        elsewhere(sealing.seal)
    assert late < early[0]
    sealing.seal()
    rows = Event.objects.order_by("position").values_list("pk", "position")
    assert list(rows) == [(early[0], 1), (late, 2)]
    assert list(sealing.verify()) == []


@pytest.fixture
def many(transactional_db: None) -> None:
    for _ in range(60):
        write()


def test_several_that_seal_at_once_give_each_place_once(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 7)

    def run() -> None:
        try:
            sealing.seal()
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealing.seal()
    assert sorted(Event.objects.values_list("position", flat=True)) == list(range(1, 61))
    assert list(sealing.verify()) == []
