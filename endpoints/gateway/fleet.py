"""What this gateway knows of instances by itself, and which of them gets the next call.

A call goes to the ready instance with the fewest calls under way for its weight: a fresh one counts as a fraction of
the others at first (slow start). A prompt whose beginning an instance saw goes there again while that instance is
only a little busier than the least busy. An instance works on `slots` calls at once, shared by all gateways; when
all are full a call waits in its endpoint's queue, first come, first served.

An instance that refuses connections, or fails several calls in a row, or falls silent and answers no probe, is away:
asked again only when a probe succeeds, or when there is no other.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from endpoints.gateway import errors
from endpoints.gateway.affinity import Affinity
from endpoints.gateway.background import Beat
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Upstream

log = structlog.get_logger()

FIRST_PROBE_SECONDS = 0.1
SLOWEST_PROBE_SECONDS = 2.0
FAILURES_IN_A_ROW = 3
SLOW_START_SECONDS = 10.0
LEAST_WEIGHT = 0.1
LEAST_IMBALANCE = 2  # calls more than the least busy that a seen beginning is worth
IMBALANCE = 0.25  # … or this share of the least busy's calls
SILENT_SECONDS = 3.0  # without a byte on any of its calls an instance is probed …
LOST_SECONDS = 10.0  # … and after this, with no probe answered, its streams are given up
LOOK_EVERY = 1.0

Probe = Callable[[Upstream], Awaitable[bool]]


class CallUnderWay(Protocol):
    """What the fleet needs of an attempt."""

    begun: bool  # the client may have seen something of it

    @property
    def waits_since(self) -> float | None:
        """Monotonic time since when it waits for the instance's next byte, if it does."""

    def abandon(self) -> None:
        """The instance answers nobody: fail where the call stands now."""


@dataclass(slots=True)
class Instance:
    """One instance as this gateway sees it."""

    upstream: Upstream
    endpoint: str
    calls: set[CallUnderWay] = field(default_factory=set)
    taken: int = 0  # calls chosen for it, under way or about to be
    failures: int = 0  # in a row
    ejections: int = 0  # in a row
    silent_since: float = 0.0  # when a probe first went unanswered; 0 while it answers
    probing: asyncio.Task[None] | None = None  # it is away while this runs
    looking: asyncio.Task[None] | None = None  # somebody asks whether its silence means anything


@dataclass(slots=True, eq=False)
class Waiter:
    tried: Collection[str]
    preferred: str | None
    turn: asyncio.Future[Upstream | None]


class Fleet:
    def __init__(
        self,
        table: RouteTable,
        probe: Probe,
        queue_limit: int = 1000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.affinity = Affinity()
        self.gateways = 1  # that share the instances' slots
        self._table = table
        self._probe = probe
        self._queue_limit = queue_limit
        self._now = now
        self._instances: dict[str, Instance] = {}
        self._queues: dict[str, deque[Waiter]] = {}
        self._watching: asyncio.Task[None] | None = None
        self.beat = Beat()
        table.watch(self._route_changed)

    # ----- choosing ---------------------------------------------------------------------------------------

    async def take(
        self, endpoint: str, tried: Collection[str], preferred: str | None = None
    ) -> Upstream | None:
        """The instance to ask next, counted as busy until `give_back`; None when there is no other left.

        Waits in the endpoint's queue while all are full. Raises 429 when the queue is full too.
        """
        queue = self._queues.get(endpoint)
        if not queue:
            candidates = self._candidates(endpoint, tried)
            chosen = self.choose(candidates, preferred)
            if chosen is not None or not candidates:
                return self._taken(endpoint, chosen)
            queue = self._queues.setdefault(endpoint, deque())
        if len(queue) >= self._queue_limit:
            raise errors.queue_full(len(queue))
        return await self._in_turn(endpoint, queue, Waiter(tried, preferred, asyncio.Future()))

    async def _in_turn(self, endpoint: str, queue: deque[Waiter], waiter: Waiter) -> Upstream | None:
        queue.append(waiter)
        # Those before may have their turn already, and not have left yet: then nobody else would serve this one.
        self._serve_queue(endpoint)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():
                chosen = waiter.turn.result()
                if chosen is not None:
                    self.give_back(chosen.id)
            raise
        finally:
            if waiter in queue:
                queue.remove(waiter)
            if not queue and self._queues.get(endpoint) is queue:
                del self._queues[endpoint]

    def choose(self, candidates: Sequence[Upstream], preferred: str | None = None) -> Upstream | None:
        """None when all that could be asked are full. The ones away are asked only where no other is."""
        answering = [upstream for upstream in candidates if not self.is_away(upstream.id)] or candidates
        usable = [upstream for upstream in answering if not upstream.spare] or answering
        free = [upstream for upstream in usable if self._has_room(upstream)]
        if not free:
            return None
        least = min(free, key=self._load)
        if preferred is not None:
            bound = self._busy(least.id) + max(LEAST_IMBALANCE, IMBALANCE * self._busy(least.id))
            for upstream in free:
                if upstream.id == preferred and self._busy(upstream.id) <= bound:
                    return upstream
        return least

    def _candidates(self, endpoint: str, tried: Collection[str]) -> list[Upstream]:
        route = self._table.route(endpoint)
        return [] if route is None else [upstream for upstream in route.upstreams if upstream.id not in tried]

    def _has_room(self, upstream: Upstream) -> bool:
        return not upstream.slots or self._busy(upstream.id) < self._share(upstream.slots)

    def _share(self, slots: int) -> int:
        """Rounded up: slots that nobody may use are worse than a short queue at the instance."""
        return -(-slots // max(self.gateways, 1))

    def _load(self, upstream: Upstream) -> tuple[float, float]:
        return (self._busy(upstream.id) + 1) / self._weight(upstream.id), random.random()

    def _weight(self, instance: str) -> float:
        age = self._now() - self._table.routed_since(instance)
        return min(max(age / SLOW_START_SECONDS, LEAST_WEIGHT), 1.0)

    def _busy(self, instance: str) -> int:
        known = self._instances.get(instance)
        return known.taken if known is not None else 0

    def _taken(self, endpoint: str, upstream: Upstream | None) -> Upstream | None:
        if upstream is not None:
            self._known(endpoint, upstream).taken += 1
        return upstream

    def _known(self, endpoint: str, upstream: Upstream) -> Instance:
        known = self._instances.get(upstream.id)
        if known is None:
            known = self._instances[upstream.id] = Instance(upstream, endpoint)
        known.upstream = upstream
        return known

    def give_back(self, instance: str) -> None:
        """A call that `take` had chosen has ended: the next in the queue may have its place."""
        known = self._instances[instance]
        known.taken -= 1
        self._serve_queue(known.endpoint)
        self._forget_if_idle(known)

    def _serve_queue(self, endpoint: str) -> None:
        """Hands what is free to those who wait, in their order; whoever has nobody left to ask hears so."""
        for waiter in list(self._queues.get(endpoint, ())):
            if waiter.turn.done():
                continue
            candidates = self._candidates(endpoint, waiter.tried)
            chosen = self.choose(candidates, waiter.preferred)
            if chosen is not None or not candidates:
                waiter.turn.set_result(self._taken(endpoint, chosen))

    def share_slots(self, gateways: int) -> None:
        """How many gateways, this one included, the instances' slots are for."""
        self.gateways = gateways
        for endpoint in list(self._queues):
            self._serve_queue(endpoint)

    def _route_changed(self, endpoint: str) -> None:
        if endpoint in self._queues:
            self._serve_queue(endpoint)

    def _forget_if_idle(self, known: Instance) -> None:
        """Nothing is kept of an instance that is no longer routed, nor of one with nothing to remember."""
        is_routed = self._table.is_routed(known.upstream.id)
        remembers = known.probing is not None or known.failures or known.ejections
        if not known.taken and not (is_routed and remembers):
            self._instances.pop(known.upstream.id, None)

    # ----- what happens to calls --------------------------------------------------------------------------

    def began(self, upstream: Upstream, call: CallUnderWay) -> None:
        self._instances[upstream.id].calls.add(call)

    def ended(self, upstream: Upstream, call: CallUnderWay) -> None:
        self._instances[upstream.id].calls.discard(call)

    def succeeded(self, instance: str) -> None:
        known = self._instances.get(instance)
        if known is not None:
            known.failures = known.ejections = 0

    def failed(self, instance: str, reason: str, *, refuses: bool) -> None:
        """One call did not get its answer. Enough of them in a row, or a refused connection, and it is away."""
        known = self._instances[instance]
        log.info("instance failed", endpoint=known.endpoint, instance=instance, reason=reason)
        known.failures += 1
        if refuses or known.failures >= FAILURES_IN_A_ROW:
            self._eject(known)

    def under_way(self, instance: str) -> int:
        return self._busy(instance)

    def waiting(self, endpoint: str) -> int:
        return len(self._queues.get(endpoint, ()))

    def waiting_in_all(self) -> int:
        return sum(map(len, self._queues.values()))

    # ----- instances that are away ------------------------------------------------------------------------

    def is_away(self, instance: str) -> bool:
        known = self._instances.get(instance)
        return known is not None and known.probing is not None

    def _eject(self, known: Instance) -> None:
        if known.probing is None:
            log.warning("instance away", endpoint=known.endpoint, instance=known.upstream.id)
            known.probing = asyncio.create_task(self._until_back(known))
            known.ejections += 1

    async def _until_back(self, known: Instance) -> None:
        """Each ejection in a row, with no answered call between, makes the first pause longer."""
        pause = min(FIRST_PROBE_SECONDS * 2**known.ejections, SLOWEST_PROBE_SECONDS)
        try:
            while self._table.is_routed(known.upstream.id):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, SLOWEST_PROBE_SECONDS)
                if await self._probe(known.upstream):
                    log.info("instance back", endpoint=known.endpoint, instance=known.upstream.id)
                    return
        finally:
            known.probing = None
            known.failures = 0
            self._serve_queue(known.endpoint)
            self._forget_if_idle(known)

    # ----- instances that fall silent ---------------------------------------------------------------------

    def start(self) -> None:
        """Begins to watch for instances that take calls and say nothing more, as a frozen one does."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await self.beat.pause(LOOK_EVERY)
            for known in list(self._instances.values()):
                self._look_at(known)

    def _look_at(self, known: Instance) -> None:
        if known.looking is None and self._kept_waiting(known):
            known.looking = asyncio.create_task(self._ask_silent(known))

    def _kept_waiting(self, known: Instance) -> list[CallUnderWay]:
        before = self._now() - SILENT_SECONDS
        return [call for call in known.calls if call.waits_since is not None and call.waits_since < before]

    async def _ask_silent(self, known: Instance) -> None:
        """A long silence may be hard work: only one that answers no probe either is given up.

        Calls of which nobody has seen anything go elsewhere at once, streams only when it stays so.
        """
        asked = time.monotonic()
        try:
            if await self._probe(known.upstream):
                known.silent_since = 0.0
                return
            if self.beat.was_late_since(asked):
                return  # it may have answered while we were too busy to hear it
            now = self._now()
            known.silent_since = known.silent_since or now
            self._eject(known)
            is_lost = now - known.silent_since > LOST_SECONDS - SILENT_SECONDS
            for call in self._kept_waiting(known):
                if is_lost or not call.begun:
                    call.abandon()
        finally:
            known.looking = None

    async def close(self) -> None:
        tasks = [
            task for known in self._instances.values() for task in (known.probing, known.looking) if task
        ]
        tasks += [self._watching] if self._watching else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
