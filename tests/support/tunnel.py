"""A connection to the broker that can be cut: a Unix socket whose bytes go to another one, as long as the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

PART = 65536


class Tunnel:
    """Listens at `path`. `cut` breaks what is open and refuses what is new; `swallow` keeps all open and silent."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self._target = target
        self._flowing = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.path}"

    async def mend(self) -> None:
        """As good as new; what was swallowed goes on, as after a network's short silence."""
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._connected, self.path)

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()

    def swallow(self) -> None:
        self._flowing.clear()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, onward = await asyncio.open_unix_connection(self._target)
        except OSError:
            back.transport.abort()
            return
        both = {back, onward}
        self._open |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(near, onward))
                group.create_task(self._pass(far, back))
        except* (OSError, RuntimeError):  # an aborted side: the other one ends with it
            pass
        finally:
            self._open -= both
            for writer in both:
                writer.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while part := await source.read(PART):
            await self._flowing.wait()
            sink.write(part)
            await sink.drain()
        raise ConnectionResetError  # one side has ended


@contextlib.asynccontextmanager
async def tunnel(path: Path, target: Path) -> AsyncIterator[Tunnel]:
    made = Tunnel(path, target)
    await made.mend()
    try:
        yield made
    finally:
        made.swallow()
        made.cut()
