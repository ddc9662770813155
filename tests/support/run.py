"""`make test`: two halves at once, since one of them mostly waits. `python -m tests.support.run`

The journeys and browser tests start real processes and wait for them to converge; meanwhile everything else
computes: the services, rules and races of tests/db on PostgreSQL where there is one, then all on SQLite. The
doors say the same on both, and so does what is marked `alike`: they run once here; `make postgres` runs them there
too. What the waiting half printed comes last.
"""

import os
import subprocess
import sys
import tempfile

from tests.support.environment import SHARED

PYTEST = [sys.executable, "-m", "pytest"]
# A file is one worker's: what its tests share is made once.
TWO = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
ON_POSTGRES = [
    sys.executable,
    "-m",
    "tests.support.postgres",
    "--",
    *PYTEST,
    *TWO,
    "-m",
    "(db or postgres) and not alike",
    "tests/db",
]
COMPUTING = [*PYTEST, *TWO, "-m", "not journey and not browser"]
WAITING = [*PYTEST, "-m", "journey or browser", "--durations", "12", "tests/journeys", "tests/browser"]


def main() -> int:
    """The exit code: 0 only when every part passed."""
    with tempfile.TemporaryDirectory(prefix="studio-run-") as shared, tempfile.TemporaryFile("w+") as printed:
        told = environment(shared)
        waiting = subprocess.Popen(
            WAITING, env=told, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            parts = (ON_POSTGRES, COMPUTING)
            codes = [subprocess.run(part, env=told, check=False).returncode for part in parts]
            codes.append(waiting.wait())
        finally:
            waiting.terminate()
            waiting.wait()
        printed.seek(0)
        sys.stdout.write(printed.read())
    return max(abs(code) for code in codes)


def environment(shared: str) -> dict[str, str]:
    """Hundreds of processes of a run compile the same modules: whatever the caller's habit, each is compiled once."""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**told, SHARED: shared}


if __name__ == "__main__":
    sys.exit(main())
