"""What is compared: the gateway, nginx and the LiteLLM proxy, each on one core and before the same model server."""

import contextlib
import getpass
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.gateway.load import Target
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = CORES[0], CORES[-1]
START_SECONDS = 120.0
LITELLM_ENVIRONMENT = ROOT / ".venv-litellm"
LITELLM_REQUIREMENTS = Path(__file__).with_name("litellm-requirements.txt")
LITELLM_SLOWNESS = 4
LITELLM_KEY = "sk-only-for-the-benchmark"


class Missing(Exception):
    """It cannot be started here; the sentence says why."""


@dataclass(frozen=True)
class Proxy:
    """A server under test: where to ask it, and the process whose tree does its work; `direct` has none.

    `slowness`: how many times as long it is measured, where one answer may take a second.
    """

    name: str
    target: Target
    process: psutil.Process | None = None
    slowness: int = 1

    def tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)] if self.process else []

    def cpu_seconds(self) -> float:
        return sum(times.user + times.system for times in (one.cpu_times() for one in self.tree()))

    def megabytes(self) -> float:
        """Proportional: what several processes share is counted once."""
        return sum(one.memory_full_info().pss for one in self.tree()) / 1e6


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread, and what it starts meanwhile, stays on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """Started on the proxies' core; its log lies in the folder."""
    with on_core(PROXY_CORE), (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield psutil.Process(started.pid)
    finally:
        _end(started)


def _end(started: subprocess.Popen[bytes]) -> None:
    """The whole tree, since LiteLLM's workers do not follow their parent in every case."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(started.pid).children(recursive=True)
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(10)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    started.kill()
    started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_answers(port: int, path: str, running: psutil.Process, folder: Path) -> float:
    """Seconds until it answers 200. Raises Missing with the end of its log when it ends instead."""
    begun = time.monotonic()

    def answers() -> bool:
        if not running.is_running() or running.status() == psutil.STATUS_ZOMBIE:
            said = (folder / "log").read_text(errors="replace").strip()[-800:]
            raise Missing(f"it ended at its start: {said}")
        return status_of(port, path) == 200

    eventually(answers, timeout=START_SECONDS, every=0.005, what=f"{path} answers")
    return time.monotonic() - begun


def status_of(port: int, path: str) -> int:
    """0 where nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="studio-bench-", dir="/tmp") as path:
        yield Path(path)


# No keep-alive limit on either side: what is measured is the way of a request, not of a connection.
NGINX = """
user {user};
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream model_server {{
        server 127.0.0.1:{upstream};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://model_server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(upstream: int) -> Iterator[Proxy]:
    """Raises Missing where there is none."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("nginx is not installed")
    port = free_port()
    with folder() as own:
        told = NGINX.format(user=getpass.getuser(), folder=own, upstream=upstream, port=port)
        (own / "nginx.conf").write_text(told)
        with process([program, "-p", str(own), "-c", str(own / "nginx.conf")], own) as running:
            until_answers(port, "/health", running, own)
            yield Proxy("nginx", Target(port), running)


LITELLM = """
model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
litellm_settings:
  telemetry: false
"""


@contextlib.contextmanager
def litellm(upstream: int) -> Iterator[Proxy]:
    """One worker, a master key, no database: the fastest it can be asked to be. Raises Missing."""
    program = _litellm_program()
    port = free_port()
    with folder() as own:
        (own / "config.yaml").write_text(LITELLM.format(upstream=upstream))
        command = [
            program,
            "--config",
            own / "config.yaml",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--num_workers",
            1,
        ]
        told = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": LITELLM_KEY,
            "LITELLM_LOG": "ERROR",
        }
        with process([str(word) for word in command], own, told) as running:
            until_answers(port, "/health/liveliness", running, own)
            yield Proxy("litellm", Target(port, key=LITELLM_KEY), running, LITELLM_SLOWNESS)


def _litellm_program() -> Path:
    """Installs it where that has not been done."""
    program = LITELLM_ENVIRONMENT / "bin" / "litellm"
    if not program.exists():
        print(f"Installing the LiteLLM proxy into {LITELLM_ENVIRONMENT.name} ...", flush=True)
        python = LITELLM_ENVIRONMENT / "bin" / "python"
        try:
            subprocess.run([sys.executable, "-m", "venv", LITELLM_ENVIRONMENT], check=True)
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "-r", LITELLM_REQUIREMENTS], check=True
            )
        except subprocess.CalledProcessError as error:
            raise Missing(f"LiteLLM could not be installed ({error})") from None
    return program
