"""What the gateways counted stands in the database exactly once, whatever happens on the way."""

import uuid
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
import redis
import structlog
from django.apps import apps
from django.db import DataError, IntegrityError, OperationalError, transaction
from django.db.models import Sum
from structlog.testing import LogCapture

from apikeys.models import ApiKey
from endpoints.usage import rules, services, wire
from endpoints.usage.models import TABLES, UsageDay, UsageGateway, UsageHalfHour, UsageMinute, UsageTwoHours
from studio import keyring
from tests.support.usage import SINCE, counted, leave, sealed
from tests.support.waiting import eventually

NOW = SINCE + timedelta(minutes=1)


@pytest.fixture
def key(cast, control_broker) -> ApiKey:
    return cast.first_key(cast.endpoint(name="hello"))


class Events:
    """What is logged."""

    def __init__(self, entries) -> None:
        self.entries = entries

    def count(self, event: str) -> int:
        return sum(entry["event"] == event for entry in self.entries)


@pytest.fixture
def told(monkeypatch) -> Events:
    capture = LogCapture()
    monkeypatch.setattr(services, "log", structlog.wrap_logger(None, processors=[capture]))
    return Events(capture.entries)


def look() -> int:
    return services.look(NOW)


def requests(table=UsageMinute) -> int:
    return table.objects.aggregate(all=Sum("requests"))["all"] or 0


def taken(broker: redis.Redis, gateway: str = "g1") -> int:
    return int(broker.hget(wire.TAKEN, gateway) or 0)


# --- one batch --------------------------------------------------------------------------------------------------


def test_a_batch_stands_whole_in_every_table_and_is_acknowledged(key, control_broker):
    row = counted(key, requests=3, seconds=0.4, limited=1, gone=1)
    leave(control_broker, row)
    assert look() == 1
    for span, table in TABLES.items():
        stored = table.objects.get()
        assert (stored.endpoint_id, stored.key_id) == (key.endpoint_id, key.pk)
        assert stored.start == rules.start_of(row.minute, span)
        assert (stored.requests, stored.prompt_tokens, stored.completion_tokens) == (3, 30, 15)
        assert [getattr(stored, f"errors_{name}") for name in wire.ERRORS] == [0, 1, 0, 0, 0, 1]
        times = rules.unpack_times(bytes(stored.times))
        assert times == {name: getattr(row, name) for name in rules.TIMES}
    assert (taken(control_broker), control_broker.exists(wire.BATCHES)) == (1, 0)
    gateway = UsageGateway.objects.get()
    assert (gateway.pk, gateway.number, gateway.seen_at) == ("g1", 1, NOW)


def test_the_same_minute_again_adds_exactly(key, control_broker):
    first, second = counted(key, requests=2, seconds=0.004), counted(key, requests=5, seconds=400, failed=2)
    leave(control_broker, first)
    look()
    leave(control_broker, second, number=2)
    leave(control_broker, counted(key), gateway="g2")
    assert look() == 2
    assert [requests(table) for table in TABLES.values()] == [8, 8, 8, 8]
    stored = UsageMinute.objects.get()
    assert (stored.errors_failed, stored.prompt_tokens) == (2, 80)
    response = rules.unpack_times(bytes(stored.times))["response"]
    assert (response.count, response.buckets[0], response.buckets[-1]) == (8, 2, 5)
    assert response.total == pytest.approx(2000.208)


def test_longer_spans_hold_their_minutes(key, control_broker):
    moments = [
        SINCE,
        SINCE + timedelta(minutes=29),
        SINCE + timedelta(minutes=30),
        SINCE + timedelta(hours=15),
    ]
    leave(control_broker, *(counted(key, moment) for moment in moments))
    look()
    assert [table.objects.count() for table in TABLES.values()] == [4, 3, 2, 2]
    assert list(UsageHalfHour.objects.order_by("start").values_list("requests", flat=True)) == [2, 1, 1]
    assert UsageDay.objects.get(start=datetime(2026, 11, 7, tzinfo=UTC)).requests == 3


def test_two_hours_are_added_up_of_the_half_hours_that_were_there_before(key, control_broker):
    moments = [SINCE + timedelta(minutes=minutes) for minutes in range(0, 600, 25)]
    leave(control_broker, *(counted(key, moment, requests=2, seconds=0.3, gone=1) for moment in moments))
    look()
    columns = [field.name for field in UsageTwoHours._meta.fields if field.name != "id"]
    written = list(UsageTwoHours.objects.order_by("start").values(*columns))
    UsageTwoHours.objects.all().delete()
    import_module("endpoints.usage.migrations.0002_two_hours").add_up(apps, None)
    again = list(UsageTwoHours.objects.order_by("start").values(*columns))
    for row in (*written, *again):
        row["times"] = rules.unpack_times(bytes(row["times"]))["response"].buckets
    assert len(written) > 4
    assert again == written


def test_more_keys_than_go_into_one_statement(cast, key, control_broker):
    owner, endpoint = key.owner, key.endpoint
    others = ApiKey.objects.bulk_create(
        ApiKey(endpoint=endpoint, owner=owner, digest=bytes([number % 256, number // 256]), prefix="12345678")
        for number in range(services.CHUNK * 2 + 5)
    )
    leave(control_broker, *(counted(each) for each in others))
    look()
    assert requests() == UsageMinute.objects.count() == len(others)


def test_a_batch_costs_the_same_queries_however_many_keys_it_has(
    cast, key, control_broker, django_assert_max_num_queries
):
    keys = [key, *(cast.first_key(cast.endpoint()) for _ in range(4))]
    with django_assert_max_num_queries(22):  # 5 for the number and the keys, 12 for four tables, savepoints
        services.take(sealed(*(counted(each) for each in keys)), now=NOW)


def test_nothing_there_costs_one_question_to_the_broker(
    key, control_broker, django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr(services, "take", None)
    look()  # the broker is new, and is told the budgets
    with django_assert_num_queries(0):
        assert look() == 0


# --- exactly once -----------------------------------------------------------------------------------------------


def test_a_batch_found_twice_is_counted_once(key, control_broker):
    for _ in range(3):
        leave(control_broker, counted(key))
        look()
    assert (requests(), taken(control_broker), control_broker.hlen(wire.BATCHES)) == (1, 1, 0)


def test_a_crash_between_commit_and_acknowledgement_counts_nothing_twice(key, control_broker, monkeypatch):
    leave(control_broker, counted(key))
    with monkeypatch.context() as dying:
        dying.setattr(services, "_acknowledge", lambda *_: (_ for _ in ()).throw(redis.ConnectionError()))
        with pytest.raises(redis.ConnectionError):
            look()
    assert (requests(), taken(control_broker), control_broker.hlen(wire.BATCHES)) == (1, 0, 1)
    assert look() == 0
    assert (requests(), taken(control_broker), control_broker.hlen(wire.BATCHES)) == (1, 1, 0)


def test_a_crash_before_the_commit_leaves_neither_number_nor_sums(key, control_broker, monkeypatch):
    leave(control_broker, counted(key))
    add = services._add
    with monkeypatch.context() as dying:

        def die_in_the_second_table(table, rows, span):
            if table is UsageHalfHour:
                raise OperationalError("the server closed the connection")
            add(table, rows, span)

        dying.setattr(services, "_add", die_in_the_second_table)
        with pytest.raises(OperationalError):
            look()
    assert (requests(), UsageGateway.objects.count(), taken(control_broker)) == (0, 0, 0)
    assert look() == 1
    assert [requests(table) for table in TABLES.values()] == [1, 1, 1, 1]


def test_a_slower_taker_never_takes_a_number_back(key, control_broker):
    late = wire.Batch("g1", 1, [])
    for number in (1, 2):
        leave(control_broker, counted(key), number=number)
        look()
    services._acknowledge(b"g1:1", late)
    assert taken(control_broker) == 2


def test_an_emptied_broker_hears_the_number_again(key, control_broker):
    leave(control_broker, counted(key))
    look()
    control_broker.flushall()
    leave(control_broker, counted(key))
    look()
    assert (requests(), taken(control_broker)) == (1, 1)


def test_after_a_restored_database_the_next_batch_is_taken_and_the_gap_is_told(key, control_broker, told):
    leave(control_broker, counted(key), number=7)
    assert look() == 1
    assert (requests(), taken(control_broker), UsageGateway.objects.get().number) == (1, 7, 7)
    assert told.count("usage is missing") == 1


def test_batches_of_one_gateway_are_taken_in_their_order(key, control_broker):
    for number in (10, 9, 11):
        leave(control_broker, counted(key), number=number)
    assert look() == 3
    assert (requests(), taken(control_broker)) == (3, 11)


# --- what cannot be taken ---------------------------------------------------------------------------------------


def test_rows_of_what_is_no_more_are_skipped(cast, key, control_broker, told):
    gone, elsewhere = counted(key), counted(key)
    gone.key, elsewhere.endpoint = str(uuid.uuid4()), str(cast.bare_endpoint().pk)
    nonsense = counted(key)
    nonsense.key = "not an id"
    leave(control_broker, gone, elsewhere, nonsense, counted(key))
    assert look() == 1
    assert (requests(), taken(control_broker)) == (1, 1)
    assert told.count("usage skipped") == 3


def test_a_revoked_key_of_a_deleted_endpoint_still_counts(cast, key, control_broker):
    ApiKey.objects.filter(pk=key.pk).update(is_first=False, sealed=None, revoked_at=NOW)
    type(key.endpoint).objects.update(desired="deleted", deleted_at=NOW)
    leave(control_broker, counted(key))
    look()
    assert requests() == 1


def test_unsound_rows_are_skipped_and_the_others_of_the_batch_are_taken(key, control_broker):
    short, liar = counted(key), counted(key)
    short.response.buckets = [1]
    liar.errors = [9, 0, 0, 0, 0, 0]
    leave(control_broker, short, liar, counted(key))
    look()
    assert (requests(), taken(control_broker)) == (1, 1)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(lambda: b"nonsense", id="not sealed"),
        pytest.param(lambda: wire.pack(wire.Batch("g0", 1), bytes(32)), id="of another key"),
        pytest.param(lambda: wire.pack(wire.Batch("", 1), keyring.routes_seal()[0]), id="of no gateway"),
        pytest.param(lambda: wire.pack(wire.Batch("g0", 0), keyring.routes_seal()[0]), id="without a number"),
    ],
)
def test_what_no_gateway_wrote_is_set_aside_and_blocks_nobody(key, control_broker, told, box):
    for _ in range(2):
        control_broker.hset(wire.BATCHES, "g0:1", box())
        leave(control_broker, counted(key))
        look()
        assert control_broker.hlen(wire.BATCHES) == 0
    assert (requests(), control_broker.hkeys(wire.TAKEN)) == (1, [b"g1"])
    assert control_broker.hkeys(services.REFUSED) == [b"g0:1"]
    assert told.count("a batch of usage was refused") == 1, "and is told once"


@pytest.mark.parametrize("error", [DataError, IntegrityError])
def test_what_the_database_refuses_is_set_aside_too(key, control_broker, monkeypatch, error):
    leave(control_broker, counted(key))
    enter = services._enter

    def refuse_g1(batch, now):
        if batch.gateway == "g1":
            raise error("value out of range")
        return enter(batch, now)

    monkeypatch.setattr(services, "_enter", refuse_g1)
    leave(control_broker, counted(key), gateway="g2")
    assert look() == 1
    assert (taken(control_broker, "g1"), taken(control_broker, "g2")) == (0, 1)
    assert control_broker.hlen(services.REFUSED) == 1


def test_more_errors_than_requests_and_a_place_twice_are_refused_by_the_database(key):
    for table in TABLES.values():
        places = {"endpoint": key.endpoint, "key": key, "start": SINCE}
        with pytest.raises(IntegrityError), transaction.atomic():
            table.objects.create(**places, requests=1, errors_client=1, errors_gone=1)
        with pytest.raises(IntegrityError), transaction.atomic():
            table.objects.create(**places, requests=-1)
        table.objects.create(**places)
        with pytest.raises(IntegrityError), transaction.atomic():
            table.objects.create(**places)


def test_every_class_of_errors_has_its_column():
    for table in TABLES.values():
        names = {
            field.name.removeprefix("errors_") for field in table._meta.fields if "errors_" in field.name
        }
        assert names == set(wire.ERRORS)
    assert tuple(TABLES) == rules.SPANS


# --- forgetting -------------------------------------------------------------------------------------------------


def test_what_is_older_than_the_setting_goes_some_at_a_time(key, control_broker, settings, monkeypatch):
    monkeypatch.setattr(services, "FORGET", 2)
    days = [SINCE - timedelta(days=number) for number in range(6)]
    leave(control_broker, *(counted(key, day) for day in days))
    look()
    settings.USAGE_DAYS = 2
    assert services.forget(now=NOW) == 3 * len(TABLES)
    for table in TABLES.values():
        assert min(table.objects.values_list("start", flat=True)) >= datetime(2026, 11, 5, tzinfo=UTC)
        assert table.objects.count() == 3
    assert services.forget(now=NOW) == 0


def test_one_sweep_never_takes_long(key, control_broker, settings, monkeypatch):
    monkeypatch.setattr(services, "FORGET", 1)
    monkeypatch.setattr(services, "FORGET_TIMES", 2)
    leave(control_broker, *(counted(key, SINCE - timedelta(minutes=number)) for number in range(5)))
    look()
    services.forget(now=NOW + timedelta(days=70))
    assert UsageMinute.objects.count() == 3


def test_what_comes_too_late_to_be_kept_is_not_stored(key, control_broker, told):
    leave(control_broker, counted(key, SINCE - timedelta(days=62)), counted(key, SINCE - timedelta(days=60)))
    look()
    assert (requests(), told.count("usage skipped"), services.forget(now=NOW)) == (1, 1, 0)


def test_gateways_that_ended_long_ago_are_forgotten_and_the_others_are_not(key, control_broker):
    for gateway, days in (("old", 90), ("new", 0)):
        leave(control_broker, counted(key), gateway=gateway)
        services.look(NOW - timedelta(days=days))
    services.forget(now=NOW)
    assert list(UsageGateway.objects.values_list("pk", flat=True)) == ["new"]
    assert control_broker.hkeys(wire.TAKEN) == [b"new"]


# --- the taker --------------------------------------------------------------------------------------------------


@pytest.fixture
def taker(monkeypatch):
    """A running one that looks often."""
    monkeypatch.setattr(services, "LOOK_EVERY", 0.01)
    started = services.UsageTaker()
    yield started
    started.stop()
    started.join(10)


def failing(*errors: Exception):
    """A look that fails so, one error after the other, and then says that it was reached."""
    waiting, seen = list(errors), []

    def look(now):
        if waiting:
            raise waiting.pop(0)
        seen.append(now)

    return look, seen


def test_the_taker_outlives_every_outage_and_every_mistake(taker, monkeypatch, told):
    look, seen = failing(
        redis.ConnectionError(),
        OperationalError("away"),
        services.django.db.InterfaceError("closed"),
        KeyError("?"),
    )
    monkeypatch.setattr(services, "look", look)
    monkeypatch.setattr(services.connection, "close", lambda: None)
    taker.start()
    assert eventually(lambda: seen)
    assert (told.count("usage waits"), told.count("usage was not taken")) == (3, 1)
