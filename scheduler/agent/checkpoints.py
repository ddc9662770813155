"""Whether the checkpoints of an instance are what their manifest says, before anything loads them."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from scheduler.agent import disk, verify
from scheduler.wire import Expert

ROOT = str(Path(__file__).parents[2])  # where `-m scheduler…` finds us without site-packages
CACHE_ENTRIES = 10_000

Listed = tuple[str, str, int, str]  # path, its name for people, bytes, sha256
Told = Callable[[int, int], None]  # bytes verified, bytes in all


class BadCheckpoint(ValueError):
    """It must not be served; the message is for people and names the file."""


class Checkpoints:
    """A folder of checkpoints, and a memory of files verified before."""

    def __init__(self, store: Path, memory: Path) -> None:
        self.store = store
        self.memory = memory
        # "path" → [mtime_ns, size, inode, sha256] of files that were right
        self.verified: dict[str, list[object]] = disk.read_json(str(memory)) or {}

    def folder(self, expert: Expert) -> Path:
        """Raises `BadCheckpoint` for one outside the store."""
        return self._inside(expert.path)

    async def verify(self, experts: Sequence[Expert], told: Told) -> None:
        """Raises `BadCheckpoint`."""
        files = [
            (str(self._inside(expert.path, file.path)), f"{expert.path}/{file.path}", file.size, file.sha256)
            for expert in experts
            for file in expert.files
        ]
        todo = [file for file in files if not self._known(file)]
        if not todo:
            return
        total = sum(size for _, _, size, _ in files)
        before = total - sum(size for _, _, size, _ in todo)
        told(before, total)
        good = await _in_a_child(todo, lambda done: told(before + done, total))
        digests = {path: sha256.lower() for path, _, _, sha256 in todo}
        self.verified |= {path: [*identity, digests[path]] for path, *identity in good}
        self.verified = dict(list(self.verified.items())[-CACHE_ENTRIES:])
        disk.write_json(str(self.memory), self.verified)

    def _known(self, file: Listed) -> bool:
        path, _, size, sha256 = file
        try:
            _, *identity = verify.identity(path)
        except OSError:
            return False
        return identity[1] == size and self.verified.get(path) == [*identity, sha256.lower()]

    def _inside(self, *parts: str) -> Path:
        """Links may lead to another place of the store (as in a hub's cache), never out of it."""
        written = "/".join(parts)
        for part in parts:
            pure = PurePosixPath(part)
            if not part or pure.is_absolute() or ".." in pure.parts or "\0" in part:
                raise BadCheckpoint(f"The manifest names {written!r}, which leaves the checkpoint store.")
        try:
            found = self.store.joinpath(*parts).resolve()
        except (OSError, RuntimeError):  # a circle of links
            raise BadCheckpoint(f"The manifest names {written!r}, which cannot be resolved.") from None
        if not found.is_relative_to(self.store):
            raise BadCheckpoint(f"The manifest names {written!r}, which leaves the checkpoint store.")
        return found


async def _in_a_child(
    files: Sequence[Listed], told: Callable[[int], None]
) -> list[tuple[str, int, int, int]]:
    """The identities of the files, all of which are right. Raises `BadCheckpoint`. Ends with its caller."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-E", "-m", "scheduler.agent.verify",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, limit=1 << 26,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(files).encode())
        child.stdin.close()
        async for line in child.stdout:
            said = json.loads(line)
            if "good" in said:
                return [(path, mtime, size, inode) for path, mtime, size, inode in said["good"]]
            if "bad" in said:
                raise BadCheckpoint(said["bad"])
            told(said["done"])
        raise BadCheckpoint("The checkpoint could not be verified: the verifying process ended early.")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(child.wait())
