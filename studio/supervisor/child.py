"""One supervised process: started so that it ends with the supervisor, restarted when it ends by itself."""

import ctypes
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.agent import procs

PR_SET_PDEATHSIG = 1
LOG_BYTES = 5 * 1024 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `ready` gets the pid and takes one look; `seconds` is how long a start may take."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    ready: Callable[[int], bool]
    seconds: float = 60.0


@dataclass(slots=True)
class Patience:
    """How long to wait before the next start: doubling while the ends come quickly, forgiven after a steady time."""

    first: float = 0.2
    longest: float = 5.0
    steady: float = 30.0
    quick_ends: int = 0

    def after(self, lived: float) -> float:
        """The pause after an end that came `lived` seconds after the start."""
        self.quick_ends = 1 if lived >= self.steady else self.quick_ends + 1
        return min(self.first * 2 ** min(self.quick_ends - 1, 16), self.longest)

    @property
    def worth_a_word(self) -> bool:
        """Every end while the pauses grow, then one in twelve (a minute): a crash loop is said, not shouted."""
        return self.quick_ends <= 6 or self.quick_ends % 12 == 0


@dataclass(slots=True)
class Child:
    """A program with its process, one after another. Start it from the main thread only: the kernel sends the
    signal of a parent's death when the *thread* that forked ends."""

    program: Program
    log: Path
    home: Path
    patience: Patience = field(default_factory=Patience)
    process: subprocess.Popen[bytes] | None = None
    started: int = procs.GONE  # as the kernel counts it; with the pid it names this process and no other
    since: float = 0.0
    restart_at: float | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Raises OSError where the program cannot be started."""
        self.restart_at = None
        me = os.getpid()
        with open(
            os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab"
        ) as log:
            self.process = subprocess.Popen(
                self.program.argv, env=dict(self.program.env), cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=lambda: _tie_to(me),  # noqa: PLW1509  there are no threads
            )  # fmt: skip
        self.started, self.since = procs.started(self.process.pid), time.monotonic()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        return self.running() and self.program.ready(self.pid)

    def how_it_ended(self) -> str:
        code = self.process.returncode if self.process else None
        return f"signal {-code}" if code is not None and code < 0 else f"code {code}"

    def send(self, number: int) -> None:
        if self.process and self.running():
            self.process.send_signal(number)

    def kill(self) -> None:
        """With whatever it started in its session, and reaped."""
        if self.process and self.running():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_lines(self, count: int = 20) -> list[str]:
        try:
            with self.log.open(errors="replace") as lines:
                return [line.rstrip("\n") for line in deque(lines, count)]
        except OSError:
            return []

    def bound_log(self) -> None:
        """Keep the log below its size, with one predecessor. The writer appends, so it goes on at the start
        of the emptied file; what it writes between the copy and the cut is lost."""
        try:
            if self.log.stat().st_size > LOG_BYTES:
                self.log.with_suffix(".log.1").write_bytes(self.log.read_bytes()[-LOG_BYTES:])
                os.truncate(self.log, 0)
        except OSError:
            return


def _tie_to(parent: int) -> None:
    """Between fork and exec: end with the parent, also if it ended a moment ago; hear every signal again."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
