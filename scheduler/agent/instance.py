"""One instance on this node: from verifying its checkpoint to the end of its last process.

Orders (`start`, `drain`, `resume`, `end`) take effect at once on `phase` and replace the task that carried
out the order before. Whatever happens to keeper and server, a living process of the instance always has a
task here that looks after it.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Literal

from scheduler.agent import probe
from scheduler.agent.checkpoints import BadCheckpoint
from scheduler.agent.reconcile import Known
from scheduler.agent.runtime import BadTemplate
from scheduler.agent.server import Server, Site
from scheduler.agent.state import InstanceFolder, Outcome
from scheduler.wire import Progress, Seen, Wished

STARTING_EVERY = 0.2  # seconds between probes
READY_EVERY = 2.0
DRAINING_EVERY = 0.25
PROBE_SECONDS = 2.0
MISSES = 3  # unanswered probes until a ready instance is not ready
LAUNCHES = 3  # ports tried within an attempt
DRAIN_LEAST = 1.0  # the gateways learn of the drain within this time
LOG_LINES = 20

logger = logging.getLogger(__name__)

Phase = Literal["verifying", "starting", "warming", "ready", "draining", "ending", "exited", "stopped"]


class Instance:
    def __init__(self, wished: Wished, folder: InstanceFolder, site: Site) -> None:
        self.wished = wished
        self.folder = folder
        self.site = site
        self.phase: Phase = "verifying"
        self.sentence = ""
        self.progress: Progress | None = None
        self.in_flight: int | None = None
        self.server = Server(folder, site)
        self.outcome: Outcome | None = None
        self._drain_seconds = 0
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def restored(cls, folder: InstanceFolder, site: Site) -> "Instance | None":
        """As an earlier agent left it; None where nothing was begun, so that the attempt may begin again."""
        wished, record, outcome = folder.wished(), folder.record(), folder.outcome()
        if wished is None or not (record or outcome or folder.exit()):
            return None
        instance = cls(wished, folder, site)
        if outcome:
            instance.outcome = outcome
            instance.phase = "exited" if outcome.state == "exited" else "stopped"
        elif record and record.alive():
            instance.phase = "ready" if folder.was_ready() else "starting"
            instance.server.attach(record)
            instance._now(instance._look_after)
        else:
            instance._explain(seen_alive=False)
        return instance

    # --- what it is -------------------------------------------------------------------------------------

    @property
    def known(self) -> Known:
        match self.phase:
            case "draining" | "ending" | "exited" | "stopped":
                return Known(self.wished.attempt, self.phase)
        return Known(self.wished.attempt, "up")

    def seen(self) -> Seen:
        outcome, record = self.outcome, self.server.record
        return Seen(
            id=self.wished.id,
            attempt=self.wished.attempt,
            state="draining" if self.phase == "ending" else self.phase,
            pid=record.server.pid if record and not outcome else 0,
            host=record.host if record and not outcome else "",
            port=record.port if record and not outcome else 0,
            progress=self.progress,
            in_flight=self.in_flight,
            error=outcome.error if outcome else "",
            sentence=outcome.sentence if outcome else self.sentence,
            exit_code=outcome.exit_code if outcome else None,
            log_tail=outcome.log_tail if outcome else [],
        )

    # --- orders -----------------------------------------------------------------------------------------

    def start(self) -> None:
        self.folder.begin(self.wished)
        self._now(self._start)

    def drain(self, wished: Wished) -> None:
        self._drain_seconds = wished.drain_seconds
        self._become("draining")
        self._now(self._drain)

    def resume(self) -> None:
        self._become("ready" if self.folder.was_ready() else "starting")
        self._now(self._look_after)

    def end(self) -> None:
        self._become("ending")
        self._now(self._end)

    def let_go(self) -> None:
        """The agent ends; the processes stay."""
        if self._task:
            self._task.cancel()
        self.server.close()

    def _now(self, work: Callable[[], Awaitable[None]]) -> None:
        before = self._task
        self._task = asyncio.create_task(self._replace(before, work), name=f"instance {self.wished.id}")

    async def _replace(self, before: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
        if before:
            before.cancel()
            await asyncio.wait([before])
        try:
            await work()
        except Exception:
            # A mistake of ours must not leave a process that nobody looks after.
            logger.exception("The agent failed with instance %s; it is ended.", self.wished.id)
            await self.server.terminate(self.wished.runtime.stop_seconds)
            self._over("exited", "launch", "The node's agent failed with this instance; see its log.")

    # --- the life ---------------------------------------------------------------------------------------

    async def _start(self) -> None:
        # 1. Nothing is loaded that is not what the manifest says.
        try:
            await self.site.checkpoints.verify(self.wished.experts, self._verified)
        except BadCheckpoint as bad:
            self._over("exited", "manifest", str(bad))
            return
        # 2. Launch; a port that somebody else got first costs another launch, not the attempt.
        for left in reversed(range(LAUNCHES)):
            self._become("starting")
            try:
                await self.server.launch(self.wished)
            except (BadTemplate, BadCheckpoint, OSError) as error:
                self._over("exited", "launch", str(error))
                return
            await self._watch()
            if self.outcome:
                return
            if not (left and self.server.lost_the_race()):
                break
        # 3. It has ended by itself.
        self._explain(seen_alive=True)

    async def _look_after(self) -> None:
        await self._watch()
        if not self.outcome:
            self._explain(seen_alive=True)

    async def _drain(self) -> None:
        """Until nothing is unfinished on two looks in a row, or the time is up; then it is ended.

        As everywhere here, time that this process spent frozen does not count.
        """
        waited, quiet = 0.0, 0
        while self.folder.was_ready() and waited < self._drain_seconds:
            if self.server.gone.is_set() or (waited >= DRAIN_LEAST and quiet >= 2):
                break
            begun = time.monotonic()
            await self._nap(DRAINING_EVERY)
            unfinished = await probe.in_flight(self._target(), self.wished.runtime, PROBE_SECONDS)
            waited += min(time.monotonic() - begun, DRAINING_EVERY + PROBE_SECONDS)
            quiet = quiet + 1 if unfinished == 0 else 0
            if unfinished != self.in_flight:
                self.in_flight = unfinished
                self.site.changed()
        self._become("ending")
        await self._end()

    async def _end(self) -> None:
        await self.server.terminate(self.wished.runtime.stop_seconds)
        self._over("stopped")

    def _verified(self, done: int, total: int) -> None:
        self.progress = Progress("verifying", done, total)
        self.site.changed()

    # --- watching ---------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Until keeper and server are gone. Concludes the attempt only where the agent gives it up."""
        while not self.server.gone.is_set():
            if self.phase == "ready":
                await self._while_ready()
            elif not await self._until_ready():
                seconds = self.wished.runtime.start_seconds
                error = "crash" if self.folder.was_ready() else "launch"
                await self.server.terminate(self.wished.runtime.stop_seconds)
                self._over("exited", error, f"The model server did not get ready within {seconds} seconds.")
                return
        await self.server.settle(self.wished.runtime.stop_seconds)

    async def _until_ready(self) -> bool:
        """False when the server took too long."""
        waited = 0.0
        while not self.server.gone.is_set():
            begun = time.monotonic()
            if await self._healthy() and await self._warm():
                self.folder.mark_ready()
                self._become("ready")
                return True
            await self._nap(STARTING_EVERY)
            waited += min(time.monotonic() - begun, PROBE_SECONDS + self._warm_seconds())
            if waited >= self.wished.runtime.start_seconds:
                return False
        return True

    async def _warm(self) -> bool:
        """Health alone does not say that it answers; what was ready once needs no second proof."""
        if self.folder.was_ready():
            return True
        if self.phase != "warming":
            self._become("warming")
        status = await self._unless_gone(
            probe.warm_up(self._target(), self.wished.runtime, self.wished.name, self._warm_seconds())
        )
        if status == 200 or self.server.gone.is_set():
            return status == 200
        said = f"was answered with status {status}" if status else "was not answered"
        self._become("warming", f"The warm-up request {said}.")
        return False

    def _warm_seconds(self) -> float:
        return float(max(1, self.wished.runtime.start_seconds))

    async def _healthy(self) -> bool:
        return await probe.healthy(self._target(), self.wished.runtime, PROBE_SECONDS)

    def _target(self) -> probe.Target:
        return probe.Target(self.server.host, self.server.port, self.wished.token)

    async def _while_ready(self) -> None:
        """Until it does not answer, or is gone."""
        misses = 0
        while not self.server.gone.is_set():
            misses = 0 if await self._healthy() else misses + 1
            if misses >= MISSES and not self.server.gone.is_set():
                self._become("starting", "The model server does not answer.")
                return
            await self._nap(READY_EVERY if not misses else STARTING_EVERY)

    async def _nap(self, seconds: float) -> None:
        """Waits, less when a process ends meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.server.gone.wait()

    async def _unless_gone(self, question: Coroutine[None, None, int]) -> int:
        """The answer, 0 when a process ends before."""
        asked = asyncio.create_task(question)
        gone = asyncio.create_task(self.server.gone.wait())
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else 0
        finally:
            asked.cancel()
            gone.cancel()

    # --- the last word ----------------------------------------------------------------------------------

    def _explain(self, *, seen_alive: bool) -> None:
        """The attempt has ended and nobody here asked for it."""
        ended = self.folder.exit()
        if ended is None:
            if seen_alive:
                self._over("exited", "crash", "The keeper of the model server was killed.")
            else:
                self._over("exited", "machine", "The model server was gone when the node's agent came back.")
        elif ended["error"]:
            self._over("exited", "launch", f"The model server could not be started: {ended['error']}.")
        elif ended["asked"]:
            self._over(
                "exited", "machine", "The model server was ended together with its machine.", ended["code"]
            )
        else:
            error = "crash" if self.folder.was_ready() else "launch"
            self._over("exited", error, how_it_ended(ended["code"]), ended["code"])

    def _over(
        self,
        state: Literal["exited", "stopped"],
        error: str = "",
        sentence: str = "",
        code: int | None = None,
    ) -> None:
        self.server.close()
        tail = self.folder.log_tail(LOG_LINES, self.wished.token) if state == "exited" else []
        self.outcome = Outcome(self.wished.attempt, state, error, sentence, code, tail)
        self.folder.conclude(self.outcome)
        self.progress = self.in_flight = None
        self._become(state, sentence)

    def _become(self, phase: Phase, sentence: str = "") -> None:
        if phase != "verifying":
            self.progress = None
        if (self.phase, self.sentence) != (phase, sentence):
            self.phase, self.sentence = phase, sentence
            self.site.changed()


def how_it_ended(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"The model server was killed by {name}."
    return f"The model server ended by itself with exit code {code}."
