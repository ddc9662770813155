"""Instances: which one is asked, and what happens when it does not answer."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import structlog

from endpoints.gateway import errors
from endpoints.gateway.exchange import Attempt, InstanceFailed, address
from endpoints.gateway.formats.call import Call
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Route, Upstream

log = structlog.get_logger()

AT_ONCE = 16  # calls of one request that are begun together
FIRST_PROBE_SECONDS = 0.1
SLOWEST_PROBE_SECONDS = 2.0
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2.0)

Probe = Callable[[Upstream], Awaitable[bool]]


class Fleet:
    """What this gateway knows of instances by itself: their calls under way, and which refuse connections."""

    def __init__(self, probe: Probe, routed: Callable[[str, str], bool]) -> None:
        self._probe = probe
        self._routed = routed
        self._under_way: Counter[str] = Counter()
        self._away: dict[str, asyncio.Task[None]] = {}

    def choose(self, candidates: Sequence[Upstream]) -> Upstream:
        """The one with the fewest calls under way; a spare, or one that is away, only where no other is."""
        return min(candidates, key=self._preference)

    def _preference(self, upstream: Upstream) -> tuple[bool, bool, int, float]:
        chance = random.random()
        return upstream.id in self._away, upstream.spare, self._under_way[upstream.id], chance

    def begun(self, upstream: Upstream) -> None:
        self._under_way[upstream.id] += 1

    def ended(self, upstream: Upstream) -> None:
        self._under_way[upstream.id] -= 1
        if self._under_way[upstream.id] <= 0:
            del self._under_way[upstream.id]

    def under_way(self, instance: str) -> int:
        return self._under_way.get(instance, 0)

    def is_away(self, instance: str) -> bool:
        return instance in self._away

    def eject(self, endpoint: str, upstream: Upstream) -> None:
        if upstream.id not in self._away:
            log.warning("instance away", endpoint=endpoint, instance=upstream.id)
            self._away[upstream.id] = asyncio.create_task(self._until_back(endpoint, upstream))

    async def _until_back(self, endpoint: str, upstream: Upstream) -> None:
        pause = FIRST_PROBE_SECONDS
        try:
            while self._routed(endpoint, upstream.id):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, SLOWEST_PROBE_SECONDS)
                if await self._probe(upstream):
                    log.info("instance back", endpoint=endpoint, instance=upstream.id)
                    return
        finally:
            self._away.pop(upstream.id, None)

    async def close(self) -> None:
        probes = list(self._away.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)


class Upstreams:
    """Calls to the instances of an endpoint. The session is the gateway's one pool of connections."""

    def __init__(self, table: RouteTable, session: aiohttp.ClientSession) -> None:
        self._table = table
        self._session = session
        self.fleet = Fleet(self._answers, table.has_instance)

    @asynccontextmanager
    async def opened(
        self, route: Route, calls: Sequence[Call], request_id: str
    ) -> AsyncIterator[list[Attempt]]:
        """The begun answers in the calls' order: whole ones complete, streams with their first chunk.

        Raises `errors.Refused` when one of them cannot be had. At the end of the block whatever is not
        complete is cancelled at its instance.
        """
        begun: list[Attempt] = []
        try:
            yield await self._open_all(route, calls, request_id, begun)
        finally:
            for attempt in begun:
                attempt.close()

    async def _open_all(
        self, route: Route, calls: Sequence[Call], request_id: str, begun: list[Attempt]
    ) -> list[Attempt]:
        if len(calls) == 1:
            return [await self._open(route, calls[0], request_id, begun)]
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(call: Call) -> Attempt:
            async with turns:
                return await self._open(route, call, request_id, begun)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(in_turn(call)) for call in calls]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _open(self, route: Route, call: Call, request_id: str, begun: list[Attempt]) -> Attempt:
        """Tries one instance after the other until one has begun its answer."""
        tried: Counter[str] = Counter()
        failed: InstanceFailed | None = None
        while candidates := self._candidates(route, tried, failed):
            upstream = self.fleet.choose(candidates)
            tried[upstream.id] += 1
            attempt = Attempt(self._session, self.fleet, upstream, call, request_id)
            begun.append(attempt)
            try:
                await attempt.begin()
                return attempt
            except InstanceFailed as failure:
                failed = failure
                begun.remove(attempt)
                attempt.close()
                log.info(
                    "instance failed", endpoint=route.endpoint, instance=upstream.id, reason=failure.reason
                )
                if failure.refuses:
                    self.fleet.eject(route.endpoint, upstream)
        raise failed.refused if failed else errors.no_answer()

    def _candidates(self, route: Route, tried: Counter[str], failed: InstanceFailed | None) -> list[Upstream]:
        """Those not yet asked, as routed by now; the only one again if it closed a connection we reused."""
        route = self._table.route(route.endpoint) or route
        fresh = [upstream for upstream in route.upstreams if not tried[upstream.id]]
        if not fresh and failed is not None and failed.reset:
            return [upstream for upstream in route.upstreams if tried[upstream.id] < 2]
        return fresh

    async def _answers(self, upstream: Upstream) -> bool:
        """Any word of HTTP but a server error: health paths differ, and some runtimes have none."""
        url = address(upstream) + "/health"
        headers = {"authorization": f"Bearer {upstream.token}"}
        try:
            async with self._session.get(url, headers=headers, timeout=PROBE_TIMEOUT) as response:
                return response.status < 500
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
