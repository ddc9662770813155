"""The data folder: what lies where, who may open it, and the lock that says a supervisor works in it."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from studio.supervisor.refusal import CannotStart

LONGEST_SOCKET = 107  # bytes of a Unix socket's address on Linux, without its closing zero
LOCK_PATIENCE = 1.0  # keepers hold the lock for an instant whenever they look whether it is free


@dataclass(frozen=True, slots=True)
class Folder:
    """Only its owner may open it, so nothing inside needs to be hidden a second time."""

    root: Path

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def broker_socket(self) -> Path:
        return self.broker / "broker.sock"

    @property
    def web_socket(self) -> Path:
        return self.run / "web.sock"

    @property
    def lifeline(self) -> Path:
        return self.run / "supervisor.lock"

    @property
    def processes(self) -> Path:
        return self.run / "processes.json"

    @property
    def first_run(self) -> Path:
        return self.root / "first-run.json"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def ready_file(self, process: str) -> Path:
        return self.run / f"{process}.ready"

    def node_folders(self) -> list[Path]:
        """The nodes whose agents run on this machine: each has a folder with its join token."""
        return sorted(token.parent for token in self.nodes.glob("*/token"))

    def make(self) -> None:
        """Every folder, for its owner only. Raises `CannotStart` where that cannot be."""
        longest = max(len(os.fsencode(path)) for path in (self.broker_socket, self.web_socket))
        if longest > LONGEST_SOCKET:
            raise CannotStart(
                f"The path of the data folder {self.root} is {longest - LONGEST_SOCKET} bytes too long for the"
                " sockets in it; choose a shorter one with STUDIO_DATA_DIR."
            )
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for folder in (self.broker, self.run, self.logs, self.nodes):
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise self._unusable(error) from None

    def lock(self) -> int:
        """Takes the folder for this process: the lock is free again when it ends, however it ends.

        The descriptor is closed in every child at its exec, so no child can keep the lifeline taut. The
        file is never removed: a keeper takes a missing one for a supervisor that is gone.
        """
        try:
            handle = os.open(self.lifeline, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        until = time.monotonic() + LOCK_PATIENCE
        while not _taken(handle):
            if time.monotonic() > until:
                os.close(handle)
                raise CannotStart(f"Studio runs already on the data folder {self.root}; stop it there first.")
            time.sleep(0.02)
        return handle

    def _unusable(self, error: OSError) -> CannotStart:
        return CannotStart(
            f"The data folder {self.root} cannot be written ({error.strerror});"
            " choose another with STUDIO_DATA_DIR."
        )


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
