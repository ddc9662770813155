"""Publishing routes: what the gateways know, written straight from the process that committed.

The broker keeps a route only if its version is newer. A publisher thread in web and control publishes what
a dead process or an absent broker left behind, and everything after the broker began anew; only then does
the marker say that the table is complete.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import redis
import structlog
from django.db import DatabaseError, connection
from django.db.models import F, QuerySet

from apikeys.models import ApiKey
from apikeys.rules import LIMITS
from endpoints import selectors, wire
from endpoints.models import Endpoint
from endpoints.rules import LIVE, UPDATING
from scheduler.models import Instance
from scheduler.rules import InstanceState
from scheduler.selectors import incarnation
from studio import enqueue, keyring
from studio.statements import bring_all, statement

log = structlog.get_logger()

SERVING = {InstanceState.READY, InstanceState.LOST}
BATCH = 200
BUILDERS = "routes:builders"  # whoever builds the whole table now; gone when the broker is emptied
LOOK_EVERY = 0.5  # seconds between looks at the broker
ROWS_EVERY = 4  # looks; rows that a dead process left unpublished wait no longer

# KEYS: table, log, changes. ARGV: endpoint id, version (8 bytes) + box, channel. → the version that stood there and
# is newer, nothing when written or as new. A route that a process built too late is refused so.
PUT = """
local standing = redis.call('HGET', KEYS[1], ARGV[1])
if standing and string.sub(standing, 1, 8) > string.sub(ARGV[2], 1, 8) then return string.sub(standing, 1, 8) end
if standing and string.sub(standing, 1, 8) == string.sub(ARGV[2], 1, 8) then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local change = redis.call('INCR', KEYS[3])
redis.call('ZADD', KEYS[2], change, ARGV[1])
redis.call('PUBLISH', ARGV[3], change)
return false
"""

# The table of another incarnation goes, once, and with it the word that it is complete.
# KEYS: marker, table, log. ARGV: the marker that was seen.
BEGIN_ANEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', unpack(KEYS)) end"

# The word that the table is complete, if it was not emptied since this builder began. KEYS: marker, builders.
# ARGV: builder, marker, channel.
COMPLETE = """
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[3], 0)
return 1
"""


def touch(endpoints: Iterable[UUID]) -> None:
    """Something the gateways must learn has changed: raise the versions, and publish once committed."""
    ids = sorted(set(endpoints))
    if ids:
        list(Endpoint.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
        Endpoint.objects.filter(pk__in=ids).update(route_version=F("route_version") + 1)
        announce(ids)


def announce(ids: Sequence[UUID]) -> None:
    """Publish them once committed: of rows that are new, no gateway has any version yet."""
    enqueue.after_commit(lambda: publish(ids))


def publish(endpoints: Sequence[UUID]) -> bool:
    """Write the present routes of these endpoints. False when the broker was away; the thread will do it."""
    if enqueue.resting():
        _left_behind.set()
        return False
    try:
        for start in range(0, len(endpoints), BATCH):
            _publish_batch(endpoints[start : start + BATCH])
    except redis.RedisError as error:
        enqueue.rest()
        _left_behind.set()
        log.warning("routes not published", error=type(error).__name__)
        return False
    return True


def _publish_batch(ids: Sequence[UUID]) -> None:
    routes = build(ids)
    key, private = keyring.routes_seal()[0], keyring.routes_sign()
    pipe = enqueue.broker().pipeline(transaction=False)
    for route in routes:
        pipe.eval(
            PUT,
            3,
            wire.ROUTES,
            wire.LOG,
            wire.CHANGES,
            route.endpoint,
            wire.pack(route, key, private),
            wire.NUDGE,
        )
    taken = pipe.execute()
    by_version: dict[int, list[str]] = defaultdict(list)  # nearly all have one of few
    for route in routes:
        by_version[route.version].append(route.endpoint)
    for version, own in by_version.items():
        behind = Endpoint.objects.filter(pk__in=own, published_version__lt=version)
        behind.update(published_version=version)
    for route, newer in zip(routes, taken, strict=True):
        if newer:
            _go_above(route.endpoint, int.from_bytes(newer, "big"))


def _go_above(endpoint: str, standing: int) -> None:
    """A version in the broker that no row has had: the database was restored. What the row says counts.

    (Usually somebody published a later change first, and the row has that version by now.)
    """
    behind = Endpoint.objects.filter(pk=endpoint, route_version__lt=standing)
    if behind.update(route_version=standing + 1):
        log.warning("the broker's route was newer than its row", endpoint=endpoint)


def build(ids: Sequence[UUID]) -> list[wire.Route]:
    """The routes of these endpoints as the rows stand now."""
    rows = _rows(list(ids))
    bring_all(rows, "api_keys", _keys_taken)
    views = selectors.views(rows, whole=True)
    serving = _serving([view.endpoint.pk for view in views if SERVING & {i.state for i in view.instances}])
    return [_route(view, serving[view.endpoint.pk]) for view in views]


@statement()
def _rows(endpoints: list[UUID]) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(pk__in=endpoints).select_related("model_version__model__app")


@statement()
def _keys_taken(endpoints: list[UUID]) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(endpoint__in=endpoints, revoked_at=None)


def _serving(endpoints: Sequence[UUID]) -> Mapping[UUID, list[Instance]]:
    """Endpoint → its instances that can be asked, by their number."""
    found: dict[UUID, list[Instance]] = defaultdict(list)
    if endpoints:  # many have none, and then there is nothing to look for
        rows = Instance.objects.filter(endpoint__in=endpoints, state__in=SERVING, port__gt=0)
        for row in rows.select_related("runtime_version__runtime").order_by("ordinal", "pk"):
            found[row.endpoint_id].append(row)
    return found


def _route(view: selectors.EndpointView, serving: Sequence[Instance]) -> wire.Route:
    endpoint = view.endpoint
    if endpoint.desired == Endpoint.Desired.DELETED:
        return wire.Route(
            endpoint=str(endpoint.pk),
            project=str(endpoint.project_id),
            version=endpoint.route_version,
            deleted=True,
        )
    model = endpoint.model_version.model
    running = endpoint.desired == Endpoint.Desired.RUNNING
    return wire.Route(
        endpoint=str(endpoint.pk),
        project=str(endpoint.project_id),
        version=endpoint.route_version,
        name=endpoint.name,
        status=view.status,
        sentence="" if view.status in (LIVE, UPDATING) else view.reason,
        model=model.name,
        names=model.names,
        task=model.app.task,
        keys=[_key(key) for key in endpoint.api_keys.all()],
        upstreams=[_upstream(row) for row in serving] if running else [],
        deadline_seconds=endpoint.drain_seconds,
    )


def _key(key: ApiKey) -> wire.Key:
    """One that expired is published too: gateways compare their clock and say so."""
    limits = wire.Limits(**{name: getattr(key, name) or 0 for name in LIMITS})
    return wire.Key(
        id=str(key.pk),
        digest=bytes(key.digest),
        limits=None if limits == wire.Limits() else limits,
        expires_at=key.expires_at.timestamp() if key.expires_at else 0.0,
        experts=key.experts,
        old_digest=bytes(key.old_digest or b""),
        old_until=key.old_until.timestamp() if key.old_until else 0.0,
    )


def _upstream(row: Instance) -> wire.Upstream:
    token = keyring.open_value(row.sealed_token, "instance") if row.sealed_token else ""
    spare, slots = row.state == InstanceState.LOST, row.runtime_version.runtime.parallel
    return wire.Upstream(str(row.pk), row.host, row.port, token, spare=spare, slots=slots)


# ----- the publisher --------------------------------------------------------------------------------------


_left_behind = threading.Event()  # somebody in this process could not publish


class Publisher(threading.Thread):
    """Keeps the broker's table whole. Any number of them may run; each write is only taken if newer."""

    def __init__(self) -> None:
        super().__init__(name="publisher", daemon=True)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """The broker is asked at each look, the database only every few, or when something is amiss."""
        settled: bytes | None = None  # the marker under which the last look left everything in order
        looks = 0
        while not self._stop_asked.wait(LOOK_EVERY):
            looks += 1
            try:
                if settled and looks % ROWS_EVERY and not _left_behind.is_set() and _stands(settled):
                    continue
                settled = None
                _left_behind.clear()
                settled = look()
            except redis.RedisError as error:
                settled = None
                log.warning("publisher waits", error=type(error).__name__)
            except DatabaseError as error:
                log.warning("publisher waits", error=type(error).__name__)
                connection.close()  # kept open otherwise: SQLite empties its log whenever the last one closes

    def stop(self) -> None:
        self._stop_asked.set()


def _stands(settled: bytes) -> bool:
    """Whether the broker is the one, and the table the one, that the last look settled."""
    info, standing = _ask(enqueue.broker())
    return bool(standing == settled and settled.endswith(f":{info['run_id']}".encode()))


def look() -> bytes:
    """One look: everything when the broker's table is not the one we completed, else only what is behind.

    Returns the marker of the table as it should be.
    """
    broker = enqueue.broker()
    info, standing = _ask(broker)
    marker = f"{incarnation()}:{info['run_id']}".encode()
    if standing != marker:
        builder = uuid.uuid4().bytes
        broker.sadd(BUILDERS, builder)
        if standing and standing.split(b":")[0] != marker.split(b":")[0]:
            broker.eval(BEGIN_ANEW, 3, wire.MARKER, wire.ROUTES, wire.LOG, standing)
        _publish_all()
        broker.eval(COMPLETE, 2, wire.MARKER, BUILDERS, builder, marker, wire.NUDGE)
    else:
        behind = Endpoint.objects.filter(route_version__gt=F("published_version")).values_list(
            "pk", flat=True
        )
        publish(list(behind[:BATCH]))
    return marker


def _ask(broker: "redis.Redis") -> tuple[Any, Any]:
    """What the broker says of itself, and the marker that stands there."""
    with broker.pipeline(transaction=False) as pipe:
        pipe.info("server")
        pipe.get(wire.MARKER)
        info, marker = pipe.execute()
    return info, marker


def _publish_all() -> None:
    ids = list(Endpoint.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        _publish_batch(ids[start : start + BATCH])
