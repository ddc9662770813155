"""A terminal to put a shell into: somebody types, and reads what it shows."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

PATIENCE_SECONDS = 30.0
WIDE = struct.pack("HHHH", 50, 200, 0, 0)


class Terminal:
    def __init__(self, end: int) -> None:
        self._end = end
        self._shown = ""

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def read_until(self, words: str) -> str:
        """What it shows up to these words, and goes on behind them. Raises AssertionError where they do not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self._shown:
            left = deadline - time.monotonic()
            assert left > 0, f"no {words!r} in {self._shown!r}"
            if select.select([self._end], [], [], left)[0]:
                self._shown += os.read(self._end, 65536).decode(errors="replace")
        before, _, self._shown = self._shown.partition(words)
        return before


@contextlib.contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """With this program in it."""
    pid, end = pty.fork()
    if not pid:
        os.execvpe(command[0], list(command), dict(environment))
    fcntl.ioctl(end, termios.TIOCSWINSZ, WIDE)
    try:
        yield Terminal(end)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(end)
