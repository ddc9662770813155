"""Work that goes on beside the requests, and the connection it uses."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = structlog.get_logger()

SOCKET_SECONDS = 1.0  # a frozen broker keeps nobody waiting longer
AGAIN_AFTER = 1.0
BEAT = 0.2  # seconds between two looks at the clock …
LATE = 0.5  # … and how much later is too late


def broker_client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS, retry=Retry(NoBackoff(), 0)
    )


@asynccontextmanager
async def running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """`work`, which ends by itself only by failing, while the block runs."""
    task = asyncio.create_task(_again_and_again(work))
    try:
        yield
    finally:
        # redis-py loses a cancellation that meets it while it connects: once may not be enough.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("work beside the requests failed; it begins anew", work=work.__qualname__)
        await asyncio.sleep(AGAIN_AFTER)


class Beat:
    """How punctual this process is, as long as somebody pauses: whoever comes too late may have missed a word."""

    def __init__(self) -> None:
        self._due = float("inf")  # when the clock should be looked at next
        self._late_at = float("-inf")

    async def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            pause = min(left, BEAT)
            self._due = time.monotonic() + pause
            await asyncio.sleep(pause)
            if self._is_late():
                self._late_at = time.monotonic()

    def was_late_since(self, moment: float) -> bool:
        """`moment` is monotonic."""
        return self._late_at >= moment or self._is_late()

    def _is_late(self) -> bool:
        return time.monotonic() > self._due + LATE
