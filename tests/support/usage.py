"""What a gateway counts, for the tests of usage."""

from datetime import UTC, datetime

import redis

from apikeys.models import ApiKey
from endpoints.usage import services, wire
from studio import keyring

SINCE = datetime(2026, 11, 7, 9, 0, tzinfo=UTC)  # the minute of a row that names no other


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def counted(
    key: ApiKey, at: datetime = SINCE, *, requests: int = 1, seconds: float = 0.2, **errors: int
) -> wire.Row:
    """One minute of a key: each request answered in this time, a tenth of it spent in the queue."""
    row = wire.Row(str(key.endpoint_id), str(key.pk), minute_of(at), requests=requests)
    row.errors = [errors.get(name, 0) for name in wire.ERRORS]
    row.prompt_tokens, row.completion_tokens = 10 * requests, 5 * requests
    for _ in range(requests):
        row.queue.note(seconds * 0.1)
        row.execution.note(seconds * 0.9)
        row.response.note(seconds)
        row.first_token.note(seconds * 0.3)
    return row


def sealed(*rows: wire.Row, gateway: str = "g1", number: int = 1) -> dict[bytes, bytes]:
    """A batch as it lies in the broker: field → box."""
    box = wire.pack(wire.Batch(gateway, number, list(rows)), keyring.routes_seal()[0])
    return {wire.batch_field(gateway, number).encode(): box}


def leave(broker: redis.Redis, *rows: wire.Row, gateway: str = "g1", number: int = 1) -> None:
    """As a gateway does."""
    for field, box in sealed(*rows, gateway=gateway, number=number).items():
        broker.hset(wire.BATCHES, field, box)


def write(*rows: wire.Row, now: datetime = SINCE) -> None:
    """Straight into the tables, for tests of what is shown."""
    assert services._enter(wire.Batch(f"writer-{write.times}", 1, list(rows)), now)
    write.times += 1


write.times = 0
