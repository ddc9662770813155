"""`make test`: two halves at once, since one of them mostly waits. `python -m tests.support.run`

The journeys and browser tests start real processes and wait for them to converge; meanwhile everything else
computes: the services, rules and races of tests/db on PostgreSQL where there is one, then all on SQLite. The
doors say the same on both, so they run once here; `make postgres` runs them there too. What the waiting half
printed comes last.
"""

import subprocess
import sys
import tempfile

PYTEST = [sys.executable, "-m", "pytest"]
ON_POSTGRES = [
    sys.executable,
    "-m",
    "tests.support.postgres",
    "--",
    *PYTEST,
    "-n",
    "2",
    "-m",
    "db or postgres",
    "tests/db",
]
COMPUTING = [*PYTEST, "-n", "2", "-m", "not journey and not browser"]
WAITING = [*PYTEST, "-m", "journey or browser", "--durations", "12"]


def main() -> int:
    """The exit code: 0 only when every part passed."""
    with tempfile.TemporaryFile("w+") as printed:
        waiting = subprocess.Popen(
            WAITING, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            codes = [subprocess.run(part, check=False).returncode for part in (ON_POSTGRES, COMPUTING)]
            codes.append(waiting.wait())
        finally:
            waiting.terminate()
            waiting.wait()
        printed.seek(0)
        sys.stdout.write(printed.read())
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(main())
