"""Hands usage over to control, and says that this gateway is there.

Once a second what was counted goes to the journal; one batch at a time lies in the broker until control has written
back that its database holds it. While the broker or control is away the journal keeps what comes.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from endpoints.gateway.journal import Journal
from endpoints.gateway.meter import Meter
from endpoints.usage import wire

log = structlog.get_logger()

EVERY = 1.0  # seconds between two writes; what a gateway killed with -9 loses at most
SAY_AGAIN = 5.0  # a batch whose field the broker lost is written anew
PRESENT_EVERY = 5.0
LAST_WORD_SECONDS = 1.0  # at a stop

# The gateways that run: sorted set id → when it was last there, by the broker's clock.
PRESENT = "gateways:present"
PRESENCE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
"""


class Reporter:
    """`seal_key` is asked for each batch; `present(count)` is told how many gateways run."""

    def __init__(
        self,
        broker: redis.Redis,
        meter: Meter,
        gateway: str,
        spool: Path | None,
        seal_key: Callable[[], bytes],
        present: Callable[[int], None],
    ) -> None:
        self._broker = broker
        self._meter = meter
        self._gateway = gateway
        self._seal_key = seal_key
        self._present = present
        self._own = Journal.begun(gateway, spool)
        self._journals = [*Journal.left_behind(spool), self._own]
        self._said: dict[str, tuple[int, float]] = {}  # gateway → the batch in the broker, and since when
        self._present_at = float("-inf")
        self._away = False

    async def run(self) -> None:
        while True:
            await self.report()
            await asyncio.sleep(EVERY)

    async def report(self) -> None:
        """One round. A broker that is away changes nothing but what the log says."""
        rows = self._meter.take_rows()
        if rows:
            await asyncio.to_thread(self._own.append, rows)
        try:
            await self._be_present()
            for journal in list(self._journals):
                await self._hand_over(journal)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away:
                log.warning("usage waits for the broker", reason=type(error).__name__)
            self._away = True
        else:
            self._away = False

    async def stop(self) -> None:
        """The last round leaves everything in the broker; what it does not take, the spool keeps."""
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.report()
                for batch in self._own.all_batches():
                    await self._say(batch)
                await self._broker.zrem(PRESENT, self._gateway)
        except (TimeoutError, RedisError, OSError) as error:
            log.info("usage is left for the next gateway", reason=type(error).__name__)
        for journal in self._journals:
            journal.close()

    async def _be_present(self) -> None:
        if time.monotonic() - self._present_at < PRESENT_EVERY:
            return
        count = await self._broker.eval(PRESENCE, 1, PRESENT, self._gateway, int(3 * PRESENT_EVERY))
        self._present_at = time.monotonic()
        self._present(int(count))

    async def _hand_over(self, journal: Journal) -> None:
        batch = journal.next_batch()
        if batch is None:
            if journal is not self._own:
                journal.close()
                self._journals.remove(journal)
            return
        number, since = self._said.get(batch.gateway, (0, 0.0))
        if number == batch.number:
            taken = await self._broker.hget(wire.TAKEN, batch.gateway)
            if taken is not None and int(taken) >= batch.number:
                await asyncio.to_thread(journal.taken, int(taken))
                await self._hand_over(journal)
                return
            if time.monotonic() - since < SAY_AGAIN:
                return
        await self._say(batch)

    async def _say(self, batch: wire.Batch) -> None:
        box = wire.pack(batch, self._seal_key())
        await self._broker.hset(wire.BATCHES, wire.batch_field(batch.gateway, batch.number), box)
        self._said[batch.gateway] = (batch.number, time.monotonic())
