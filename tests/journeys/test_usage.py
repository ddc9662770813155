"""Usage on its way from a gateway's batch to an answer, with the control worker killed on it."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

from endpoints.usage import wire
from studio import seal
from tests.support.desk import Desk, Endpoint
from tests.support.platform import Platform
from tests.support.usage import minute_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)

BATCHES = 20


@pytest.fixture
def desk(up: Platform) -> Desk:
    return Desk(up)


@pytest.fixture
def quiet(desk: Desk) -> Iterator[Endpoint]:
    """An endpoint that nobody asks anything."""
    made = desk.create("quiet")
    yield desk.info(made)
    desk.delete(made)


class Gateway:
    """Hands over one batch after the other as a gateway does."""

    def __init__(self, up: Platform) -> None:
        self.broker = redis.Redis(unix_socket_path=str(up.folder / "broker" / "broker.sock"))
        self.key = seal.ring((up.folder / "secrets" / "routes_seal").read_text().strip())[0]

    def leave(self, number: int, endpoint: Endpoint) -> None:
        key = endpoint["api_keys"][0]["id"]
        row = wire.Row(endpoint["id"], key, minute_of(datetime.now(UTC)), requests=3, prompt_tokens=7)
        box = wire.pack(wire.Batch("journey", number, [row]), self.key)
        self.broker.hset(wire.BATCHES, wire.batch_field("journey", number), box)

    def is_taken(self, number: int) -> bool:
        return int(self.broker.hget(wire.TAKEN, "journey") or 0) >= number


def test_every_batch_counts_once_while_control_is_killed(up: Platform, desk: Desk, quiet: Endpoint) -> None:
    gateway = Gateway(up)
    for number in range(1, BATCHES + 1):
        gateway.leave(number, quiet)
        if number % 8 == 0:
            os.kill(up.pid_of("control"), signal.SIGKILL)
        eventually(lambda number=number: gateway.is_taken(number), timeout=60)
    assert gateway.broker.hlen(wire.BATCHES) == 0
    total = desk.usage(quiet)["total"]
    assert (total["requests"], total["prompt_tokens"]) == (3 * BATCHES, 7 * BATCHES)
