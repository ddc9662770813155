"""Takers that meet, on PostgreSQL: several control workers look at the same batches at once."""

import random
from datetime import UTC, datetime

import pytest
from django.db.models import Sum

from endpoints.usage import rules, services, wire
from endpoints.usage.models import TABLES, UsageGateway
from tests.db.test_races import together
from tests.support.cast import make_cast
from tests.support.effort import examples
from tests.support.usage import SINCE, counted, leave, sealed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

TIMES = examples(8)
TAKERS = 4


@pytest.fixture
def keys(transactional_db, control_broker):
    cast = make_cast()
    return [cast.first_key(cast.endpoint()) for _ in range(5)]


def sums_are(requests: int) -> None:
    for table in TABLES.values():
        assert table.objects.aggregate(all=Sum("requests"))["all"] == requests
        counts = [rules.unpack_times(bytes(row.times))["queue"].count for row in table.objects.all()]
        assert sum(counts) == requests


def test_two_takers_of_one_batch_count_it_once(keys, control_broker):
    for number in range(1, TIMES + 1):
        leave(control_broker, *(counted(key) for key in keys), number=number)
        assert sum(together(*[lambda: services.look(SINCE)] * TAKERS)) == 1
        sums_are(number * len(keys))
    assert (UsageGateway.objects.get().number, control_broker.hget(wire.TAKEN, "g1")) == (
        TIMES,
        b"%d" % TIMES,
    )


def test_two_takers_who_both_read_a_batch_before_either_took_it(keys, control_broker):
    for number in range(1, TIMES + 1):
        boxes = sealed(counted(keys[0]), number=number)
        together(*[lambda boxes=boxes: services.take(boxes, now=SINCE)] * TAKERS)
        sums_are(number)


def test_batches_of_several_gateways_add_up_in_the_same_rows(keys, control_broker):
    """Each has the rows in an order of its own; nobody waits for the other in a circle."""
    for number in range(1, TIMES + 1):
        boxes = []
        for gateway in range(TAKERS):
            rows = [counted(key) for key in keys]
            random.Random(number * TAKERS + gateway).shuffle(rows)
            boxes.append(sealed(*rows, gateway=f"g{gateway}", number=number))
        answers = together(*[lambda box=box: services.take(box, now=SINCE) for box in boxes])
        assert answers == [1] * TAKERS
        sums_are(number * TAKERS * len(keys))


def test_takers_beside_each_other_take_everything_that_is_left_and_nothing_twice(
    keys, control_broker, monkeypatch
):
    monkeypatch.setattr(services, "LOOK_EVERY", 0.005)
    takers = [services.UsageTaker() for _ in range(3)]
    for taker in takers:
        taker.start()
    try:
        for number in range(1, TIMES + 1):
            leave(control_broker, *(counted(key, datetime.now(UTC)) for key in keys), number=number)
            eventually(lambda number=number: control_broker.hget(wire.TAKEN, "g1") == str(number).encode())
    finally:
        for taker in takers:
            taker.stop()
        for taker in takers:
            taker.join(10)
    sums_are(TIMES * len(keys))
    assert control_broker.exists(wire.BATCHES) == 0
