"""Keeps the route table like the one in the broker.

Every 250 ms, and at once after a nudge, one transaction reads the broker's run id, the marker, the change
counter and what changed since. A table counts only with the marker "<incarnation>:<run id of this broker>":
a broker that came back empty, or a second old, changes nothing until control has published everything again.
While the broker is away the table stays as it is.
"""

import asyncio
import gc
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from endpoints import wire
from endpoints.gateway.background import broker_client
from endpoints.gateway.rings import Rings
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Route
from studio import seal

log = structlog.get_logger()

POLL_SECONDS = 0.25
RECONNECT_SECONDS = 0.5
INLINE = 32  # more routes than this are opened beside the loop: a signature takes about 0.1 ms


@dataclass(frozen=True, slots=True)
class Seen:
    """The table that was taken last: of which marker, and up to which change."""

    marker: str = ""
    changes: int = 0

    @property
    def incarnation(self) -> str:
        return self.marker.rpartition(":")[0]


class Follower:
    def __init__(self, url: str, rings: Rings, table: RouteTable) -> None:
        self._url = url
        self._rings = rings
        self._table = table
        self._seen = Seen()
        self._whole_due = True
        self._refused = False  # something was not accepted that another ring might open
        self.connected = False
        self._polled_at = float("-inf")

    @property
    def behind(self) -> float:
        """Seconds since the table was last compared with the broker's."""
        return time.monotonic() - self._polled_at

    async def run(self) -> None:
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    log.warning("broker away; routes stay as they are", reason=type(error).__name__)
                self.connected = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self) -> None:
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(broker_client(self._url))
            nudges = await stack.enter_async_context(broker.pubsub(ignore_subscribe_messages=True))
            await nudges.subscribe(wire.NUDGE)
            while True:
                await self._poll(broker)
                self._polled_at = time.monotonic()
                if not self.connected:
                    log.info("broker reached", routes=len(self._table), complete=self._table.complete)
                self.connected = True
                await nudges.get_message(timeout=POLL_SECONDS)
                while await nudges.get_message(timeout=0):
                    pass  # many nudges are one

    async def _poll(self, broker: redis.Redis) -> None:
        self._look()
        told = self._rings.told
        async with broker.pipeline(transaction=True) as pipe:
            pipe.info("server")
            pipe.get(wire.MARKER)
            pipe.get(wire.CHANGES)
            pipe.zrangebyscore(wire.LOG, f"({self._seen.changes}", "+inf")
            info, marker, changes, changed = await pipe.execute()
        now = Seen((marker or b"").decode(), int(changes or 0))
        if not _is_complete(now.marker, info):
            self._whole_due = True  # what is built anew counts its changes from the start
            return
        if self._whole_due or now.marker != self._seen.marker or now.changes < self._seen.changes:
            await self._take_whole(broker)
        elif now.changes > self._seen.changes:
            await self._take_changed(broker, now, [name.decode() for name in changed])
        self._rings.let_go(told)

    def _look(self) -> None:
        if self._rings.look() and self._refused:
            self._whole_due, self._refused = True, False

    async def _take_whole(self, broker: redis.Redis) -> None:
        """Marker, counter and table are read in one transaction: they belong together."""
        async with broker.pipeline(transaction=True) as pipe:
            pipe.info("server")
            pipe.get(wire.MARKER)
            pipe.get(wire.CHANGES)
            pipe.hgetall(wire.ROUTES)
            info, marker, changes, raw = await pipe.execute()
        now = Seen((marker or b"").decode(), int(changes or 0))
        if not _is_complete(now.marker, info):
            return
        table = {name.decode(): box for name, box in raw.items()}
        if now.incarnation == self._seen.incarnation:
            for route in await self._open(self._newer(table)):
                self._table.take(route)
            self._table.keep_only(set(table))
        else:
            self._table.replace(await self._open(table))
        self._table.complete = True
        # A full collection would walk through the whole table, for a quarter of a second with 100,000 keys.
        gc.collect()
        gc.freeze()
        self._seen, self._whole_due = now, False
        log.info("route table taken", routes=len(table), incarnation=now.incarnation)

    async def _take_changed(self, broker: redis.Redis, now: Seen, names: list[str]) -> None:
        boxes: list[Any] = await broker.hmget(wire.ROUTES, names) if names else []
        raw = {name: box for name, box in zip(names, boxes, strict=True) if box is not None}
        for route in await self._open(self._newer(raw)):
            self._table.take(route)
        self._seen = now

    def _newer(self, raw: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those whose version in clear is not the one known; an older one is refused after opening."""
        return {
            name: box
            for name, box in raw.items()
            if int.from_bytes(box[:8], "big") > self._table.version(name)
        }

    async def _open(self, raw: Mapping[str, bytes]) -> list[Route]:
        self._look()  # after these were read, and before a key of theirs is looked up
        rings = self._rings.keys, self._rings.publics
        if len(raw) <= INLINE:
            routes = _unpacked(raw, *rings)
        else:
            routes = await asyncio.to_thread(_unpacked, raw, *rings)
        self._refused |= len(routes) < len(raw)
        return routes


def _is_complete(marker: str, info: Mapping[str, Any]) -> bool:
    incarnation, _, run_id = marker.rpartition(":")
    return bool(incarnation) and run_id == info.get("run_id")


def _unpacked(raw: Mapping[str, bytes], keys: list[bytes], publics: list[bytes]) -> list[Route]:
    """What control wrote; anything else is left out, so that the route known stays."""
    routes = []
    for name, box in raw.items():
        try:
            route = wire.unpack(box, keys, publics)
            if route.endpoint != name:
                raise seal.Unsealable("endpoint")
        except (seal.Unsealable, msgspec.DecodeError, ValueError) as error:
            log.error("route not accepted", endpoint=name, reason=str(error))
            continue
        routes.append(route)
    return routes
