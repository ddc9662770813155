"""The agent's state folder: who it is, the last wish, and a folder for each instance.

    lock            flock of the one agent that works here
    agent           its id, minted once
    boot            how often it has started
    marker          what its processes carry in their environment
    wish            the last wish, sealed as it was received
    instances/<id>/ what `scheduler.agent.keeper` keeps there, and beside it
        wished.json     what the attempt was begun for, without token and manifest
        ready           exists once the attempt has been ready
        outcome.json    the agent's last word on the attempt

A clean stop of the machine ends every keeper with `end_all`.
"""

import fcntl
import os
import re
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scheduler.agent import disk, procs
from scheduler.wire import Wished

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
OF_A_LAUNCH = ("spec.json", "keeper.json", "exit.json")
OF_AN_ATTEMPT = (*OF_A_LAUNCH, "outcome.json", "ready", "server.log", "server.log.1")


class InUse(RuntimeError):
    """Another agent works in this state folder."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was recorded; `alive` asks about this one, not about the next owner of its pid."""

    pid: int
    start: int

    def alive(self) -> bool:
        return procs.alive(self.pid, self.start)

    def send(self, number: int) -> None:
        procs.send(self.pid, self.start, number)

    def send_group(self, number: int) -> None:
        procs.send_group(self.pid, self.start, number)


@dataclass(frozen=True, slots=True)
class Record:
    """What a keeper wrote about itself and its server."""

    attempt: int
    keeper: Process
    server: Process
    host: str
    port: int

    def alive(self) -> bool:
        return self.keeper.alive() or self.server.alive()

    def kill(self) -> None:
        # The keeper last: it collects the server.
        self.server.send_group(signal.SIGKILL)
        self.keeper.send(signal.SIGKILL)


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended, as the agent reports it from then on."""

    attempt: int
    state: str  # exited | stopped
    error: str = ""
    sentence: str = ""
    exit_code: int | None = None
    log_tail: list[str] = []


class InstanceFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    def begin(self, wished: Wished) -> None:
        """A new attempt: nothing of the one before stays, except the lock that its processes hold."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove(OF_AN_ATTEMPT)
        disk.write(str(self.path / "token"), wished.token.encode())
        # The token has its own file, and the manifest has no use after the start.
        bare = msgspec.structs.replace(wished, token="", experts=[])
        disk.write_json(str(self.path / "wished.json"), msgspec.to_builtins(bare))

    def arm(self, spec: dict[str, Any]) -> None:
        """What the next keeper of this attempt is to start. Without a spec, a keeper starts nothing."""
        self._remove(OF_A_LAUNCH)
        disk.write_json(str(self.path / "spec.json"), spec)

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def wished(self) -> Wished | None:
        """What the attempt in this folder was begun for, without its manifest."""
        try:
            wished = msgspec.convert(disk.read_json(str(self.path / "wished.json")), Wished)
            return msgspec.structs.replace(wished, token=(self.path / "token").read_text())
        except (msgspec.ValidationError, OSError):
            return None

    def record(self) -> Record | None:
        """None while the keeper has not said who it is."""
        found = disk.read_json(str(self.path / "keeper.json"))
        if found is None:
            return None
        same_boot = found["boot"] == procs.boot()
        return Record(
            attempt=found["attempt"],
            keeper=Process(found["keeper_pid"], found["keeper_start"] if same_boot else procs.GONE),
            server=Process(found["server_pid"], found["server_start"] if same_boot else procs.GONE),
            host=found["host"],
            port=found["port"],
        )

    def exit(self) -> dict[str, Any] | None:
        return disk.read_json(str(self.path / "exit.json"))

    def outcome(self) -> Outcome | None:
        found = disk.read_json(str(self.path / "outcome.json"))
        return msgspec.convert(found, Outcome) if found else None

    def conclude(self, outcome: Outcome) -> None:
        disk.write_json(str(self.path / "outcome.json"), msgspec.to_builtins(outcome))

    def was_ready(self) -> bool:
        return (self.path / "ready").exists()

    def mark_ready(self) -> None:
        (self.path / "ready").touch(mode=0o600)

    def log_tail(self, lines: int, token: str) -> list[str]:
        """The last lines, shortened, and without the token should the server have printed it."""
        text = b""
        for name in ("server.log", "server.log.1"):
            with suppress(OSError), (self.path / name).open("rb") as file:
                file.seek(-min(file.seek(0, os.SEEK_END), 32768), os.SEEK_END)
                text = file.read() + text
            if text.count(b"\n") >= lines:
                break
        found = text.decode(errors="replace").splitlines()[-lines:]
        return [(line.replace(token, "••••") if token else line)[:500] for line in found]

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class StateFolder:
    """Raises `InUse` where another agent holds the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InUse(str(path)) from None

    def agent_id(self) -> str:
        path = self.path / "agent"
        if not path.exists():
            disk.write(str(path), uuid.uuid4().hex.encode())
        return path.read_text().strip()

    def mark(self, marker: str) -> None:
        disk.write(str(self.path / "marker"), marker.encode())

    def next_boot(self, above: int = 0) -> int:
        """Greater than every one before, and than `above`."""
        path = self.path / "boot"
        written = path.read_text().strip() if path.exists() else ""
        boot = max(int(written) if written.isdigit() else 0, above) + 1
        disk.write(str(path), str(boot).encode())
        return boot

    def read_wish(self) -> bytes | None:
        path = self.path / "wish"
        return path.read_bytes() if path.exists() else None

    def write_wish(self, sealed: bytes) -> None:
        disk.write(str(self.path / "wish"), sealed)

    def instance(self, id: str) -> InstanceFolder:
        """Raises ValueError for an id that is no plain name."""
        if not SAFE_ID.fullmatch(id):
            raise ValueError(f"{id!r} cannot name a folder")
        return InstanceFolder(self.path / "instances" / id)

    def instances(self) -> list[InstanceFolder]:
        return list(_instances(self.path))


def _instances(path: Path) -> Iterator[InstanceFolder]:
    with suppress(FileNotFoundError):
        yield from (InstanceFolder(found) for found in sorted((path / "instances").iterdir()))


def keepers(path: Path) -> list[Record]:
    """The keepers recorded under a state folder of which anything still lives."""
    records = (folder.record() for folder in _instances(path))
    return [record for record in records if record and record.alive()]


def end_all(path: Path, seconds: float) -> None:
    """Ends every keeper and model server of a state folder, whose agent has ended before.

    TERM first; what still lives after `seconds` is killed. Returns when nothing lives.
    """
    for record in keepers(path):
        if record.keeper.alive():
            record.keeper.send(signal.SIGTERM)
        else:
            record.server.send(signal.SIGTERM)
    _wait(lambda: not keepers(path), seconds)
    for record in keepers(path):
        record.kill()
    _wait(lambda: not keepers(path), 5.0)
    _wait(lambda: _none_left_behind(path), 5.0)


def _none_left_behind(path: Path) -> bool:
    """Kills what servers started in sessions of their own; whether there was nothing of the kind."""
    marker = path / "marker"
    left = list(procs.marked(marker.read_text())) if marker.exists() else []
    for pid, start, _, _ in left:
        procs.send(pid, start, signal.SIGKILL)
    return not left


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
