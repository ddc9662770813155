"""The client's side of a request: reading its body, noticing that it left, answering."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import orjson

from endpoints.gateway import errors

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

LAST_WORD_SECONDS = 5.0


class ClientGone(Exception):
    """Nobody is left to answer."""


class Voice(Protocol):
    """How one API says that something failed."""

    def refusal(self, refused: errors.Refused) -> dict[str, Any]: ...

    def broken(self, refused: errors.Refused) -> bytes: ...


async def read_body(declared: bytes | None, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises 413 at the first sign of more than `limit` bytes, and ClientGone.

    `declared` is the Content-Length; the server reads and drops what a refused client still sends.
    """
    if declared is not None and (len(declared) > 18 or int(declared) > limit):
        raise errors.too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise errors.too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


class Running:
    """The requests under way: each ends at once when its client leaves, all of them at a stop."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], int] = {}  # how often each was told to stop
        self._endless: set[asyncio.Task[Any]] = set()
        self.stopping = False

    def guard(self, scope: Scope, seconds: int | None = None) -> "Guard":
        """Cancels the block and raises ClientGone, the refusal of a stopping gateway, or after so long that of time."""
        return Guard(self, scope["studio.leaving"], seconds)

    def endless(self) -> None:
        """The guarded block that calls this would never end by itself: a stop does not wait for it."""
        task = asyncio.current_task()
        assert task is not None
        self._endless.add(task)

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


class Leaving:
    """Of one request: what is called when its client is gone. The server's side calls, a guard listens."""

    __slots__ = ("call",)

    def __init__(self) -> None:
        self.call: Callable[[], None] | None = None


class Guard:
    """See `Running.guard`. (asyncio's timeout and a task that waits for the client's end cost five times as much.)"""

    __slots__ = ("_cancelled", "_gone", "_late", "_leaving", "_running", "_seconds", "_task", "_timer")

    def __init__(self, running: Running, leaving: Leaving, seconds: int | None) -> None:
        self._running = running
        self._leaving = leaving
        self._seconds = seconds
        self._gone = self._late = False
        self._cancelled = 0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = (
            task.get_loop().call_later(self._seconds, self._is_late) if self._seconds is not None else None
        )
        self._leaving.call = self._has_left
        self._running.enter(task)

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
        self._leaving.call = None
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
    """One answer, whole or as a stream. `stamps` gives the headers that every answer carries."""

    def __init__(self, send: Send, voice: Voice, stamps: Callable[[], Sequence[Header]]) -> None:
        self._send = send
        self._voice = voice
        self._stamps = stamps
        self.status = 0

    async def whole(self, status: int, body: Any, headers: Sequence[Header] = ()) -> None:
        content = orjson.dumps(body)
        length = (b"content-length", b"%d" % len(content))
        await self._start(status, [(b"content-type", b"application/json"), length, *headers])
        await self._send({"type": "http.response.body", "body": content})

    async def stream(self, media: bytes, pieces: AsyncIterator[bytes]) -> None:
        """Sends each piece as it comes; `send` waits for a slow reader, and so does what makes the pieces."""
        headers = [(b"content-type", media), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._start(200, headers)
        async with aclosing(pieces):  # type: ignore[type-var]
            async for piece in pieces:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body"})

    async def refuse(self, refused: errors.Refused) -> None:
        """The refusal with its status, or, in a stream that has begun, as its last word."""
        try:
            # A client that no longer reads would keep us here for ever.
            async with asyncio.timeout(LAST_WORD_SECONDS):
                if self.status:
                    await self._send({"type": "http.response.body", "body": self._voice.broken(refused)})
                else:
                    await self.whole(refused.status, self._voice.refusal(refused), refused.headers())
        except TimeoutError:
            return

    async def _start(self, status: int, headers: Sequence[Header]) -> None:
        self.status = status
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *self._stamps()]}
        )
