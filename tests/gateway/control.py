"""What control does to the broker, in small: routes sealed, signed and published, and the marker set."""

from dataclasses import dataclass, field

import msgspec
import redis

from endpoints import wire
from endpoints.gateway.rings import KEYS, PEPPERS, PUBLICS, Rings
from endpoints.wire import Key, Route, Upstream
from studio import seal
from tests.support.waiting import eventually_async


def _key() -> bytes:
    return seal.ring(seal.new_key())[0]


@dataclass
class Control:
    broker: redis.Redis
    incarnation: str = "inc-1"
    nudges: bool = True
    pepper: bytes = field(default_factory=_key)
    seal_key: bytes = field(default_factory=_key)
    pair: tuple[str, str] = field(default_factory=seal.new_signing_pair)

    @property
    def rings(self) -> Rings:
        return Rings({PEPPERS: [self.pepper], KEYS: [self.seal_key], PUBLICS: seal.ring(self.pair[1])})

    def key(self, value: str, **more: object) -> Key:
        return Key(f"id-of-{value}", seal.digest(self.pepper, value), **more)

    def publish(self, route: Route) -> None:
        """One route, newer or not: what refuses an older one is the publisher's script, and the gateway."""
        raw = wire.pack(route, self.seal_key, seal.ring(self.pair[0])[0])
        pipe = self.broker.pipeline(transaction=True)
        change = int(self.broker.incr(wire.CHANGES))
        pipe.hset(wire.ROUTES, route.endpoint, raw)
        pipe.zadd(wire.LOG, {route.endpoint: change})
        if self.nudges:
            pipe.publish(wire.NUDGE, "")
        pipe.execute()

    def complete(self) -> None:
        """Sets the marker: the table is whole, for this run of the broker."""
        run_id = self.broker.info("server")["run_id"]
        self.broker.set(wire.MARKER, f"{self.incarnation}:{run_id}")
        self.broker.publish(wire.NUDGE, "")

    async def two_polls(self) -> None:
        """Until a follower has twice read what the broker holds now."""
        before = self._polls()
        await eventually_async(lambda: self._polls() >= before + 2)

    def _polls(self) -> int:
        return self.broker.info("commandstats").get("cmdstat_zrangebyscore", {}).get("calls", 0)


PROJECT = "11111111-1111-1111-1111-111111111111"
ENDPOINT = "22222222-2222-2222-2222-222222222222"
OTHER = "33333333-3333-3333-3333-333333333333"
STOPPED = "44444444-4444-4444-4444-444444444444"
DELETED = "55555555-5555-5555-5555-555555555555"
KEY, OTHER_KEY, STOPPED_KEY, DELETED_KEY = "hello-key", "other-key", "stopped-key", "deleted-key"


def hello(control: Control, *upstreams: Upstream, version: int = 1, **changes: object) -> Route:
    """The endpoint most tests ask, Live on these instances."""
    route = Route(
        endpoint=ENDPOINT,
        project=PROJECT,
        version=version,
        name="hello",
        status="Live",
        model="served",
        names=["Help", "help-1"],
        keys=[control.key(KEY)],
        upstreams=list(upstreams),
        deadline_seconds=20,
    )
    return msgspec.structs.replace(route, **changes)


def neighbours(control: Control) -> list[Route]:
    """Another endpoint, one that was stopped, one that was deleted."""
    common = {"project": PROJECT, "version": 1}
    sentence = "It was stopped by owen."
    return [
        Route(endpoint=OTHER, status="Live", names=["Help"], keys=[control.key(OTHER_KEY)], **common),
        Route(
            endpoint=STOPPED,
            status="Stopped",
            sentence=sentence,
            names=["Help"],
            keys=[control.key(STOPPED_KEY)],
            **common,
        ),
        Route(endpoint=DELETED, deleted=True, **common),
    ]
