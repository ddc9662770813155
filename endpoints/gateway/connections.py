"""HTTP/1.1 as far as model servers speak it: one call at a time on a connection, which then serves the next.

A general client does the same for a third of all that a prediction costs here (see docs/decisions/0015).
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, cast

import httptools

from endpoints.wire import Upstream

CONNECT_SECONDS = 2.0
IDLE_SECONDS = 4.0  # shorter than llama.cpp's 5, so that it is seldom the instance that closes first
RESOLVED_SECONDS = 10.0
HEAD_LIMIT = 64 * 2**10
JOINED = 64 * 2**10  # bytes that are cheaper to copy than to hand to the kernel one after the other
# Bytes of a stream that nobody has read yet: with more the instance is read no further, with less it is again.
MOST_UNREAD = 64 * 2**10
LEAST_UNREAD = 16 * 2**10

Place = tuple[str, int]  # host and port
HEAD, PART, END = 1, 2, 3  # what of an answer is there, and what is waited for
Take = Callable[[bytes], bool]


class Unreachable(OSError):
    """No connection was made: nothing has been asked."""


class TooSlow(Unreachable):
    """Nor was one refused."""


class Broken(OSError):
    """The connection ended before the answer did, or what came was no HTTP."""


class Silent(OSError):
    """The call was given up from outside, see `Connection.give_up`."""


class Connection(asyncio.Protocol):
    """To one instance. `ask`, then `whole`, or `head`, a few `part`s and `pour`; `release` in any case.

    `waits_since`: monotonic time since when somebody waits for the instance's next byte, if anybody does.
    """

    def __init__(self, pool: "Connections", place: Place) -> None:
        self.place = place
        self.idle_since = 0.0
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._pouring: tuple[int, Take] | None = None  # what comes goes there
        self._failure: Broken | Silent | None = None
        self.waits_since: float | None = None
        self._paused = False
        self._begin()

    def _begin(self) -> None:
        self._status = 0
        self._there = 0
        self._wanted = PART
        self._parts: list[bytes] = []
        self._unread = 0  # bytes in them
        self._head_size = 0
        self._ends_by_itself = False
        self._reusable = False

    # ----- the call ---------------------------------------------------------------------------------------

    def ask(self, head: bytes, body: bytes = b"") -> None:
        """`head` up to and with the empty line."""
        assert self._transport is not None
        self._begin()
        if len(body) < JOINED:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def head(self) -> int:
        """The status. Raises Broken and Silent, as all that waits."""
        await self._until(HEAD)
        return self._status

    async def part(self, most: int) -> bytes:
        """What has come, at most so many bytes; b"" after the end."""
        if not self._parts:
            await self._until(PART)
        return self._cut(most) if self._parts else b""

    async def pour(self, most: int, take: Take) -> bool:
        """Each part goes to `take` as it comes, as long as that returns True; False after the end.

        Raises what `take` raises. No task wakes up between two parts: that would be half the cost of a small one.
        """
        while self._parts:
            if not take(self._cut(most)):
                return True
        if self._there == END:
            return False
        self._wanted = PART
        self._pouring = most, take
        try:
            return await self._word()
        finally:
            self._pouring = None

    async def whole(self) -> tuple[int, bytes]:
        """The status and what is still to come."""
        await self._until(END)
        return self._status, b"".join(self._parts)

    def release(self) -> None:
        """For the next call, where this one is complete; else the instance hears that nobody waits for it."""
        transport, self._parts = self._transport, []
        if transport is None or transport.is_closing():
            return
        if self._there == END and self._reusable:
            self.idle_since = self._loop.time()
            self._pool.keep(self)
        else:
            transport.abort()

    def give_up(self) -> None:
        """Whoever waits for the instance's next byte, or will, waits in vain."""
        self._failure = self._failure or Silent("it fell silent")
        self._look()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _cut(self, most: int) -> bytes:
        """What has come, at most so many bytes."""
        part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        if len(part) > most:
            self._parts.append(part[most:])
            part = part[:most]
        self._unread -= len(part)
        if self._paused and self._unread < LEAST_UNREAD:
            self._resume()
        return part

    # ----- waiting ----------------------------------------------------------------------------------------

    async def _until(self, wanted: int) -> None:
        self._wanted = wanted
        while not self._enough():
            if wanted == END and self._paused:
                self._resume()
            await self._word()

    async def _word(self) -> bool:
        """What `_look` has to say, in time."""
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        self.waits_since = time.monotonic()
        try:
            return await self._waiter
        finally:
            self._waiter = self.waits_since = None

    def _enough(self) -> bool:
        return self._there == END or (
            bool(self._parts) if self._wanted == PART else self._there >= self._wanted
        )

    def _look(self) -> None:
        """Something came."""
        if self._waiter is None or self._waiter.done():
            return
        if self._pouring is not None:
            self._pour_on(self._waiter, *self._pouring)
        elif self._enough() or self._failure:
            self._waiter.set_result(True)

    def _pour_on(self, waiter: "asyncio.Future[bool]", most: int, take: Take) -> None:
        try:
            while self._parts:
                if not take(self._cut(most)):
                    waiter.set_result(True)
                    return
        except Exception as error:  # for whoever awaits `pour`
            waiter.set_exception(error)
            return
        if self._there == END:
            waiter.set_result(False)
        elif self._failure is not None:
            waiter.set_exception(self._failure)
        else:
            self.waits_since = time.monotonic()

    def _fail(self, reason: str) -> None:
        if self._there != END and self._failure is None:
            self._failure = Broken(reason)
        self._look()

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ----- what the loop says -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if self._there == END:  # nobody has asked for more
            self._reusable = False
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("no HTTP")
            self.close()
            return
        if not self._there:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._fail("an endless head")
                self.close()
                return
        if self._unread > MOST_UNREAD and self._wanted != END and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reusable = False
        self._pool.drop(self)
        if self._there and not self._ends_by_itself and exc is None:
            self._there = END  # so such an answer ends
        self._fail("reset" if exc else "closed")

    # ----- what the parser says ---------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._ends_by_itself and name.lower() in {b"content-length", b"transfer-encoding"}:
            self._ends_by_itself = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status >= 200:
            self._there = HEAD

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._unread += len(body)

    def on_message_complete(self) -> None:
        if self._status < 200:  # "100 Continue" and the like: the answer is still to come
            self._ends_by_itself = False
            return
        self._there = END
        self._reusable = self._parser.should_keep_alive()


class Connections:
    """All of a gateway's to its instances."""

    def __init__(self) -> None:
        self._idle: dict[Place, list[Connection]] = {}  # the one used last is the next
        self._resolved: dict[Place, tuple[float, list[Any]]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def take(self, upstream: Upstream) -> Connection:
        """One that is open already, or a new one. Raises Unreachable."""
        place = upstream.host, upstream.port
        idle = self._idle.get(place)
        return idle.pop() if idle else await self._connect(place)

    def keep(self, connection: Connection) -> None:
        self._idle.setdefault(connection.place, []).append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE_SECONDS / 4, self._sweep)

    def drop(self, connection: Connection) -> None:
        idle = self._idle.get(connection.place, [])
        if connection in idle:
            idle.remove(connection)

    async def _connect(self, place: Place) -> Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                for address in await self._addresses(place):
                    try:
                        _, made = await loop.create_connection(lambda: Connection(self, place), *address[:2])
                        return made
                    except OSError as error:
                        failure = error
        except TimeoutError:
            raise TooSlow("no answer to the wish for a connection") from failure
        raise Unreachable(f"{failure}") from failure

    async def _addresses(self, place: Place) -> list[Any]:
        """Of the host's name. What was found is good for a while: each stream needs a connection of its own."""
        loop = asyncio.get_running_loop()
        until, found = self._resolved.get(place, (0.0, []))
        if loop.time() >= until:
            try:
                told = await loop.getaddrinfo(*place, type=socket.SOCK_STREAM)
            except OSError as error:
                raise Unreachable(f"{error}") from error
            found = [address for *_, address in told]
            self._resolved = {at: known for at, known in self._resolved.items() if known[0] > loop.time()}
            self._resolved[place] = loop.time() + RESOLVED_SECONDS, found
        return found

    def _sweep(self) -> None:
        """Closes what was idle for too long."""
        loop = asyncio.get_running_loop()
        before = loop.time() - IDLE_SECONDS
        for place, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since < before:
                    connection.close()
            self._idle[place] = [one for one in idle if one.idle_since >= before]
            if not self._idle[place]:
                del self._idle[place]
        self._sweeping = loop.call_later(IDLE_SECONDS / 4, self._sweep) if self._idle else None

    def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in [one for idle in self._idle.values() for one in idle]:
            connection.close()
