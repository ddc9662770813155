"""The web process alone, on a database of its own: `with served(prepare) as (url, told): …`.

`prepare` is a module that fills the empty database and prints what the caller needs to know as JSON.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from endpoints import wire
from tests.support import broker as brokers
from tests.support import postgres
from tests.support.ending import end
from tests.support.platform import ROOT, free_port
from tests.support.waiting import eventually

START_SECONDS = 60
PUBLISH_SECONDS = 900


@contextlib.contextmanager
def served(
    prepare: str, *words: str, log: Path, keep: Path | None = None, at_rest: bool = False
) -> Iterator[tuple[str, Any]]:
    """Its address, and what `prepare` printed. PostgreSQL where there is one, else SQLite.

    `keep`: a folder for a PostgreSQL that stays. `at_rest`: not before web has told the new broker every route there
    is, which it does beside its answers.
    """
    with _database(keep) as database, brokers.embedded() as broker:
        environment = {**os.environ, "STUDIO_DATABASE_URL": database, "STUDIO_BROKER_URL": broker.celery_url}
        printed = _run([sys.executable, "-m", prepare, *words], environment)
        with _web(environment, log) as url:
            if at_rest:
                told = partial(broker.client().get, wire.MARKER)
                eventually(told, timeout=PUBLISH_SECONDS, what="every route is published")
            yield url, json.loads(printed)


@contextlib.contextmanager
def _database(keep: Path | None) -> Iterator[str]:
    if postgres.programs():
        with postgres.cluster(keep) as url:
            yield url
    else:
        with tempfile.TemporaryDirectory(prefix="studio-served-") as folder:
            yield f"sqlite:///{folder}/studio.sqlite3"


def _run(command: Sequence[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@contextlib.contextmanager
def _web(environment: dict[str, str], log: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "studio.asgi:application",
        "--port",
        str(port),
        "--no-access-log",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(process, url, log), timeout=START_SECONDS, what="web answers")
        yield url
    finally:
        end(process, 10)


def _answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"web ended at its start: {log.read_text()}")
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", timeout=10, verify=False).status_code == 200
    return False
