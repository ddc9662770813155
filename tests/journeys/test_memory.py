"""What one gateway holds in memory when its readers are slow, its answers large and its streams many."""

import asyncio
import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.gateway.conftest import CHAT
from tests.gateway.control import KEY, Control, hello
from tests.gateway.fake_server import Outside, allow_many_files, outside
from tests.gateway.test_process import gateway, status_of
from tests.support.broker import Broker
from tests.support.waiting import eventually_async

pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]

KB, MB = 1024, 2**20
STILL_SECONDS = 2.0  # nothing moves for so long: it stands still
AT_ONCE = 100  # connections opened together

READERS, READER_BYTES = 200, 3 * MB // 2  # at most so many bytes for a reader that does not read
READ_ON = 20  # of the readers: these read to the end after all
EVENTS, EVENT_BYTES = 1024, 32 * KB
LARGE, LARGE_AT_ONCE, COPIES = 10 * MB, 32, 6  # at most so many copies of what is large under way at once
IDLE, IDLE_BYTES, IDLE_SECONDS = 5000, 60 * KB, 10.0
FILES_BESIDE = 100  # log, broker, listening sockets, probes
LEFT_BYTES = 120 * MB  # more than at the start, when all is over


class Memory:
    """The resident memory of a process, and its highest since `mark`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.peak = 0

    @property
    def now(self) -> int:
        return self._process.memory_info().rss

    @property
    def files(self) -> int:
        return self._process.num_fds()

    def mark(self) -> int:
        self.peak = self.now
        return self.peak

    @contextlib.contextmanager
    def watched(self) -> Iterator["Memory"]:
        def look() -> None:
            while not self._over.wait(0.02):
                self.peak = max(self.peak, self.now)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._over.set()
            watcher.join(5)


@dataclass
class Bench:
    port: int
    server: Outside
    memory: Memory
    start: int  # bytes, after the first few requests

    async def is_as_at_the_start(self) -> None:
        def is_given_back() -> bool:
            now = self.memory.now
            assert now <= self.start + LEFT_BYTES, f"{now / MB:.0f} MB"
            return True

        await eventually_async(is_given_back, timeout=20, every=0.2, what="memory is given back")
        print(f"afterwards {self.memory.now / MB:.0f} MB; at the start {self.start / MB:.0f} MB")


@pytest.fixture
async def bench(broker: Broker, broker_client, tmp_path: Path) -> AsyncIterator[Bench]:
    """A gateway and a model server, each its own process."""
    control = Control(broker_client)
    with outside() as server, gateway(control, broker, tmp_path / "log") as (process, port):
        control.publish(hello(control, server.upstream, deadline_seconds=300))
        control.complete()
        await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
        await _warm(process, port)
        memory = Memory(process.pid)
        with memory.watched():
            yield Bench(port, server, memory, memory.mark())


async def _warm(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(50):
        await read_to_the_end([await ask(port, "polite")])


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]  # a writer that nobody holds closes its connection


async def ask(port: int, question: str, receive_buffer: int = 0) -> Stream:
    """A stream that is asked for, and not read."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=receive_buffer or 2**16)
    body = json.dumps({"messages": [{"role": "user", "content": question}], "stream": True}).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nkey: {KEY}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def asked(port: int, question: str, count: int, receive_buffer: int = 0) -> list[Stream]:
    """So many of them, each with its first bytes read."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one() -> Stream:
        async with turns:
            reader, writer = await ask(port, question, receive_buffer)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            return reader, writer

    return await asyncio.gather(*(one() for _ in range(count)))


async def read_to_the_end(streams: Sequence[Stream]) -> list[int]:
    """How many bytes each still had; all of them ended properly."""

    async def one(reader: asyncio.StreamReader) -> int:
        size, end = 0, b""
        while part := await reader.read(2**16):
            size, end = size + len(part), (end + part)[-40:]
        assert end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), end
        return size

    try:
        return await asyncio.gather(*(one(reader) for reader, _ in streams))
    finally:
        for _, writer in streams:
            writer.close()


async def until_still(server: Outside) -> int:
    """Bytes that the model server has sent when no more are taken from it."""
    sent, since = -1, 0.0

    async def is_still() -> bool:
        nonlocal sent, since
        now = (await asyncio.to_thread(server.told))["bytes"]
        if now != sent:
            sent, since = now, time.monotonic()
        return time.monotonic() - since >= STILL_SECONDS

    await eventually_async(is_still, timeout=120, every=0.2, what="the model server has to wait")
    return sent


async def test_slow_readers_slow_the_instance_down(bench: Bench) -> None:
    """Twice as many in a row need no more than once."""
    peaks = [await read_slowly(bench) for _ in range(2)]
    assert peaks[1] <= peaks[0] * 1.2


async def read_slowly(bench: Bench) -> int:
    """The peak of memory with readers that do not read; some of them do in the end."""
    before = (await asyncio.to_thread(bench.server.told))["bytes"]
    streams = await asked(bench.port, f"events {EVENTS} {EVENT_BYTES}", READERS, receive_buffer=16 * KB)
    sent = await until_still(bench.server) - before
    whole = READERS * EVENTS * EVENT_BYTES
    for _, writer in streams[:-READ_ON]:
        writer.close()
    sizes = await read_to_the_end(streams[-READ_ON:])
    each = (bench.memory.peak - bench.start) / READERS
    print(
        f"{READERS} slow readers: {each / KB:.0f} kB each, at the peak {bench.memory.peak / MB:.0f} MB;"
        f" sent {sent / MB:.0f} of {whole / MB:.0f} MB; afterwards {bench.memory.now / MB:.0f} MB"
    )
    assert sent < 0.8 * whole, "the instance was not slowed down"
    assert each <= READER_BYTES
    assert min(sizes) > EVENTS * EVENT_BYTES * 0.99
    return bench.memory.peak


async def test_large_answers(bench: Bench) -> None:
    body = {"messages": [{"role": "user", "content": f"whole {LARGE}"}]}
    await ask_large(bench, "answers", body, LARGE)


async def test_large_bodies(bench: Bench) -> None:
    body = {"messages": [{"role": "user", "content": "polite " + "x" * LARGE}]}
    await ask_large(bench, "bodies", body, len("polite"))


async def ask_large(bench: Bench, what: str, body: object, length: int) -> None:
    """Three rounds of so many at once."""
    content = json.dumps(body).encode()
    headers = {"key": KEY, "content-type": "application/json"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            async with session.post(f"http://127.0.0.1:{bench.port}{CHAT}", data=content) as response:
                answer = await response.json()
            assert response.status == 200, answer
            assert len(answer["choices"][0]["message"]["content"]) == length

        for _ in range(3):
            await asyncio.gather(*(one() for _ in range(LARGE_AT_ONCE)))
    grown = bench.memory.peak - bench.start
    print(
        f"{LARGE_AT_ONCE} {what} of {LARGE / MB:.0f} MB at once: at the peak {bench.memory.peak / MB:.0f} MB,"
        f" {grown / LARGE_AT_ONCE / MB:.0f} MB each"
    )
    assert grown <= LARGE_AT_ONCE * LARGE * COPIES
    await bench.is_as_at_the_start()


async def test_idle_streams(bench: Bench) -> None:
    """Each is a connection to the client and one to the instance. Twice as many in a row need no more than once."""
    limit = allow_many_files()
    needed = 2 * IDLE + FILES_BESIDE
    assert limit >= needed, f"the hard limit of open files is {limit}; this needs {needed}"
    peaks = [await idle(bench, needed) for _ in range(2)]
    assert peaks[1] <= peaks[0] * 1.2


async def idle(bench: Bench, files: int) -> int:
    """The peak of memory with all of them, which then end."""
    streams = await asked(bench.port, "hold", IDLE)
    until = time.monotonic() + IDLE_SECONDS
    assert (await asyncio.to_thread(bench.server.told))["holding"] == IDLE
    await eventually_async(
        lambda: time.monotonic() >= until, timeout=IDLE_SECONDS + 5, every=0.1, what="they idle"
    )
    each, opened = (bench.memory.peak - bench.start) / IDLE, bench.memory.files
    print(
        f"{IDLE} idle streams: {each / KB:.1f} kB each, at the peak {bench.memory.peak / MB:.0f} MB;"
        f" {opened} files open"
    )
    assert opened <= files
    assert each <= IDLE_BYTES
    await asyncio.to_thread(bench.server.release)
    await read_to_the_end(streams)
    print(f"afterwards {bench.memory.now / MB:.0f} MB; at the start {bench.start / MB:.0f} MB")
    return bench.memory.peak
