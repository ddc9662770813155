"""A model server that costs next to nothing: one fixed answer, and streams whose events say when they left."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

PROMPT_TOKENS = 23
COMPLETION_TOKENS = 41
EVENTS = 100  # of a stream, each with a stamp; it counts as many completion tokens
GAP_MS = 5
STAMP_DIGITS = 19  # nanoseconds of the system's monotonic clock, which all processes share
TICK_SECONDS = 0.001  # the finest that timers of libuv can do

WORDS = (
    "An answer of the length that a short question to a small model has, so that a proxy meets real sizes. "
    * 2
)


def _usage(completion: int) -> str:
    total = PROMPT_TOKENS + completion
    return f'{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{completion},"total_tokens":{total}}}'


def _answer() -> bytes:
    choice = f'{{"index":0,"message":{{"role":"assistant","content":"{WORDS}"}},"finish_reason":"stop"}}'
    body = (
        '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"served",'
        f'"choices":[{choice}],"usage":{_usage(COMPLETION_TOKENS)}}}'
    )
    return _with_length("application/json", body)


def _with_length(media: str, body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _event(choices: str, more: str = "") -> bytes:
    head = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"served"'
    return f'data: {{{head},"choices":{choices}{more}}}\n\n'.encode()


ANSWER = _answer()
HEALTHY = _with_length("application/json", '{"status":"ok"}')
# nginx passes a stream on as it comes when told so by the last of these.
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n"
)
BEFORE_STAMP, AFTER_STAMP = _chunk(
    _event(f'[{{"index":0,"delta":{{"content":"@{"0" * STAMP_DIGITS}@"}},"finish_reason":null}}]')
).split(b"0" * STAMP_DIGITS)
STREAM_END = (
    _chunk(_event('[{"index":0,"delta":{},"finish_reason":"stop"}]'))
    + _chunk(_event("[]", f',"usage":{_usage(EVENTS)}'))
    + _chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


def stamped() -> bytes:
    return b"%b%019d%b" % (BEFORE_STAMP, time.monotonic_ns(), AFTER_STAMP)


class ModelServer:
    """Counts what it has answered: `answers` whole ones, `streams` that were sent to their end."""

    def __init__(self) -> None:
        self.answers = 0
        self.streams = 0
        self.port = 0
        self.pace = Pace(self)

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls) -> AsyncIterator["ModelServer"]:
        own = cls()
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(own), "127.0.0.1", 0, backlog=2048
        )
        own.port = server.sockets[0].getsockname()[1]
        try:
            yield own
        finally:
            server.close()


class _Connection(asyncio.Protocol):
    """One request at a time, as proxies ask."""

    __slots__ = ("left", "server", "slot", "taken", "transport")

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.taken = b""  # of a request that is not complete
        self.left = 0  # events of the stream under way
        self.slot = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self.left:
            self.server.pace.forget(self)

    def data_received(self, data: bytes) -> None:
        if self.taken:
            data = self.taken + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + _length(data, end):
            self.taken = data
            return
        self.taken = b""
        if data.startswith(b"GET"):
            self.transport.write(HEALTHY)
        elif b'"stream":true' in data or b'"stream": true' in data:
            self.left = EVENTS - 1
            self.transport.write(STREAM_HEAD + stamped())
            self.server.pace.take(self)
        else:
            self.server.answers += 1
            self.transport.write(ANSWER)


def _length(data: bytes, end: int) -> int:
    """Of the body, whether it is written Content-Length or content-length."""
    at = data.find(b"ength: ", 0, end)
    return int(data[at + 7 : data.find(b"\r", at)]) if at >= 0 else 0


class Pace:
    """Gives every stream its next event each GAP_MS: one wheel for all, with a slot for each millisecond."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._slots: list[set[_Connection]] = [set() for _ in range(GAP_MS)]
        self._now = 0
        self._due = 0.0
        self._running = 0

    def take(self, stream: _Connection) -> None:
        stream.slot = self._now
        self._slots[self._now].add(stream)
        self._running += 1
        if self._running == 1:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + TICK_SECONDS
            loop.call_at(self._due, self._tick)

    def forget(self, stream: _Connection) -> None:
        stream.left = 0
        self._slots[stream.slot].discard(stream)
        self._running -= 1

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while self._running and self._due <= loop.time():
            self._now = (self._now + 1) % GAP_MS
            self._fire(self._slots[self._now])
            self._due += TICK_SECONDS
        if self._running:
            loop.call_at(self._due, self._tick)

    def _fire(self, streams: set[_Connection]) -> None:
        event = stamped()
        ended = []
        for stream in streams:
            stream.left -= 1
            if stream.left:
                stream.transport.write(event)
            else:
                stream.transport.write(event + STREAM_END)
                ended.append(stream)
        self._server.streams += len(ended)
        for stream in ended:
            self.forget(stream)
