"""The load generator: so many clients, each asking again as soon as it has its answer.

Requests are bytes made before; of an answer only what must be known is read. At the end of a run each client
waits for the answer under way, so that both sides have counted the same.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.gateway.upstream import EVENTS, GAP_MS, STAMP_DIGITS

PATIENCE_SECONDS = 30.0  # for what is under way at the end
STREAM_SECONDS = EVENTS * GAP_MS / 1000
STAMP = re.compile(rb"@(\d{%d})@" % STAMP_DIGITS)
QUESTION = "How do I create an endpoint, and how long does it take until it is Live and answers my requests?"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask, and with what."""

    port: int
    path: str = "/v1/chat/completions"
    key: str = "none"
    model: str = "bench"

    def request(self, *, stream: bool) -> bytes:
        more = ',"stream":true' if stream else ""
        body = (
            f'{{"model":"{self.model}","messages":[{{"role":"user","content":"{QUESTION}"}}],'
            f'"max_tokens":64,"temperature":0.2{more}}}'
        )
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return (head + body).encode()


@dataclass(slots=True)
class Run:
    """What came of it. `within` counts answers (or events) from `since` to `until`, `answers` and `events` all.

    Times are in seconds; `bad` answers had another status, were cut, or were streams with too few events.
    """

    stream: bool
    seconds: float
    since: float = 0.0
    until: float = 0.0
    within: int = 0
    answers: int = 0
    events: int = 0
    bad: int = 0
    latencies: list[float] = field(default_factory=list)  # of a stream: until its first event
    lags: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.within / self.seconds


async def drive(target: Target, clients: int, seconds: float, *, stream: bool = False) -> Run:
    """Raises OSError where nobody listens, TimeoutError where an answer does not come to an end."""
    loop = asyncio.get_running_loop()
    run = Run(stream, seconds)
    kind = StreamClient if stream else WholeClient
    request = target.request(stream=stream)
    everyone: list[Client] = []
    try:
        for _ in range(clients):
            _, client = await loop.create_connection(
                lambda: kind(run, request, loop.create_future()), "127.0.0.1", target.port
            )
            everyone.append(client)
        await _begin(run, everyone)
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            await asyncio.gather(*(client.ended for client in everyone))
    finally:
        for client in everyone:
            client.transport.abort()
    return run


async def _begin(run: Run, everyone: Sequence["Client"]) -> None:
    """Streams begin one after the other over the length of one, so that they stay apart; then the time runs."""
    pause = STREAM_SECONDS / len(everyone) if run.stream else 0.0
    began = time.monotonic()
    run.since = began + pause * len(everyone)
    run.until = run.since + run.seconds
    for index, client in enumerate(everyone):
        if run.stream:
            await asyncio.sleep(began + index * pause - time.monotonic())
        client.ask()


class Client(asyncio.Protocol):
    __slots__ = ("asked", "ended", "request", "rest", "run", "transport")

    def __init__(self, run: Run, request: bytes, ended: "asyncio.Future[None]") -> None:
        self.run = run
        self.request = request
        self.ended = ended
        self.asked = 0.0
        self.rest = b""  # of an answer that is not complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.run.bad += 1
            self.ended.set_result(None)

    def ask(self) -> None:
        self.asked = time.monotonic()
        self.transport.write(self.request)

    def end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class WholeClient(Client):
    """Answers with a Content-Length, such as all servers here give."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"ength: ", 0, end)  # whether it is written Content-Length or content-length
        if end < 0 or len(data) < end + 4 + int(data[at + 7 : data.find(b"\r", at)]):
            self.rest = data
            return
        self.rest = b""
        run, now = self.run, time.monotonic()
        run.answers += 1
        if not data.startswith(b"HTTP/1.1 200"):
            run.bad += 1
        if now < run.until:
            run.within += 1
            run.latencies.append(now - self.asked)
            self.asked = now
            self.transport.write(self.request)
        else:
            self.end()


class StreamClient(Client):
    """Chunked answers; an event counts once it is there with its blank line."""

    __slots__ = ("begun", "done", "seen", "text")

    def __init__(self, run: Run, request: bytes, ended: "asyncio.Future[None]") -> None:
        super().__init__(run, request, ended)
        self.begun = False
        self.done = False
        self.seen = 0
        self.text = b""

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self.rest + data
        if not self.begun:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.rest = data
                return
            if not data.startswith(b"HTTP/1.1 200"):
                self.run.bad += 1
                self.run.answers += 1
                self.rest = b""
                self.end()
                return
            self.begun, data = True, data[end + 4 :]
        over = self._take_chunks(data)
        if b"\n\n" in self.text:
            self._take_events(now)
        if over:
            self._over()

    def _take_chunks(self, data: bytes) -> bool:
        """True with the last one."""
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end], 16)
            after = end + 4 + size
            if after > len(data):
                break
            self.text += data[end + 2 : after - 2]
            at = after
            if not size:
                self.rest = data[at:]
                return True
        self.rest = data[at:]
        return False

    def _take_events(self, now: int) -> None:
        run, cut = self.run, self.text.rfind(b"\n\n") + 2
        whole, self.text = self.text[:cut], self.text[cut:]
        stamps = STAMP.findall(whole)
        run.events += len(stamps)
        if run.since * 1e9 <= now < run.until * 1e9:
            run.within += len(stamps)
            run.lags += [(now - int(stamp)) / 1e9 for stamp in stamps]
            if stamps and not self.seen:
                run.latencies.append(now / 1e9 - self.asked)
        self.seen += len(stamps)
        self.done = self.done or b"data: [DONE]" in whole

    def _over(self) -> None:
        run = self.run
        run.answers += 1
        if self.seen != EVENTS or not self.done:
            run.bad += 1
        self.begun, self.done, self.seen, self.text = False, False, 0, b""
        if time.monotonic() < run.until:
            self.ask()
        else:
            self.end()
