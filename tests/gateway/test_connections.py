"""HTTP as instances speak it, told byte by byte by a server that does what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.gateway import connections
from endpoints.gateway.connections import Broken, Connection, Connections, Silent, TooSlow, Unreachable
from endpoints.wire import Upstream
from tests.support.waiting import eventually_async

ASK = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
UNTIL_END = b"HTTP/1.1 200 OK\r\n\r\nhello"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Instance:
    def __init__(self) -> None:
        self.calls = 0
        self.left = 0
        self.talk: Talk = saying(WHOLE)
        self.upstream = Upstream(id="one", host="127.0.0.1", port=0, token="t")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    self.calls += 1
                    await self.talk(reader, writer)
        finally:
            self.left += 1
            writer.close()


def saying(*parts: bytes, then_close: bool = False) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            raise ConnectionError

    return talk


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture
async def instance() -> AsyncIterator[Instance]:
    made = Instance()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.upstream = Upstream(id="one", host="127.0.0.1", port=server.sockets[0].getsockname()[1], token="t")
    yield made
    server.close()


@pytest.fixture
async def pool() -> AsyncIterator[Connections]:
    made = Connections()
    yield made
    made.close()


async def asked(pool: Connections, instance: Instance) -> Connection:
    connection = await pool.take(instance.upstream)
    connection.ask(ASK)
    return connection


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED, CONTINUED], ids=["length", "chunks", "after a 100"])
async def test_a_connection_serves_one_call_after_the_other(pool, instance, answer):
    for cut in range(1, len(answer)):
        instance.talk = saying(answer[:cut], answer[cut:])
        connection = await asked(pool, instance)
        assert await connection.whole() == (200, b"hello")
        connection.release()
    assert instance.calls == len(answer) - 1
    assert instance.left == 0, "a connection was not used again"


async def test_a_body_that_ends_with_its_connection_is_whole_and_never_used_again(pool, instance):
    instance.talk = saying(UNTIL_END, then_close=True)
    for _ in range(2):
        connection = await asked(pool, instance)
        assert await connection.whole() == (200, b"hello")
        connection.release()
    await eventually_async(lambda: instance.left == 2)


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED], ids=["length", "chunks"])
async def test_a_body_cut_short_is_broken(pool, instance, answer):
    for cut in range(len(answer)):
        instance.talk = saying(answer[:cut], then_close=True)
        connection = await asked(pool, instance)
        with pytest.raises(Broken, match=r"closed|reset"):
            await connection.whole()
        connection.release()


async def test_the_parts_that_came_before_the_break_are_read_first(pool, instance):
    instance.talk = saying(WHOLE[:-2], then_close=True)
    connection = await asked(pool, instance)
    assert await connection.head() == 200
    assert await connection.part(2) == b"he"
    assert await connection.part(100) == b"l"
    with pytest.raises(Broken):
        await connection.part(100)
    connection.release()


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * connections.HEAD_LIMIT * 2],
    ids=["another protocol", "an endless head"],
)
async def test_what_is_no_answer_is_broken(pool, instance, answer):
    instance.talk = saying(answer)
    connection = await asked(pool, instance)
    with pytest.raises(Broken, match=r"no HTTP|an endless head"):
        await connection.whole()
    connection.release()
    await eventually_async(lambda: instance.left == 1)


async def test_a_call_that_is_left_ends_at_the_instance(pool, instance):
    instance.talk = nothing
    connection = await asked(pool, instance)
    await eventually_async(lambda: instance.calls == 1)
    connection.release()
    await eventually_async(lambda: instance.left == 1)


async def test_words_nobody_asked_for_end_the_connection(pool, instance):
    instance.talk = saying(WHOLE, WHOLE)
    connection = await asked(pool, instance)
    await connection.whole()
    connection.release()
    await eventually_async(lambda: instance.left == 1)
    instance.talk = saying(WHOLE)
    connection = await asked(pool, instance)
    assert await connection.whole() == (200, b"hello")
    connection.release()


async def test_who_waits_in_vain_is_told_and_since_when_is_known(pool, instance):
    instance.talk = nothing
    connection = await asked(pool, instance)
    assert connection.waits_since is None
    waiting = asyncio.create_task(connection.whole())
    await eventually_async(lambda: connection.waits_since is not None)
    connection.give_up()
    with pytest.raises(Silent):
        await waiting
    assert connection.waits_since is None
    with pytest.raises(Silent):
        await connection.part(1)
    connection.release()


async def test_a_poured_body_is_all_there_however_it_was_cut(pool, instance):
    for cut in range(1, len(CHUNKED)):
        instance.talk = saying(CHUNKED[:cut], CHUNKED[cut:])
        connection = await asked(pool, instance)
        taken: list[bytes] = []
        assert await connection.head() == 200
        assert not await connection.pour(2, lambda part, taken=taken: taken.append(part) or True)
        assert b"".join(taken) == b"hello"
        assert max(map(len, taken)) <= 2
        connection.release()
    assert instance.left == 0, "a connection was not used again"


async def test_who_has_enough_is_poured_no_more_until_it_asks_again(pool, instance):
    instance.talk = saying(WHOLE)
    connection = await asked(pool, instance)
    taken: list[bytes] = []
    assert await connection.pour(2, taken.append)
    assert taken == [b"he"]
    assert await connection.pour(2, taken.append)
    assert not await connection.pour(2, lambda part: taken.append(part) or True)
    assert taken == [b"he", b"ll", b"o"]
    connection.release()


async def test_a_fault_of_who_is_poured_ends_the_pouring_with_it(pool, instance):
    for talk in (saying(WHOLE), saying(WHOLE[:-3], WHOLE[-3:])):
        instance.talk = talk
        connection = await asked(pool, instance)
        assert await connection.head() == 200
        with pytest.raises(ZeroDivisionError):
            await connection.pour(100, lambda part: len(part) / 0)
        connection.release()


async def test_what_came_before_the_break_is_poured_first(pool, instance):
    instance.talk = saying(WHOLE[:-2], then_close=True)
    connection = await asked(pool, instance)
    taken: list[bytes] = []
    with pytest.raises(Broken):
        await connection.pour(100, lambda part: taken.append(part) or True)
    assert b"".join(taken) == b"hel"
    connection.release()


async def test_who_is_poured_nothing_more_is_told_and_since_when_is_known(pool, instance):
    go_on = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE[:-2])
        await go_on.wait()
        writer.write(WHOLE[-2:-1])
        await reader.read()

    instance.talk = talk
    connection = await asked(pool, instance)
    taken: list[bytes] = []
    pouring = asyncio.create_task(connection.pour(100, lambda part: taken.append(part) or True))
    await eventually_async(lambda: taken and connection.waits_since is not None)
    before = connection.waits_since
    go_on.set()
    await eventually_async(lambda: len(taken) == 2)
    assert before is not None
    assert connection.waits_since is not None
    assert connection.waits_since > before
    connection.give_up()
    with pytest.raises(Silent):
        await pouring
    assert connection.waits_since is None
    connection.release()


async def test_an_instance_that_is_not_read_is_stopped(pool, instance):
    """What is not read stays with the instance: the kernel's buffers, and a few reads."""
    much = b"x" * 2**20
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * len(much)))
        for _ in range(64):
            writer.write(much)
            await writer.drain()
            sent += 1

    instance.talk = talk
    connection = await asked(pool, instance)
    assert await connection.head() == 200
    before = -1
    while sent != before:  # until it stands still
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 32
    read = 0
    while part := await connection.part(10**6):
        read += len(part)
    assert read == 64 * len(much)
    connection.release()


async def test_idle_connections_are_closed_in_time(pool, instance, monkeypatch):
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    connection = await asked(pool, instance)
    await connection.whole()
    connection.release()
    await eventually_async(lambda: instance.left == 1, timeout=2)


async def test_nobody_there_is_unreachable(pool, instance, unused_tcp_port_factory):
    with pytest.raises(Unreachable) as caught:
        await pool.take(Upstream(id="x", host="127.0.0.1", port=unused_tcp_port_factory(), token=""))
    assert not isinstance(caught.value, TooSlow)
    with pytest.raises(Unreachable):
        await pool.take(Upstream(id="x", host="no-such-host.invalid", port=1, token=""))


async def test_a_host_has_a_name_too(pool, instance):
    named = Upstream(id="x", host="localhost", port=instance.upstream.port, token="")
    connection = await pool.take(named)
    connection.ask(ASK)
    assert await connection.whole() == (200, b"hello")
    connection.release()


class Deaf(asyncio.Transport):
    """Takes no part in it."""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_no_bytes_are_too_strange(parts):
    """An answer, a failure or the wish for more: never another exception."""

    async def run() -> None:
        connection = Connection(Connections(), ("x", 1))
        connection.connection_made(Deaf())
        connection.ask(ASK)
        for part in parts:
            connection.data_received(part)
        connection.connection_lost(None)
        with contextlib.suppress(Broken):
            await connection.whole()
        connection.release()

    asyncio.run(run())
