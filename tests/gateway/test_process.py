"""The gateway as the process it is: `python -m endpoints.gateway`."""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, free_port
from tests.gateway.control import KEY, Control, hello
from tests.support.waiting import eventually, eventually_async

ROOT = Path(__file__).parents[2]
STREAM = {"messages": [{"role": "user", "content": "x"}], "stream": True}


def spelled(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


def environment(control: Control, broker, port: int, **more: str) -> dict[str, str]:
    told = {
        "STUDIO_PORT": str(port),
        "STUDIO_BROKER_URL": broker.celery_url,
        "STUDIO_KEY_PEPPER": spelled(control.pepper),
        "STUDIO_ROUTES_SEAL": spelled(control.seal_key),
        "STUDIO_ROUTES_VERIFY": control.pair[1],
    }
    return {**os.environ, **told, **more}


@contextlib.contextmanager
def gateway(control: Control, broker, log: Path, **more: str) -> Iterator[tuple[subprocess.Popen, int]]:
    port, spool = free_port(), {"STUDIO_GATEWAY_SPOOL": str(log.parent / "spool")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "endpoints.gateway"],
            cwd=ROOT, env=environment(control, broker, port, **spool | more), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        eventually(
            lambda: status_of(process, port, "/healthz") == 200, timeout=20, what="the gateway answers"
        )
        yield process, port
    finally:
        process.kill()
        process.wait()


def status_of(process: subprocess.Popen, port: int, path: str) -> int:
    assert process.poll() is None or path is None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


async def test_it_serves_streams_and_stops_with_a_last_word(control, broker, tmp_path):
    log = tmp_path / "gateway.log"
    with gateway(control, broker, log, STUDIO_STOP_SECONDS="0") as (process, port):
        async with fake.started("a") as (instance,), aiohttp.ClientSession() as session:
            control.publish(hello(control, instance.upstream))
            control.complete()
            await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
            url, headers = f"http://127.0.0.1:{port}{CHAT}", {"key": KEY}
            async with session.post(url, json=STREAM, headers=headers) as response:
                assert (await response.text()).endswith("data: [DONE]\n\n")
            instance.behave = fake.one_word_then_silent
            async with session.post(url, json=STREAM, headers=headers) as response:
                await response.content.readuntil(b"\n\n")
                process.send_signal(signal.SIGTERM)
                last = (await response.text()).strip().removeprefix("data: ")
            assert json.loads(last)["error"]["code"] == "stopping"
        assert eventually(lambda: process.poll() is not None) is True
        assert process.returncode == 0
    said = log.read_text()
    assert not any(secret in said for secret in (KEY, fake.TOKEN, spelled(control.pepper)))


async def test_a_stop_lets_a_stream_finish(control, broker, tmp_path):
    with gateway(control, broker, tmp_path / "log", STUDIO_STOP_SECONDS="10") as (process, port):
        async with fake.started("a") as (instance,), aiohttp.ClientSession() as session:

            async def two_halves(seen: fake.Seen, out: fake.Out) -> None:
                await out.begin_events()
                first, *others = fake.events(chat=True)
                await out.event(first)
                await seen.go_on.wait()
                for one in [*others, "[DONE]"]:
                    await out.event(one)
                await out.end()

            instance.behave = two_halves
            control.publish(hello(control, instance.upstream))
            control.complete()
            await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
            url = f"http://127.0.0.1:{port}{CHAT}"
            async with session.post(url, json=STREAM, headers={"key": KEY}) as response:
                await response.content.readuntil(b"\n\n")
                process.send_signal(signal.SIGTERM)
                await eventually_async(
                    lambda: status_of(process, port, "/healthz") == 0, what="nothing is accepted"
                )
                instance.seen[0].go_on.set()
                assert (await response.text()).endswith("data: [DONE]\n\n")
        assert eventually(lambda: process.poll() is not None) is True
        assert process.returncode == 0


@pytest.mark.parametrize("chunked", [True, False])
async def test_100_mb_are_refused_without_growth(control, broker, tmp_path, chunked):
    with gateway(control, broker, tmp_path / "log") as (process, port):
        async with fake.started("a") as (instance,), aiohttp.ClientSession() as session:
            control.publish(hello(control, instance.upstream))
            control.complete()
            await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
            before = psutil.Process(process.pid).memory_info().rss

            async def parts():
                for _ in range(100):
                    yield b"x" * 2**20

            body = parts() if chunked else b"x" * (100 * 2**20)
            headers = {"key": KEY, "content-type": "application/json"}
            async with session.post(f"http://127.0.0.1:{port}{V1}", data=body, headers=headers) as response:
                assert response.status == 413
            grown = psutil.Process(process.pid).memory_info().rss - before
            assert (
                grown < (80 if chunked else 10) * 2**20
            )  # a chunked one is counted up to the limit of 32 MiB


async def test_metrics_on_a_port_of_their_own(control, broker, tmp_path):
    metrics = free_port()
    with gateway(control, broker, tmp_path / "log", STUDIO_GATEWAY_METRICS_PORT=str(metrics)) as (
        process,
        port,
    ):
        async with fake.started("a") as (instance,), aiohttp.ClientSession() as session:
            control.publish(hello(control, instance.upstream))
            control.complete()
            await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
            url = f"http://127.0.0.1:{port}{V1}"
            async with session.post(url, json={"instances": ["x"]}, headers={"key": KEY}) as response:
                assert response.status == 200
            async with session.get(f"http://127.0.0.1:{metrics}/metrics") as response:
                text = await response.text()
            assert status_of(process, port, "/metrics") == 404
    assert 'format="generic_v1",status="200"} 1.0' in text
    assert 'kind="completion"} 3.0' in text
    assert "studio_gateway_routes_complete 1.0" in text


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "cannot listen on 127.0.0.1:{port}: address already in use."),
        ({"STUDIO_KEY_PEPPER": "short"}, "key_pepper is malformed"),
        ({"STUDIO_BODY_LIMIT_MB": "many"}, "STUDIO_BODY_LIMIT_MB must be a whole number"),
    ],
    ids=["taken port", "malformed secret", "malformed number"],
)
def test_one_sentence_and_exit_code_1(control, broker, more, says):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "endpoints.gateway"],
            cwd=ROOT, env=environment(control, broker, port, **more), capture_output=True, text=True, timeout=20,
        )  # fmt: skip
    assert done.returncode == 1
    assert says.format(port=port) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
