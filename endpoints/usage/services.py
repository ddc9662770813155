"""Taking what the gateways counted, each batch exactly once, and forgetting what is too old.

A batch is in when its gateway's number says so, and that number is written with the sums in one transaction. Only
then does the broker hear of it. When somebody dies in between, the next one to look finds the batch taken.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import cast
from uuid import UUID

import django.db
import msgspec
import redis
import structlog
from django.conf import settings
from django.db import connection

from apikeys.models import ApiKey
from endpoints.usage import budgets, rules, wire
from endpoints.usage.models import COUNTS, TABLES, Usage, UsageGateway
from studio import enqueue, keyring, seal
from studio.unit import unit_of_work

log = structlog.get_logger()

LOOK_EVERY = 0.5  # seconds between looks at the broker
CHUNK = 200  # rows written at a time
REFUSED = "usage:refused"  # hash: batches that nobody can take, for whoever wants to know why
REFUSED_SECONDS = 7 * 86_400

# A slower taker must not take a later number back. KEYS: batches, taken. ARGV: field, gateway, number.
ACKNOWLEDGE = """
if tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '0') < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
redis.call('HDEL', KEYS[1], ARGV[1])
"""


def look(now: datetime) -> int:
    """Take what lies in the broker; one cheap question where nothing does. Returns how many batches were new.

    A broker that has forgotten what keys spent is told it first.
    """
    broker = enqueue.broker()
    with broker.pipeline(transaction=False) as pipe:
        pipe.exists(budgets.TOLD)
        pipe.hlen(wire.BATCHES)
        remembers, waiting = pipe.execute()
    if not remembers:
        budgets.tell_budgets(now=now)
    if not waiting:
        return 0
    return take(cast("dict[bytes, bytes]", broker.hgetall(wire.BATCHES)), now=now)


def take(boxes: Mapping[bytes, bytes], *, now: datetime) -> int:
    """Take these batches (field → box), each in a transaction of its own. Returns how many were new.

    Raises `redis.RedisError` and `django.db.Error` for what is away: nothing is lost, the batches stay.
    """
    new = 0
    for field, batch in _opened(boxes):
        try:
            new += _enter(batch, now)
        except (django.db.DataError, django.db.IntegrityError) as error:
            log.error("usage of a gateway cannot be stored", gateway=batch.gateway, exc_info=error)
            _set_aside(field, boxes[field], "not storable")
            continue
        _acknowledge(field, batch)
    return new


def _opened(boxes: Mapping[bytes, bytes]) -> list[tuple[bytes, wire.Batch]]:
    """The batches in the order of their numbers; what no gateway wrote is set aside."""
    found = []
    for field, box in boxes.items():
        try:
            batch = wire.unpack(box, keyring.routes_seal())
        except (seal.Unsealable, msgspec.DecodeError) as error:
            _set_aside(field, box, type(error).__name__)
            continue
        fault = rules.batch_fault(batch)
        if fault:
            _set_aside(field, box, fault)
        else:
            found.append((field, batch))
    return sorted(found, key=lambda pair: (pair[1].gateway, pair[1].number))


def _set_aside(field: bytes, box: bytes, why: str) -> None:
    """Out of the way of the others, and not acknowledged: its gateway keeps it, and sends it again."""
    with enqueue.broker().pipeline() as pipe:
        pipe.hset(REFUSED, field, box)
        pipe.expire(REFUSED, REFUSED_SECONDS)
        pipe.hdel(wire.BATCHES, field)
        is_new, *_ = pipe.execute()
    if is_new:
        log.error("a batch of usage was refused", field=repr(field), why=why)


def _acknowledge(field: bytes, batch: wire.Batch) -> None:
    enqueue.broker().eval(ACKNOWLEDGE, 2, wire.BATCHES, wire.TAKEN, field, batch.gateway, batch.number)


# ----- one batch ------------------------------------------------------------------------------------------


@unit_of_work
def _enter(batch: wire.Batch, now: datetime) -> bool:
    """The number and the sums, or neither. False when the batch is in already."""
    UsageGateway.objects.bulk_create(
        [UsageGateway(pk=batch.gateway, number=0, seen_at=now)], ignore_conflicts=True
    )
    # Two takers of one batch: the second waits here, and finds the number of the first.
    standing = UsageGateway.objects.select_for_update().get(pk=batch.gateway).number
    if batch.number <= standing:
        return False
    if batch.number > standing + 1:  # the database was restored
        log.warning("usage is missing", gateway=batch.gateway, taken=standing, next=batch.number)
    UsageGateway.objects.filter(pk=batch.gateway, number=standing).update(number=batch.number, seen_at=now)
    rows = _known(batch, now)
    for span, table in TABLES.items():
        _add(table, rows, span)
    return True


def _known(batch: wire.Batch, now: datetime) -> list[wire.Row]:
    """The sound rows of keys that there are, and that are not to be forgotten at once.

    (A revoked key is there, and so is a deleted endpoint.)
    """
    oldest = _oldest(now)
    keys = sorted({uuid for row in batch.rows if (uuid := _uuid(row.key))})
    endpoints: dict[str, str] = {}
    for start in range(0, len(keys), CHUNK):
        found = ApiKey.objects.filter(pk__in=keys[start : start + CHUNK]).values_list("pk", "endpoint_id")
        endpoints |= {str(key): str(endpoint) for key, endpoint in found}
    rows = []
    for row in batch.rows:
        fault = "" if endpoints.get(row.key) == row.endpoint else "no such key at this endpoint"
        fault = fault or rules.row_fault(row)
        fault = fault or ("too old" if rules.start_of(row.minute, rules.MINUTE) < oldest else "")
        if fault:
            log.warning("usage skipped", gateway=batch.gateway, endpoint=row.endpoint, key=row.key, why=fault)
        else:
            rows.append(row)
    return rows


def _uuid(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _add(table: type[Usage], rows: list[wire.Row], span: int) -> None:
    """Add to the sums that stand, always in the order of the places."""
    places = rules.sums_by_place(rows, span)
    for start, group in groupby(places.items(), key=lambda item: item[0][0]):
        sums = [row for _, row in group]
        for at in range(0, len(sums), CHUNK):
            _add_at(table, start, sums[at : at + CHUNK])


def _add_at(table: type[Usage], start: datetime, sums: list[wire.Row]) -> None:
    """Lock the rows that stand, make and lock what is missing, and write all as they are then."""
    standing = _locked(table, start, sums)
    missing = [row for row in sums if row.key not in standing]
    if missing:
        # Another taker may make the same ones: the first makes them, both add to them.
        blanks = [table(endpoint_id=row.endpoint, key_id=row.key, start=start) for row in missing]
        table._default_manager.bulk_create(blanks, ignore_conflicts=True)
        standing |= _locked(table, start, missing)
    for row in sums:
        _raise(standing[row.key], row)
    table._default_manager.bulk_create(
        standing.values(),
        update_conflicts=True,
        unique_fields=["endpoint", "start", "key"],
        update_fields=[*COUNTS, "times"],
    )


def _locked(table: type[Usage], start: datetime, sums: list[wire.Row]) -> dict[str, Usage]:
    """Key → its row, where there is one. (A key has one endpoint.)"""
    rows = table._default_manager.select_for_update().filter(
        start=start, endpoint__in={row.endpoint for row in sums}, key__in={row.key for row in sums}
    )
    return {str(each.key_id): each for each in rows.order_by("endpoint_id", "key_id")}


def _raise(standing: Usage, row: wire.Row) -> None:
    standing.pk = None  # it is written as an insert that meets itself
    counts = (row.requests, row.prompt_tokens, row.completion_tokens, *row.errors)
    for name, count in zip(COUNTS, counts, strict=True):
        setattr(standing, name, getattr(standing, name) + count)
    times = rules.unpack_times(bytes(standing.times))
    for name in rules.TIMES:
        getattr(row, name).add(times[name])
    standing.times = rules.pack_times(row)


# ----- forgetting -----------------------------------------------------------------------------------------

FORGET = 1000  # rows in one transaction
FORGET_TIMES = 50  # transactions in one sweep


def forget(*, now: datetime) -> int:
    """Remove what is older than `STUDIO_USAGE_DAYS`, some at a time. Returns how many sums went.

    Raises `redis.RedisError` when the broker does not hear which gateways are forgotten.
    """
    oldest = _oldest(now)
    removed = sum(_forget(table, oldest) for table in TABLES.values())
    gone = list(UsageGateway.objects.filter(seen_at__lt=oldest).values_list("pk", flat=True)[:FORGET])
    if gone:
        enqueue.broker().hdel(wire.TAKEN, *gone)
        UsageGateway.objects.filter(pk__in=gone, seen_at__lt=oldest).delete()
    return removed


def _oldest(now: datetime) -> datetime:
    """The beginning of the first day that is kept."""
    first = now - timedelta(days=settings.USAGE_DAYS)
    return rules.start_of(int(first.timestamp()) // rules.MINUTE, rules.DAY)


def _forget(table: type[Usage], oldest: datetime) -> int:
    rows = table._default_manager
    removed = 0
    for _ in range(FORGET_TIMES):
        old = list(rows.filter(start__lt=oldest).order_by("start").values_list("pk", flat=True)[:FORGET])
        if not old:
            break
        removed += rows.filter(pk__in=old).delete()[0]
    return removed


# ----- the taker ------------------------------------------------------------------------------------------


class UsageTaker(threading.Thread):
    """Takes what the gateways write, beside the control worker. Any number of them may run."""

    def __init__(self) -> None:
        super().__init__(name="usage-taker", daemon=True)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(LOOK_EVERY):
            try:
                look(datetime.now(UTC))
            except redis.RedisError as error:
                log.warning("usage waits", error=type(error).__name__)
            except django.db.Error as error:
                log.warning("usage waits", error=type(error).__name__)
                connection.close()  # kept open otherwise, as the publisher does
            except Exception as error:
                # A mistake of ours: told, and no end of the taking.
                log.error("usage was not taken", exc_info=error)
        connection.close()

    def stop(self) -> None:
        self._stop_asked.set()
