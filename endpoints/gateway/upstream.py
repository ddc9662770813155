"""Calls to the instances of an endpoint: one after the other is asked until one has begun its answer."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from endpoints.gateway import errors
from endpoints.gateway.affinity import beginnings
from endpoints.gateway.connections import Connections
from endpoints.gateway.exchange import Attempt, InstanceFailed, common_head
from endpoints.gateway.fleet import Fleet
from endpoints.gateway.formats.call import Call, Clock, Exchange, Json, Listener, Take, Usage
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Route, Upstream

AT_ONCE = 16  # calls of one request that are under way together
PROBE_SECONDS = 2.0

Result = TypeVar("Result")


async def together(asks: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What each returns, in their order. Raises the first failure, which ends the others: one reason is enough."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask) for ask in asks]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


class Opening:
    """The calls of one request. `waited`: seconds that the longest wait for a free instance took."""

    def __init__(self, upstreams: "Upstreams", route: Route, request_id: str) -> None:
        self.waited = 0.0
        self._upstreams = upstreams
        self._route = route
        self._request_id = request_id
        self._begun: list[Attempt] = []

    @cached_property
    def turns(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(AT_ONCE)

    async def all(self, calls: Sequence[Call]) -> list[Exchange]:
        """The answers in the calls' order: whole ones complete, streams with their first chunk.

        Of several streams only the first one is begun: its failure is the request's. The others begin when they
        are read, since an instance that works on the first few takes no more before somebody reads those.
        Raises `errors.Refused`.
        """
        if calls[0].stream:
            return [await self.one(calls[0]), *(Later(self, call) for call in calls[1:])]
        if len(calls) == 1:
            return [await self.one(calls[0])]
        return [*await together(map(self._in_turn, calls))]

    async def _in_turn(self, call: Call) -> Attempt:
        async with self.turns:
            return await self.one(call)

    async def one(self, call: Call) -> Attempt:
        """Tries one instance after the other until one has begun its answer, or refused it for good."""
        fleet, endpoint = self._upstreams.fleet, self._route.endpoint
        blocks = beginnings(endpoint, call) if len(self._route.upstreams) > 1 else []
        preferred = fleet.affinity.preferred(blocks)
        excluded: set[str] = set()
        closed: set[str] = set()  # of those, who closed a connection that was open
        again: set[str] = set()
        failed: InstanceFailed | None = None
        while True:
            upstream = await self._take(endpoint, excluded, preferred)
            if upstream is None and closed:
                # They may have closed one that we used again, and may well take a fresh one.
                excluded -= closed
                again |= closed
                closed = set()
                continue
            if upstream is None:
                raise failed.refused if failed else self._nobody_left()
            excluded.add(upstream.id)
            attempt = self._upstreams.attempt(upstream, call, self._request_id)
            self._begun.append(attempt)
            try:
                await attempt.begin()
            except InstanceFailed as failure:
                failed = failure
                if failure.reset and upstream.id not in again:
                    closed.add(upstream.id)
                self._begun.remove(attempt)
                fleet.failed(upstream.id, failure.reason, refuses=failure.refuses)
                attempt.close()
                continue
            if not call.stream:
                attempt.close()  # it is complete: another call of this request may be waiting for its slot
            fleet.succeeded(upstream.id)
            fleet.affinity.note(blocks, upstream.id)
            return attempt

    async def _take(self, endpoint: str, excluded: set[str], preferred: str | None) -> Upstream | None:
        since = time.perf_counter()
        try:
            return await self._upstreams.fleet.take(endpoint, excluded, preferred)
        finally:
            self.waited = max(self.waited, time.perf_counter() - since)

    def _nobody_left(self) -> errors.Refused:
        route = self._upstreams.table.route(self._route.endpoint)
        if route is None or route.deleted:
            return errors.no_endpoint()
        return errors.no_answer() if route.upstreams else errors.not_live(route)

    def close(self) -> None:
        for attempt in self._begun:
            attempt.close()


class Later:
    """An exchange (see `formats.call.Exchange`) that is begun when it is read."""

    def __init__(self, opening: Opening, call: Call) -> None:
        self.call = call
        self._opening = opening
        self._attempt: Attempt | None = None

    @property
    def instance(self) -> str:
        return self._attempt.instance if self._attempt else ""

    @property
    def clock(self) -> Clock:
        return self._attempt.clock if self._attempt else Clock()

    @property
    def answer(self) -> Json:
        return self._attempt.answer if self._attempt else {}

    @property
    def said_usage(self) -> Json | None:
        return self._attempt.said_usage if self._attempt else None

    def usage(self) -> Usage:
        return self._attempt.usage() if self._attempt else Usage()

    async def pour(self, take: Take, listener: Listener) -> None:
        async with self._opening.turns:
            self._attempt = await self._opening.one(self.call)
            await self._attempt.pour(take, listener)


class Upstreams:
    """The way to the instances."""

    def __init__(self, table: RouteTable, queue_limit: int) -> None:
        self.table = table
        self._connections = Connections()
        self.fleet = Fleet(table, self._answers, queue_limit)

    def opening(self, route: Route, request_id: str) -> Opening:
        """To be closed: whatever is not complete by then is cancelled at its instance."""
        return Opening(self, route, request_id)

    def attempt(self, upstream: Upstream, call: Call, request_id: str) -> Attempt:
        return Attempt(self._connections, self.fleet, upstream, call, request_id)

    async def _answers(self, upstream: Upstream) -> bool:
        """Any word of HTTP but a server error: health paths differ, and some runtimes have none."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await self._connections.take(upstream)
                try:
                    connection.ask(f"GET /health HTTP/1.1\r\n{common_head(upstream)}\r\n".encode())
                    return await connection.head() < 500
                finally:
                    connection.release()
        except OSError:
            return False

    async def close(self) -> None:
        await self.fleet.close()
        self._connections.close()
