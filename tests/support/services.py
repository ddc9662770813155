"""The platform as services of their own: each process started by itself, with PostgreSQL and Redis over TCP."""

import contextlib
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.support import broker as brokers
from tests.support import postgres
from tests.support.environment import of_a_newcomer
from tests.support.platform import ROOT, free_port
from tests.support.waiting import eventually

WEB = [sys.executable, "-m", "uvicorn", "studio.asgi:application", "--lifespan", "off", "--no-access-log"]
CELERY = [sys.executable, "-m", "celery", "-A"]
WORKER = [*CELERY, "studio.celery", "worker", "-Q", "placement,driving,reports", "-P", "threads", "-c", "4"]
BEAT = [*CELERY, "studio.beat", "beat", "--scheduler", "celery.beat:Scheduler"]


class Services:
    """`folder` holds the secrets and each process's log; `processes` are by name."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **of_a_newcomer(),
            "STUDIO_DATA_DIR": str(folder),
            "STUDIO_PORT": str(self.port),
            "STUDIO_BROKER_URL": broker,
        } | ({"STUDIO_DATABASE_URL": database} if database else {})

    def manage(self, *words: str, typed: str = "") -> str:
        """An operator's command; what it printed. Raises AssertionError with its error."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT, env=self.environment, input=typed, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, argv: list[str], before: tuple[str, ...] = (), **more: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, *argv], cwd=ROOT, env={**self.environment, **more},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start_all(self) -> None:
        """Web, control, beat and gateway; returns when the gateway serves."""
        socket = str(self.folder / "web.sock")
        self.start("web", [*WEB, "--uds", socket], PGAPPNAME="web")
        self.start("control", WORKER)
        self.start("beat", BEAT)
        self.start("gateway", [sys.executable, "-m", "endpoints.gateway"], STUDIO_WEB_SOCKET=socket)
        eventually(lambda: self.answers("/readyz"), timeout=60, what="the gateway has its routes")
        eventually(lambda: self.answers("/sign-in/"), timeout=60, what="web answers through the gateway")

    def start_agent(self, node: str, token: Path, before: tuple[str, ...] = ()) -> None:
        self.start(
            f"agent-{node}",
            [sys.executable, "-m", "scheduler.agent"],
            before,
            STUDIO_NODE=node,
            STUDIO_NODE_DIR=str(self.folder / node),
            STUDIO_NODE_TOKEN_FILE=str(token),
        )

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def end(self) -> None:
        """TERM to all, then KILL to whatever still knows this folder, model servers too."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
        marker = f"{self.folder}".encode()  # keepers and model servers know places in it, no more
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), 9)
        for process in self.processes.values():
            process.wait()


@contextlib.contextmanager
def services(*, on_postgres: bool = True) -> Iterator[Services]:
    """Nothing started yet but the database (migrated) and Redis. Raises LookupError where one is missing."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="studio-sv-", dir="/tmp")))
        database = stack.enter_context(postgres.cluster()) if on_postgres else ""
        broker = stack.enter_context(brokers.over_tcp())
        made = Services(folder, database, broker.celery_url)
        stack.callback(made.end)
        made.manage("newsecrets")
        made.manage("migrate", "-v", "0")
        yield made
