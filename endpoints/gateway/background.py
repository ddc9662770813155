"""Work that goes on beside the requests, and the connection it uses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = structlog.get_logger()

SOCKET_SECONDS = 1.0  # a frozen broker keeps nobody waiting longer
AGAIN_AFTER = 1.0


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
