"""The gateway: predictions here, every other path to the front.

A prediction is one function, `Gateway.predict`, read from top to bottom: path, key, route, body, instance,
answer. It touches no database, and no broker either: routes are in memory.
"""

import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from itertools import starmap
from typing import Any

import redis.asyncio as redis
import structlog

from endpoints.gateway import errors, openapi, paths
from endpoints.gateway.answering import Reply, Running
from endpoints.gateway.background import broker_client, running
from endpoints.gateway.client import Client, ClientGone, KnownDigests
from endpoints.gateway.follower import Follower
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import openai
from endpoints.gateway.formats.call import Asked, Exchange, Listener
from endpoints.gateway.front import Front
from endpoints.gateway.limits import UNLIMITED, Bank, Estimates
from endpoints.gateway.meter import Meter, Prediction
from endpoints.gateway.paths import Match
from endpoints.gateway.reporter import Reporter
from endpoints.gateway.routes import Holder, RouteTable
from endpoints.gateway.settings import Settings
from endpoints.gateway.upstream import Upstreams, together
from endpoints.usage.wire import CLIENT_GONE
from endpoints.wire import Key, Route
from studio import seal

log = structlog.get_logger()

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
FRESH_SECONDS = 1.0  # a revoked key is refused within this time


class Gateway:
    """Answers every client. Made by `opened`, which also follows the broker."""

    def __init__(self, settings: Settings, broker: redis.Redis) -> None:
        self._settings = settings
        self.table = RouteTable()
        self.running = Running()
        self.id = uuid.uuid4().hex
        self.meter = Meter(settings.log_share)
        self.follower = Follower(settings.broker_url, settings.rings, self.table)
        self.upstreams = Upstreams(self.table, settings.queue_limit)
        self.reporter = Reporter(
            broker,
            self.meter,
            gateway=self.id,
            spool=settings.spool,
            seal_key=lambda: settings.rings.keys[0],
            present=self.upstreams.fleet.share_slots,
        )
        self.bank = Bank(broker, self.id, lenient=settings.lenient_limits)
        self.estimates = Estimates()
        self.front = (
            Front(settings.web_socket, self.running, settings.proxies) if settings.web_socket else None
        )
        self._watch_gauges()

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["Gateway"]:
        async with broker_client(settings.broker_url) as broker:
            gateway = cls(settings, broker)
            gateway.upstreams.fleet.start()
            try:
                async with (
                    running(gateway.follower.run),
                    running(gateway.bank.run),
                    running(gateway.reporter.run),
                ):
                    yield gateway
            finally:
                await gateway.upstreams.close()
                await gateway.bank.stop()
                await gateway.reporter.stop()
                if gateway.front is not None:
                    await gateway.front.close()

    async def __call__(self, client: Client) -> None:
        path = client.path
        if path == openapi.PATH and client.method == "GET":
            await Reply(client, openai.MODELS, bytes).whole(200, openapi.document())
        elif paths.is_own(path):
            await self._answer(client)
        elif path in {"/healthz", "/readyz"}:
            await self._health(client)
        elif self.front is not None:
            await self.front.answer(client)
        else:
            await Reply(client, paths.voice("/api/"), bytes).refuse(errors.no_path(path))

    async def _answer(self, client: Client) -> None:
        """Runs the prediction and says what ended it early, in the words of its API."""
        headers = dict(client.headers)
        prediction = Prediction(_request_id(headers.get(b"x-request-id")))
        found = paths.match(client.path)
        reply = Reply(client, found.dialect if found else paths.voice(client.path), prediction.stamps)
        try:
            if found is None:
                raise errors.no_path(client.path)
            await self.predict(found, client, headers, reply, prediction)
            prediction.status = reply.status
        except errors.Refused as refused:
            prediction.status = refused.status
            await reply.refuse(refused)
        except ClientGone:
            prediction.status = CLIENT_GONE
        except Exception:
            log.exception("prediction failed", request_id=prediction.request_id, endpoint=prediction.endpoint)
            prediction.status = 500
            await reply.refuse(errors.internal())
        finally:
            if prediction.endpoint:
                self._settle(prediction)
                self.meter.account(prediction)

    async def predict(
        self,
        found: Match,
        client: Client,
        headers: dict[bytes, bytes],
        reply: Reply,
        prediction: Prediction,
    ) -> None:
        """One request. Raises `errors.Refused`, before or after the answer has begun, and ClientGone."""
        if client.method != found.method:
            raise errors.wrong_method(found.method)
        holder, route = self._admit(found, headers, client.digests)
        prediction.format = found.dialect.name
        prediction.endpoint = route.endpoint
        prediction.key = holder.key.id
        if found.dialect is openai.MODELS:
            await reply.whole(200, openai.listing(calls.known_names(route, holder.key.experts), found.model))
            return
        if not route.upstreams:
            raise errors.not_live(route)
        with self.running.guard(client, route.deadline_seconds):
            body = await client.read(headers.get(b"content-length"), self._settings.body_limit)
            asked = found.dialect.read(body, route)
            _check_expert(holder.key, asked, route)
            if holder.key.limits is not None:
                await self._pay(holder.key, route, asked, prediction)
            await self._ask(route, asked, found.dialect.media, reply, prediction)

    async def _pay(self, key: Key, route: Route, asked: Asked, prediction: Prediction) -> None:
        """Within the key's limits; settled when all is over. Raises 429 where they leave no room."""
        prediction.prompt_bytes = sum(call.prompt_bytes for call in asked.calls)
        cost = self.estimates.cost(
            route.endpoint, prediction.prompt_bytes, asked.calls[0].max_tokens, len(asked.calls)
        )
        prediction.ticket = await self.bank.admit(key, cost)

    def _settle(self, prediction: Prediction) -> None:
        if prediction.ticket is not UNLIMITED:
            usage = prediction.usage()
            prediction.ticket.settle(usage.total)
            calls = max(len(prediction.exchanges), 1)
            self.estimates.learn(prediction.endpoint, prediction.prompt_bytes, calls, usage)

    async def _ask(
        self, route: Route, asked: Asked, media: bytes, reply: Reply, prediction: Prediction
    ) -> None:
        prediction.asked = True
        sent = time.perf_counter()
        with closing(self.upstreams.opening(route, prediction.request_id)) as opening:
            try:
                prediction.exchanges = await opening.all(asked.calls)
            finally:
                prediction.queue = opening.waited
                prediction.upstream = time.perf_counter() - sent - opening.waited
            if asked.stream:
                await reply.stream(media, partial(tell, asked, prediction.exchanges))
            else:
                await reply.whole(200, asked.whole(prediction.exchanges))

    def _admit(self, found: Match, headers: dict[bytes, bytes], known: KnownDigests) -> tuple[Holder, Route]:
        """Who asks, and for what. Raises 401, 403, 404 and, before the first complete table, 503."""
        value = _key(headers)
        if value is None:
            raise errors.no_key()
        if not self.table.complete:
            raise errors.not_ready()
        peppers = self._settings.rings.peppers
        digests = known.get(value)
        if digests is None or digests[0] is not peppers:
            known.clear()
            digests = known[value] = peppers, [seal.digest(pepper, value) for pepper in peppers]
        holder = self.table.holder(digests[1])
        route = self.table.route(found.endpoint)
        if holder is None and not (route is not None and route.deleted):
            raise errors.unknown_key()
        if route is None or route.deleted or found.project not in {None, route.project}:
            raise errors.no_endpoint()
        if holder is None or holder.endpoint != route.endpoint:
            raise errors.other_endpoint()
        if 0 < holder.until <= time.time():
            raise errors.key_replaced()
        if 0 < holder.key.expires_at <= time.time():
            raise errors.key_expired()
        return holder, route

    async def _health(self, client: Client) -> None:
        """Alive, and, for `/readyz`, with a complete route table.

        One that is not fresh is ready all the same: while the broker is away, no gateway knows better.
        """
        ready = client.path == "/healthz" or self.table.complete
        said: dict[str, Any] = {"status": "ok" if ready else "starting"}
        if client.path == "/readyz":
            behind = self.follower.behind
            said |= {
                "broker": "connected" if self.follower.connected else "away",
                "routes": len(self.table),
                "complete": self.table.complete,
                "fresh": behind < FRESH_SECONDS,
                "behind_seconds": round(behind, 1) if self.table.complete else None,
            }
        await Reply(client, openai.MODELS, bytes).whole(200 if ready else 503, said)

    def _watch_gauges(self) -> None:
        self.meter.gauges.update(
            routes=("Endpoints in the route table", lambda: len(self.table)),
            routes_complete=("1 when the route table is complete", lambda: self.table.complete),
            routes_behind_seconds=(
                "Since the table was compared with the broker's",
                lambda: self.follower.behind,
            ),
            broker_connected=("1 while the broker answers", lambda: self.follower.connected),
            waiting=("Requests that wait for a free instance", self.upstreams.fleet.waiting_in_all),
            gateways=("Gateways that run, this one included", lambda: self.upstreams.fleet.gateways),
        )


async def tell(asked: Asked, exchanges: Sequence[Exchange], listener: Listener) -> None:
    """Streams the answers as they come, side by side. Raises `errors.Refused`."""
    telling = asked.telling(exchanges, listener.write)

    async def follow(place: int, exchange: Exchange) -> None:
        await exchange.pour(partial(telling.go_on, place), listener)
        telling.end(place)

    if len(exchanges) == 1:
        await follow(0, exchanges[0])
    else:
        await together(starmap(follow, enumerate(exchanges)))


def _check_expert(key: Key, asked: Asked, route: Route) -> None:
    """Raises 403 for a model that this key may not ask for."""
    if key.experts and not calls.may_ask(route, key.experts, asked.model_name):
        raise errors.expert_not_allowed(asked.model_name, calls.known_names(route, key.experts))


def _key(headers: dict[bytes, bytes]) -> str | None:
    """The key's value from `key: …` or `Authorization: Bearer …`; both are taken on every path."""
    value = headers.get(b"key", b"")
    if not value:
        scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    return value.strip().decode("latin-1") or None


def _request_id(said: bytes | None) -> str:
    """The client's own where it is sane: it goes into logs and headers."""
    text = (said or b"").decode("latin-1")
    return text if SANE_ID.fullmatch(text) else calls.new_id()
