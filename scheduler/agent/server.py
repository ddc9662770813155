"""A model server with its keeper, as processes: starting both, knowing of their end, ending both.

What the server answers is no business of this file; see `scheduler.agent.instance`.
"""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from scheduler.agent import keeper, ports, procs, runtime
from scheduler.agent.checkpoints import ROOT, Checkpoints
from scheduler.agent.exits import FirstExit
from scheduler.agent.settings import Settings
from scheduler.agent.state import InstanceFolder, Process, Record
from scheduler.wire import Wished

LOOK_EVERY = 0.02  # seconds, while something is about to start or end
SETTLE_SECONDS = 5.0  # for a keeper to say how its server ended, and to go
KEEPER_SECONDS = 1.0  # what a keeper may take longer than its server
ADDRESS_IN_USE = re.compile(r"address (is )?already in use|EADDRINUSE|couldn't bind", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """What all instances of this agent share."""

    settings: Settings
    marker: str  # value of the node marker in the environment of our processes
    environment: dict[str, str]
    checkpoints: Checkpoints
    ports: set[int]
    changed: Callable[[], None]


class Server:
    def __init__(self, folder: InstanceFolder, site: Site) -> None:
        self.folder = folder
        self.site = site
        self.host = site.settings.address
        self.port = 0
        self.record: Record | None = None
        self._keeper: subprocess.Popen[bytes] | None = None  # where this agent is its parent
        self._exits = FirstExit([])

    @property
    def gone(self) -> asyncio.Event:
        """Set as soon as keeper or server has ended."""
        return self._exits.gone

    def close(self) -> None:
        self._exits.close()
        self.site.ports.discard(self.port)

    # --- start ------------------------------------------------------------------------------------------

    async def launch(self, wished: Wished) -> None:
        """Returns when the keeper has said who it is, or has ended.

        Raises `BadTemplate`, `BadCheckpoint` or OSError where nothing could be started.
        """
        self._choose_port()
        self._exits.close()
        self._exits = FirstExit([])
        self.folder.arm(self._spec(wished))
        environment = runtime.inherited(
            self.site.environment, instance=wished.id, node=self.site.marker, attempt=wished.attempt
        )
        # Without site-packages the interpreter is small: `tests/agent/test_keeper.py` says how small.
        argv = [sys.executable, "-S", "-E", "-m", keeper.__name__, str(self.folder.path / "spec.json")]
        with (self.folder.path / "keeper.log").open("wb") as log:
            self._keeper = subprocess.Popen(  # noqa: ASYNC220  (a matter of a millisecond)
                argv, cwd=ROOT, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        while self._keeper.poll() is None:
            record = self.folder.record()
            if record:
                self.attach(record)
                return
            await asyncio.sleep(LOOK_EVERY)
        self.gone.set()

    def attach(self, record: Record) -> None:
        self.record = record
        self.host, self.port = record.host, record.port
        self.site.ports.add(record.port)
        self._exits.close()
        self._exits = FirstExit([record.keeper, record.server])
        self.site.changed()

    def _choose_port(self) -> None:
        self.site.ports.discard(self.port)
        self.host = self.site.settings.address
        self.port = ports.free(self.host, self.site.ports)
        self.site.ports.add(self.port)

    def _spec(self, wished: Wished) -> dict[str, object]:
        settings, checkpoints = self.site.settings, self.site.checkpoints
        folder = checkpoints.folder(wished.experts[0]) if wished.experts else settings.store
        launch = runtime.render(wished, folder=folder, host=self.host, port=self.port)
        return {
            "attempt": wished.attempt,
            "argv": launch.argv,
            "env": launch.env,
            "token_file_env": wished.runtime.token_file_env,
            "token_env": wished.runtime.token_env,
            "host": self.host,
            "port": self.port,
            "stop_seconds": wished.runtime.stop_seconds,
            "lifeline": settings.lifeline,
            "lifeline_seconds": settings.lifeline_seconds,
        }

    def lost_the_race(self) -> bool:
        """Whether it ended for no fault of its own: its port, or the folder's lock, was somebody else's."""
        ended = self.folder.exit()
        if ended is None:
            return self._keeper is not None and self._keeper.returncode in {keeper.LOCKED, keeper.STALE}
        if self.folder.was_ready() or ended["asked"] or ended["error"]:
            return False
        said = "\n".join(self.folder.log_tail(20, ""))
        return bool(ADDRESS_IN_USE.search(said)) or ports.is_taken(self.host, self.port)

    # --- the end ----------------------------------------------------------------------------------------

    async def settle(self, stop_seconds: float) -> None:
        """After `gone`: keeper and server end together, and who is left over is ended."""
        if (self.record and self.record.server.alive()) or not await self._ended(SETTLE_SECONDS):
            await self.terminate(stop_seconds)
        else:
            await self._sweep()

    async def terminate(self, stop_seconds: float) -> None:
        """Returns when nothing of the instance lives."""
        # 1. Ask the keeper, which asks the server; without a keeper, the server itself.
        patience = stop_seconds + (KEEPER_SECONDS if self._ask() else 0.0)
        # 2. The keeper kills after `stop_seconds`; where it does not come to that, it is done here.
        while not await self._ended(patience):
            self._kill()
            patience = KEEPER_SECONDS
        # 3. And what only carries our marker.
        await self._sweep()

    def _ask(self) -> bool:
        """TERM; whether a keeper passes it on."""
        record = self.folder.record()
        if self._keeper and self._keeper.poll() is None:
            self._keeper.terminate()
        elif record and record.keeper.alive():
            record.keeper.send(signal.SIGTERM)
        else:
            if record:
                record.server.send(signal.SIGTERM)
            return False
        return True

    def _kill(self) -> None:
        record = self.folder.record()
        if record:
            record.kill()
        if self._keeper and self._keeper.poll() is None:
            self._keeper.kill()

    async def _ended(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._lives():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(LOOK_EVERY)
        return True

    def _lives(self) -> bool:
        if self._keeper and self._keeper.poll() is None:
            return True
        record = self.folder.record()
        return record is not None and record.alive()

    async def _sweep(self) -> None:
        """Ends processes that the server started and left behind."""
        while left := [
            Process(pid, start)
            for pid, start, instance, _ in procs.marked(self.site.marker)
            if instance == self.folder.id
        ]:
            for process in left:
                process.send(signal.SIGKILL)
            await asyncio.sleep(LOOK_EVERY)
