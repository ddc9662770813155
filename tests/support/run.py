"""`make test`: parts that compute, and beside them what mostly waits. `python -m tests.support.run`

The journeys start real processes and wait for them to converge, the browser tests wait for a browser, those of
gateway and agent for what is slow, silent or dead. Meanwhile the others compute: the services, rules and races of
tests/db on PostgreSQL where there is one, the doors on SQLite, and all else there. The doors say the same on both, so
they run once here; `make postgres` runs them there too. What ran beside the first part is printed last.

Each part is one process: a machine of two cores is full, and workers of one part would each collect all of it.
"""

import contextlib
import os
import subprocess
import sys
import tempfile

SHARED = "STUDIO_TEST_SHARED"  # as in tests.support.environment: imported here, that would make one run of all parts
PYTEST = [sys.executable, "-m", "pytest"]
ON_POSTGRES = [
    *(sys.executable, "-m", "tests.support.postgres", "--"),
    *(*PYTEST, "-m", "(db or postgres) and not alike", "tests/db"),
]
BESIDE = (
    ("tests/journeys",),
    ("tests/browser",),
    ("tests/gateway", "tests/agent"),
    ("tests/doors",),
)
EVERYTHING_ELSE = [f"--ignore={folder}" for folders in BESIDE for folder in folders]
PARTS_BESIDE = [[*PYTEST, "--durations", "12", *told] for told in (*BESIDE, EVERYTHING_ELSE)]


def main() -> int:
    """The exit code: 0 only when every part passed."""
    with tempfile.TemporaryDirectory(prefix="studio-run-") as shared, contextlib.ExitStack() as stack:
        told = environment(shared)
        beside = [stack.enter_context(Beside(part, told)) for part in PARTS_BESIDE]
        codes = [subprocess.run(ON_POSTGRES, env=told, check=False).returncode]
        codes += [part.ended() for part in beside]
    return max(abs(code) for code in codes)


class Beside:
    """A part that runs beside the others; what it prints is kept until it has ended."""

    def __init__(self, command: list[str], told: dict[str, str]) -> None:
        self.command, self.told = command, told

    def __enter__(self) -> "Beside":
        self.printed = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.command,
            env=self.told,
            stdin=subprocess.DEVNULL,
            stdout=self.printed,
            stderr=subprocess.STDOUT,
        )
        return self

    def ended(self) -> int:
        """Its exit code, after what it printed."""
        code = self.process.wait()
        self.printed.seek(0)
        sys.stdout.write(self.printed.read())
        return code

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.printed.close()


def environment(shared: str) -> dict[str, str]:
    """Hundreds of processes of a run compile the same modules: whatever the caller's habit, each is compiled once."""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**told, SHARED: shared}


if __name__ == "__main__":
    sys.exit(main())
