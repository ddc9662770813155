"""The agent's loop: make the node as the wish says, look, report. Runs on a thread of its own.

It never waits for the broker: without one it goes on with the last wish, which is also kept on disk.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

import msgspec

from scheduler import registers, wire
from scheduler.agent import procs
from scheduler.agent.checkpoints import Checkpoints
from scheduler.agent.instance import Instance
from scheduler.agent.post import Answer, BadWish, BrokerAway, Post
from scheduler.agent.reconcile import (
    OVER,
    Action,
    Drain,
    End,
    Forget,
    Kill,
    Known,
    Resume,
    Start,
    Stray,
    foreign,
    reconcile,
    unowned,
)
from scheduler.agent.server import Site
from scheduler.agent.settings import Settings
from scheduler.agent.state import SAFE_ID, StateFolder

COALESCE = 0.05  # seconds in which changes join one report
HEARTBEAT = 2.0
WISH_EVERY = 1.0  # a lost wake-up costs this much
RETRY = 0.5
RETRY_HELD = 5.0
STEP_EVERY = 1.0
SCAN_EVERY = 10.0  # for processes that nobody takes care of
KILL_AFTER = 5.0  # seconds between TERM and KILL of such a process

logger = logging.getLogger(__name__)


class Agent:
    def __init__(self, settings: Settings, state: StateFolder, post: Post) -> None:
        self.settings = settings
        self.state = state
        self.post = post
        self.id = state.agent_id()
        self.boot = state.next_boot()
        self.seq = 0
        self.marker = f"{settings.node}+{self.id}"
        state.mark(self.marker)
        self.site = Site(
            settings=settings,
            marker=self.marker,
            environment=dict(os.environ),
            checkpoints=Checkpoints(settings.store, settings.folder / "verified.json"),
            ports=set(),
            changed=self._changed,
        )
        self.instances: dict[str, Instance] = {}
        self.strays: list[Stray] = []
        self.wish: wire.Wish | None = None  # the one that is followed
        self.kept: wire.Wish | None = None  # the one on disk, followed when the broker has none
        self.bars: set[str] = set()  # why no process may be touched
        self._said = ""
        self._told: wire.Report | None = None  # last accepted report
        self._told_at = 0.0
        self._seen_wish = b""
        self._scan_at = 0.0
        self._termed: dict[Stray, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- from other threads -----------------------------------------------------------------------------

    def run(self) -> None:
        """Until `stop`. Processes stay as they are."""
        asyncio.run(self._main())

    def wake(self) -> None:
        self._call(self._news.set)

    def stop(self) -> None:
        self._call(self._stopping.set)

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    # --- the loop ---------------------------------------------------------------------------------------

    async def _main(self) -> None:
        self._news, self._stirred, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._restore()
        tasks = [asyncio.create_task(self._correspond()), asyncio.create_task(self._tend())]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        for instance in self.instances.values():
            instance.let_go()

    def _restore(self) -> None:
        for folder in self.state.instances():
            instance = Instance.restored(folder, self.site)
            if instance:
                self.instances[folder.id] = instance
        sealed = self.state.read_wish()
        if sealed:
            try:
                self.kept = self.post.opened(sealed)
            except BadWish as bad:
                logger.warning("The wish kept on disk is left aside. %s", bad)

    async def _tend(self) -> None:
        while True:
            self._stirred.clear()
            try:
                self.step()
            except Exception:
                logger.exception("A round of the agent failed; it goes on.")
            await _set_within(self._stirred, STEP_EVERY)

    async def _correspond(self) -> None:
        while True:
            self._news.clear()
            try:
                pause = await self._exchange()
            except Exception:
                logger.exception("The exchange with control failed; it is tried again.")
                pause = RETRY
            if pause:
                await asyncio.sleep(pause)
            elif await _set_within(self._news, WISH_EVERY):
                await asyncio.sleep(COALESCE)

    # --- acting -----------------------------------------------------------------------------------------

    def step(self) -> None:
        """One round. Called again at every change, and at least every second."""
        if self.wish is None or self.bars:
            return
        self._scan()
        known = self._known()
        for action in reconcile(self.wish, known, self.strays):
            self._do(action)

    def _known(self) -> dict[str, Known]:
        return {id: instance.known for id, instance in self.instances.items()}

    def _scan(self) -> None:
        now = time.monotonic()
        if self.strays:
            self.strays = [stray for stray in self.strays if procs.alive(stray.pid, stray.start)]
        if now >= self._scan_at:
            self._scan_at = now + SCAN_EVERY
            known = self._known()
            self.strays = unowned(known, (Stray(*found) for found in procs.marked(self.marker)))
            self._termed = {stray: at for stray, at in self._termed.items() if stray in self.strays}

    def _do(self, action: Action) -> None:
        match action:
            case Start(wished):
                self.instances[wished.id] = Instance(wished, self.state.instance(wished.id), self.site)
                self.instances[wished.id].start()
                self._changed()
            case Drain(wished):
                self.instances[wished.id].drain(wished)
            case Resume(id):
                self.instances[id].resume()
            case End(id):
                self.instances[id].end()
            case Forget(id):
                self.instances.pop(id).folder.remove()
                self._changed()
            case Kill(stray):
                self._kill(stray)

    def _kill(self, stray: Stray) -> None:
        now = time.monotonic()
        since = self._termed.setdefault(stray, now)
        number = signal.SIGTERM if now - since < KILL_AFTER else signal.SIGKILL
        procs.send(stray.pid, stray.start, number)

    def _changed(self) -> None:
        self._stirred.set()
        self._news.set()

    # --- reporting and hearing --------------------------------------------------------------------------

    async def _exchange(self) -> float:
        """One exchange with the broker; returns how long to keep away from it, 0 for not at all."""
        report = self._due()
        news = report is not None and not _same(report, self._told)
        try:
            answer = await asyncio.to_thread(self.post.exchange, report, news=news)
        except registers.HeldByAnother:
            self._bar(
                "holder", f"Node {self.settings.node} is joined by another agent; this one touches nothing."
            )
            return RETRY_HELD
        except BrokerAway:
            self._follow_kept()
            return RETRY
        self._unbar("holder")
        if report and answer.standing:
            self._accepted(report, answer)
        if answer.wish is not None and answer.wish != self._seen_wish:
            self._hear(answer.wish)
        self._follow_kept()
        return 0.0

    def _due(self) -> wire.Report | None:
        report = self.report()
        if _same(report, self._told) and time.monotonic() - self._told_at < HEARTBEAT:
            return None
        self.seq += 1
        return msgspec.structs.replace(report, seq=self.seq)

    def _accepted(self, report: wire.Report, answer: Answer) -> None:
        if answer.standing and answer.standing.taken:
            self._told, self._told_at = report, time.monotonic()
            return
        # An older life of this agent has counted further than its folder remembers: begin above it.
        standing_boot = wire.unpacked(answer.standing.number)[0] if answer.standing else 0
        self.boot, self.seq = self.state.next_boot(above=standing_boot), 0
        self._told = None
        self._news.set()

    def report(self) -> wire.Report:
        wish = self.wish
        named = {wished.id for wished in wish.instances} if wish else set()
        known = self._known()
        if wish:
            seen = [self._seen(wished) for wished in wish.instances]
        else:
            seen = [instance.seen() for instance in self.instances.values()]
        return wire.Report(
            node=self.settings.node,
            agent=self.id,
            boot=self.boot,
            seq=0,
            incarnation=wish.incarnation if wish else 0,
            epoch=wish.epoch if wish else 0,
            host=self.settings.address,
            machine=socket.gethostname(),
            instances=seen,
            foreign=foreign(named, known, self.strays) if wish else [],
        )

    def _seen(self, wished: wire.Wished) -> wire.Seen:
        instance = self.instances.get(wished.id)
        done = wished.desired in {"drain", "stop"}
        if instance is None:
            return wire.Seen(wished.id, wished.attempt, "stopped" if done else "absent")
        if done and instance.known.life in OVER:
            return msgspec.structs.replace(instance.seen(), attempt=wished.attempt, state="stopped", error="")
        return instance.seen()

    def _hear(self, sealed: bytes) -> None:
        """Takes a wish that is newer than the one followed, and acts on it before the next report."""
        self._seen_wish = sealed
        try:
            wish = self.post.opened(sealed)
        except BadWish as bad:
            self._say(str(bad))
            return
        if wish.agent and wish.agent != self.id:
            self._bar("wish", f"The wish for node {self.settings.node} is meant for another agent.")
            return
        if wish.refusal:
            self._bar("wish", wish.refusal)
            return
        self._unbar("wish")
        newest = self.wish or self.kept
        if newest and wish.number < newest.number:
            self._say(f"A wish older than the one followed was refused ({wish.number} < {newest.number}).")
            return
        bad_ids = [wished.id for wished in wish.instances if not SAFE_ID.fullmatch(wished.id)]
        if bad_ids:
            self._say(f"The wish names an instance {bad_ids[0]!r}, which is no plain name; it is refused.")
            return
        self.state.write_wish(sealed)
        self._follow(wish)

    def _follow_kept(self) -> None:
        if self.wish is None and self.kept and not self.bars:
            self._follow(self.kept)

    def _follow(self, wish: wire.Wish) -> None:
        self.wish = self.kept = wish
        self._scan_at = 0.0
        self.step()
        self._changed()

    def _bar(self, why: str, sentence: str) -> None:
        self.bars.add(why)
        self._say(sentence)

    def _unbar(self, why: str) -> None:
        if why in self.bars:
            self.bars.discard(why)
            self._changed()

    def _say(self, sentence: str) -> None:
        """Once, not at each of the many times the same is found."""
        if sentence != self._said:
            self._said = sentence
            logger.warning("%s", sentence)


def _same(report: wire.Report, other: wire.Report | None) -> bool:
    """Whether both say the same of the node, whenever they said it."""
    return other is not None and report == msgspec.structs.replace(other, seq=report.seq)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
