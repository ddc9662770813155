"""What lies in the broker, by the newest keys: routes are published anew, usage is waited for.

All calls raise `redis.RedisError` while the broker is away.
"""

from collections.abc import Iterator, Sequence
from typing import cast
from uuid import UUID

import msgspec
from django.db.models import F

from endpoints import routing, wire
from endpoints.models import Endpoint
from endpoints.usage import wire as usage
from studio import enqueue, keyring, seal
from studio.unit import unit_of_work

BATCH = 200  # routes of one transaction


def publish_anew(*, rehearse: bool = False) -> int:
    """The routes that older keys sealed or signed. Returns how many; gateways take them as any newer one."""
    return sum(len(ids) if rehearse else _publish(ids) for ids in _stale())


def needs_older() -> str:
    """What only an older key opens, or what a gateway may not know yet; nothing where all is new."""
    routes = sum(len(ids) for ids in _stale())
    if routes:
        return f"{routes} routes"
    batches = cast("list[bytes]", enqueue.broker().hvals(usage.BATCHES))
    waiting = sum(not _opens_batch(box) for box in batches)
    return f"{waiting} batches of usage" if waiting else ""


def is_published() -> bool:
    """Whether the broker has every route as it is now."""
    return not Endpoint.objects.filter(route_version__gt=F("published_version")).exists()


@unit_of_work
def _publish(ids: Sequence[UUID]) -> int:
    routing.touch(ids)
    return len(ids)


def _stale() -> Iterator[list[UUID]]:
    """In batches; what is no endpoint's, no gateway takes either way."""
    found: list[UUID] = []
    for name, box in enqueue.broker().hscan_iter(wire.ROUTES, count=BATCH):
        if not _opens_route(box):
            found += _ids(name)
        if len(found) == BATCH:
            yield from _known(found)
            found = []
    yield from _known(found)


def _ids(name: bytes) -> list[UUID]:
    try:
        return [UUID(name.decode())]
    except ValueError:
        return []


def _known(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    known = list(Endpoint.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if known:
        yield known


def _opens_route(box: bytes) -> bool:
    try:
        wire.unpack(box, keyring.routes_seal()[:1], [seal.public_of(keyring.routes_sign())])
    except (seal.Unsealable, msgspec.DecodeError):
        return False
    return True


def _opens_batch(box: bytes) -> bool:
    try:
        usage.unpack(box, keyring.routes_seal()[:1])
    except (seal.Unsealable, msgspec.DecodeError):
        return False
    return True
