"""Small HTTP requests to a model server, and what its metrics say."""

import asyncio
import json

import pytest

from scheduler.agent import probe
from tests.agent.node import runtime

METRICS = """# HELP fake_running unfinished requests
# TYPE fake_running gauge
fake_running{model="a } b",kind="x 9"} 2.0
fake_running{model="other"} 1 1700000000
fake_running_total 40
fake_waiting 0
"""


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (["fake_running"], 3),
        (["fake_running", "fake_waiting"], 3),
        (["fake_waiting"], 0),
        (["fake_running", "not_there"], None),
    ],
)
def test_unfinished_requests_are_the_sum_of_the_named_series(names: list[str], total: int | None):
    assert probe.total(METRICS, names) == total


async def answering(answer: bytes, *, stay: bool = False) -> tuple[asyncio.Server, probe.Target]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if stay:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, probe.Target("127.0.0.1", server.sockets[0].getsockname()[1], "t")


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 \r\n\r\n", False),
        (b"SSH-2.0-x\r\n", False),
        (b"", False),
    ],
)
async def test_health_is_a_200(answer: bytes, healthy: bool):
    server, target = await answering(answer)
    async with server:
        assert await probe.healthy(target, runtime(), 2.0) is healthy


async def test_a_server_that_keeps_its_connection_open_is_not_waited_for():
    server, target = await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", stay=True)
    async with server, asyncio.timeout(1):
        assert await probe.healthy(target, runtime(), 5.0)


async def test_silence_and_nobody_are_no():
    server, target = await answering(b"", stay=True)
    async with server:
        assert not await probe.healthy(target, runtime(), 0.1)
    assert not await probe.healthy(target, runtime(), 0.1)
    assert await probe.in_flight(target, runtime(), 0.1) is None
    assert await probe.warm_up(target, runtime(), "m", 0.1) == 0


async def test_a_runtime_without_metrics_does_not_say():
    target = probe.Target("127.0.0.1", 1, "")
    assert await probe.in_flight(target, runtime(metrics_path=""), 0.1) is None
    assert await probe.warm_up(target, runtime(warmup_path=""), "m", 0.1) == 200


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/embeddings", {"input": "Hello"}),
        ("/v1/completions", {"prompt": "Hello", "max_tokens": 1}),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1},
        ),
    ],
)
async def test_a_warm_up_is_the_smallest_request_of_its_kind(path: str, asked: dict[str, object]):
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        heard.extend((head.split()[1], await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        target = probe.Target("127.0.0.1", server.sockets[0].getsockname()[1], "t")
        assert await probe.warm_up(target, runtime(warmup_path=path), "m", 2.0) == 200
    assert (heard[0], json.loads(heard[1])) == (path.encode(), {"model": "m", **asked})
