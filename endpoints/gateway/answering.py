"""Answering a client: in whose words, within which time, and not when it has left."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import orjson

from endpoints.gateway import errors
from endpoints.gateway.client import Client, ClientGone, lines

JSON_LINES = lines([(b"content-type", b"application/json")])
STREAM_LINES = lines(
    [(b"content-type", b"%b"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
)
LAST_WORD_SECONDS = 5.0


class Voice(Protocol):
    """How one API says that something failed."""

    def refusal(self, refused: errors.Refused) -> dict[str, Any]: ...

    def broken(self, refused: errors.Refused) -> bytes: ...


class Running:
    """The requests under way: each ends at once when its client leaves, all of them at a stop."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], int] = {}  # how often each was told to stop
        self._endless: set[asyncio.Task[Any]] = set()
        self.stopping = False

    def guard(self, client: Client, seconds: int | None = None) -> "Guard":
        """Cancels the block and raises ClientGone, the refusal of a stopping gateway, or after so long that of time."""
        return Guard(self, client, seconds)

    def endless(self, client: Client) -> None:
        """The guarded block of this client would never end by itself: a stop does not wait for it."""
        self._endless.add(client.task)

    def begin_stop(self) -> None:
        self.stopping = True
        self._end(self._endless)

    def end_stop(self) -> None:
        self._end(self._tasks)

    def enter(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = 0

    def leave(self, task: asyncio.Task[Any]) -> int:
        """How often it was told to stop."""
        self._endless.discard(task)
        return self._tasks.pop(task)

    def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in list(tasks):
            self._tasks[task] += 1
            task.cancel()


class Guard:
    """See `Running.guard`. (asyncio's timeout and a task that waits for the client's end cost five times as much.)"""

    __slots__ = ("_cancelled", "_client", "_gone", "_late", "_running", "_seconds", "_task", "_timer")

    def __init__(self, running: Running, client: Client, seconds: int | None) -> None:
        self._running = running
        self._client = client
        self._task = client.task
        self._seconds = seconds
        self._gone = self._late = False
        self._cancelled = 0

    def __enter__(self) -> None:
        loop = self._task.get_loop()
        self._timer = loop.call_later(self._seconds, self._is_late) if self._seconds is not None else None
        self._client.on_leaving = self._has_left
        self._running.enter(self._task)

    def _has_left(self) -> None:
        self._gone = True
        self._cancel()

    def _is_late(self) -> None:
        self._late = True
        self._cancel()

    def _cancel(self) -> None:
        self._cancelled += 1
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._client.on_leaving = None
        if self._timer is not None:
            self._timer.cancel()
        stopped = self._running.leave(self._task)
        if kind is not asyncio.CancelledError or not (self._cancelled or stopped):
            return
        for _cancel in range(self._cancelled + stopped):
            self._task.uncancel()
        if self._gone:
            raise ClientGone from None
        if self._late:
            assert self._seconds is not None
            raise errors.deadline(self._seconds) from None
        raise errors.stopping() from None


class Reply:
    """One answer, whole or as a stream. `stamps` gives the header lines that every answer carries."""

    def __init__(self, client: Client, voice: Voice, stamps: Callable[[], bytes]) -> None:
        self._client = client
        self._voice = voice
        self._stamps = stamps
        self.status = 0

    async def whole(self, status: int, body: Any, more_lines: bytes = b"") -> None:
        content = orjson.dumps(body)
        client = self._client
        await client.room()
        self.status = status
        client.begin(status, JSON_LINES + more_lines + self._stamps(), length=len(content))
        client.end(content)

    async def stream(self, media: bytes, tell: Callable[[Client], Awaitable[None]]) -> None:
        """`tell` writes what there is to say, no more than there is room for."""
        client = self._client
        await client.room()
        self.status = 200
        client.begin(200, STREAM_LINES % media + self._stamps(), length=None)
        asyncio.get_running_loop().call_soon(client.flush)
        await tell(client)
        client.end()

    async def refuse(self, refused: errors.Refused) -> None:
        """The refusal with its status, or, in a stream that has begun, as its last word."""
        try:
            # A client that no longer reads would keep us here for ever.
            async with asyncio.timeout(LAST_WORD_SECONDS):
                if self.status:
                    await self._client.room()
                    self._client.end(self._voice.broken(refused))
                else:
                    await self.whole(refused.status, self._voice.refusal(refused), refused.header_lines())
        except TimeoutError:
            return
