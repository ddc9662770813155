"""One request of a client: what it asks, whether it still listens, and its answer, byte for byte.

An answer's head waits for what comes with it: one packet, one call to the kernel. (Without ASGI's messages between
the protocol and those who answer, which cost a tenth of a prediction; see docs/decisions/0015.)
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from endpoints.gateway import errors

Header = tuple[bytes, bytes]
KnownDigests = dict[str, tuple[list[bytes], list[bytes]]]  # value → the peppers, its digest by each

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGone(Exception):
    """Nobody is left to answer."""


def lines(headers: Iterable[Header]) -> bytes:
    """The headers as an answer carries them; that nothing in them starts a line of its own is checked here."""
    made = [b"%b: %b\r\n" % header for header in headers]
    block = b"".join(made)
    if block.count(b"\n") != len(made) or block.count(b"\r") != len(made):
        raise ValueError("a header with the end of a line in it")
    return block


class Client:
    """`digests`: what its connection keeps of the key that it said last, see `Gateway._admit`.

    `keep_alive` and `response_complete` are uvicorn's names: it looks at them at a stop.
    """

    __slots__ = (
        "_body",
        "_expects_continue",
        "_flow",
        "_gone",
        "_head",
        "_left",
        "_on_answered",
        "_own_lines",
        "_transport",
        "_waiter",
        "digests",
        "headers",
        "keep_alive",
        "method",
        "more_body",
        "on_leaving",
        "path",
        "query",
        "raw_path",
        "response_complete",
        "response_started",
        "task",
    )

    # What was asked, as the protocol has read it.
    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[Header]  # names in small letters
    task: "asyncio.Task[None]"  # that answers

    def __init__(
        self,
        transport: asyncio.Transport,
        flow: FlowControl,
        digests: KnownDigests,
        *,
        expects_continue: bool,
        keep_alive: bool,
        own_lines: bytes,
        on_answered: Callable[[], None],
    ) -> None:
        self.digests = digests
        self.more_body = True
        self.keep_alive = keep_alive
        self.response_started = False
        self.response_complete = False
        self.on_leaving: Callable[[], None] | None = None  # called when the client is gone
        self._body = bytearray()
        self._gone = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport = transport
        self._flow = flow
        self._expects_continue = expects_continue
        self._own_lines = own_lines
        self._on_answered = on_answered
        self._head = b""
        self._left: int | None = (
            None  # bytes of the body that its length has promised; None: it comes in chunks
        )

    @property
    def address(self) -> str | None:
        """The client's, where it has one."""
        peer: Any = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) and peer else None

    # ----- what the protocol says -------------------------------------------------------------------------

    def hear(self, part: bytes) -> None:
        """More of the body; what nobody reads stops the client."""
        self._body += part
        if len(self._body) > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self._wake()

    def heard_all(self) -> None:
        self.more_body = False
        self._wake()

    def leave(self) -> None:
        """Nobody listens any more."""
        self._gone = True
        self._wake()
        if self.on_leaving is not None:
            self.on_leaving()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ----- the body ---------------------------------------------------------------------------------------

    async def part(self) -> bytes:
        """What has come of the body, `more_body` says whether there is more. Raises ClientGone."""
        if self._expects_continue and not self._transport.is_closing():
            self._transport.write(CONTINUE)
            self._expects_continue = False
        while self.more_body and not self._body and not self._gone:
            self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._gone:
            raise ClientGone
        part, self._body = bytes(self._body), bytearray()
        return part

    async def read(self, declared: bytes | None, limit: int) -> bytes:
        """The whole body. Raises 413 at the first sign of more than `limit` bytes, and ClientGone.

        `declared` is the Content-Length; the server reads and drops what a refused client still sends.
        """
        if declared is not None and (len(declared) > 18 or int(declared) > limit):
            raise errors.too_large(limit)
        parts = [await self.part()]
        size = len(parts[0])
        while self.more_body and size <= limit:
            parts.append(await self.part())
            size += len(parts[-1])
        if size > limit:
            raise errors.too_large(limit)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # ----- the answer -------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether the client reads as fast as we write; what is written all the same is kept in memory."""
        return not self._flow.write_paused or self._gone

    async def room(self) -> None:
        while not self.has_room:
            await self._flow.drain()

    def begin(self, status: int, more_lines: bytes, *, length: int | None) -> None:
        """The head of an answer; the headers of its body's form and of the connection are ours to say.

        `length`: bytes of the body, None where nobody knows yet.
        """
        head = STATUS_LINE[status] + self._own_lines + more_lines
        if not self.keep_alive:
            head += b"connection: close\r\n"
        if length is not None:
            head += b"content-length: %d\r\n" % length
        elif self.method != "HEAD" and status not in (204, 304):
            head += b"transfer-encoding: chunked\r\n"
        else:
            length = 0
        self._left = length
        self.response_started = True
        self._expects_continue = False
        self._head = head + b"\r\n"

    def flush(self) -> None:
        """Sends the head, where nothing has come to go with it."""
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def write(self, body: bytes) -> None:
        """More of the answer."""
        if self._gone or self.response_complete:
            return
        if self.method == "HEAD":
            body = b""
        elif self._left is None:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        else:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("an answer longer than it said")
        if body:
            self._transport.write(self._head + body if self._head else body)
            self._head = b""

    def end(self, body: bytes = b"") -> None:
        """The last of it."""
        if self._gone or self.response_complete:
            return
        if self.method == "HEAD":
            body, self._left = b"", 0
        elif self._left is None:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif self._left != len(body):
            raise RuntimeError("an answer of another length than it said")
        if self._head or body:
            self._transport.write(self._head + body)
            self._head = b""
        self.response_complete = True
        if not self.keep_alive:
            self._transport.close()
        self._on_answered()

    def cut(self) -> None:
        """The end of an answer that nobody completes: the client sees that it broke."""
        if not self.response_complete and not self._gone:
            self._transport.close()
