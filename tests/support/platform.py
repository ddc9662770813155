"""The whole platform as a person starts it: `manage.py up` in a folder and on a port of its own.

Process names are those of `run/processes.json`: broker, gateway, web, control, beat, agent-<node>.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import migrated
from tests.support.environment import of_a_newcomer
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
WRITE_KEYS = """
import pathlib, sys
from studio.supervisor import keyfiles
keyfiles.ensure(pathlib.Path(sys.argv[1]), has_data=False)
"""


class Platform:
    """`folder` is its data folder and outlives `stop()` and `kill()`; `start()` again goes on with it."""

    def __init__(self, folder: Path, port: int, **settings: str) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.settings = settings
        self.output_path = folder.with_name(f"{folder.name}.out")
        self.process: subprocess.Popen[bytes] | None = None
        self.seconds_to_start = 0.0

    # --- what it says ---------------------------------------------------------------------------------

    @property
    def output(self) -> str:
        return self.output_path.read_text() if self.output_path.exists() else ""

    @property
    def first_run(self) -> dict[str, Any]:
        return json.loads((self.folder / "first-run.json").read_text())

    def greeted(self) -> bool:
        """Raises RuntimeError with what was printed when it ended instead."""
        if self._running().poll() is not None:
            raise RuntimeError(f"`up` ended with code {self._running().returncode}:\n{self.output}")
        return "Studio runs at " in self.output

    def processes(self) -> dict[str, int]:
        """Name → pid of everything that runs now, without the supervisor."""
        recorded = json.loads((self.folder / "run" / "processes.json").read_text())
        return {name: entry["pid"] for name, entry in recorded.items()}

    def pid_of(self, name: str) -> int:
        """The pid of a process, of the `supervisor` too."""
        if name == "supervisor":
            return self._running().pid
        return self.processes()[name]

    def everything(self) -> dict[int, str]:
        """pid → command line of every process that knows this data folder: children, keepers, model servers."""
        folder = f"{self.folder}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                # A broker writes its title over its environment, so both are looked at.
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if folder in command or (command and folder in (entry / "environ").read_bytes()):
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    # --- what is done to it -----------------------------------------------------------------------------

    def start(self, seconds: float = START_SECONDS) -> "Platform":
        """Returns once the greeting is printed; raises with what was printed when it ends or is late."""
        begun = time.monotonic()
        self.launch()
        eventually(self.greeted, timeout=seconds, what="the platform greets")
        self.seconds_to_start = time.monotonic() - begun
        return self

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it without waiting for anything."""
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        return self.process

    def stop(self, number: int = signal.SIGINT, seconds: float = 15) -> int:
        """Ctrl-C; the exit code."""
        process = self._running()
        process.send_signal(number)
        return process.wait(seconds)

    def kill(self) -> None:
        """kill -9 of the supervisor."""
        self._running().kill()
        self._running().wait()

    def manage(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """An operator's command on this data."""
        return subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self._environment(), input=typed,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def keys(self) -> None:
        """As `manage.py newsecrets` writes them, without waiting for Django."""
        command = [sys.executable, "-c", WRITE_KEYS, str(self.folder / "secrets")]
        subprocess.run(command, cwd=ROOT, env=self._environment(), check=True)

    def end(self) -> None:
        """For the end of a test: nothing of it stays, whatever the test left."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.process and self.process.poll() is None:
                self.stop()
        if self.process and self.process.poll() is None:
            self.kill()
        for pid in self.everything():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        own = {"STUDIO_DATA_DIR": str(self.folder), "STUDIO_PORT": str(self.port)}
        return {**of_a_newcomer(), **own, **self.settings}

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "the platform was not started"
        return self.process


@contextlib.contextmanager
def platform(*, from_nothing: bool = False, **settings: str) -> Iterator[Platform]:
    """A platform that is not started yet, in a new short folder (sockets), on a free port.

    `from_nothing`: it migrates by itself; the others find their tables empty.
    """
    parent = Path(tempfile.mkdtemp(prefix="studio-up-", dir="/tmp"))
    made = Platform(parent / "data", free_port(), **settings)
    if not from_nothing:
        made.folder.mkdir(mode=0o700)
        made.keys()
        migrated.put(made.folder / "studio.sqlite3")
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(parent, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
