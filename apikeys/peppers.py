"""Digests of keys by the newest pepper: made anew where the value is at hand, counted where it is not.

An endpoint key's value can be opened, unless it is shown once only. A platform key's value is at hand when it is used
(`studio.tenants.services.authenticate_key`). The value before of a rotated First Key never is, and ends by itself.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apikeys.models import ApiKey
from endpoints import routing
from endpoints.rules import FORGOTTEN
from studio import keyring, seal
from studio.tenants.models import PlatformKey
from studio.unit import unit_of_work

BATCH = 200  # keys of one transaction


@dataclass(slots=True)
class Standing:
    """How many keys that may be used are known by one pepper only."""

    platform: int = 0
    endpoint: int = 0
    replaced: int = 0  # values before, that are taken still

    def __str__(self) -> str:
        counts = {
            "platform keys": self.platform,
            "endpoint keys": self.endpoint,
            "replaced values": self.replaced,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def by_pepper(now: datetime) -> dict[str, Standing]:
    """Name of a pepper → what stands on it. Under the empty name: what was made before peppers were noted."""
    found: dict[str, Standing] = defaultdict(Standing)
    for name, count in _counted(PlatformKey.objects.all(), "pepper"):
        found[name].platform = count
    gone = Q(endpoint__desired="deleted", endpoint__deleted_at__lt=now - FORGOTTEN)
    keys = ApiKey.objects.filter(revoked_at=None).exclude(gone)
    for name, count in _counted(keys, "pepper"):
        found[name].endpoint = count
    for name, count in _counted(keys.filter(old_until__gt=now), "old_pepper"):
        found[name].replaced = count
    return dict(found)


def digest_anew(*, rehearse: bool = False) -> int:
    """Endpoint keys whose value can be opened. Returns how many; a gateway knows them all the while."""
    return sum(len(ids) if rehearse else _digest_batch(ids) for ids in _in_batches())


def _counted(rows: QuerySet[ApiKey] | QuerySet[PlatformKey], name: str) -> list[tuple[str, int]]:
    return list(rows.order_by().values_list(name).annotate(count=Count("pk")))


def _in_batches() -> Iterator[list[UUID]]:
    newest = seal.fingerprint(keyring.key_pepper())
    rows = ApiKey.objects.filter(sealed__isnull=False).exclude(pepper=newest).order_by("pk")
    ids = list(rows.values_list("pk", flat=True)[:BATCH])
    while ids:
        yield ids
        ids = list(rows.filter(pk__gt=ids[-1]).values_list("pk", flat=True)[:BATCH])


@unit_of_work
def _digest_batch(ids: Sequence[UUID]) -> int:
    rows = ApiKey.objects.filter(pk__in=ids, sealed__isnull=False)
    # With their endpoints locked nobody else changes a key.
    routing.touch(rows.values_list("endpoint_id", flat=True))
    made = 0
    for key in rows.order_by("pk"):
        value = _value(key)
        if value is not None:
            digest, pepper = keyring.new_digest(value)
            made += ApiKey.objects.filter(pk=key.pk).update(digest=digest, pepper=pepper)
    return made


def _value(key: ApiKey) -> str | None:
    """None where no key of `value_seal` opens it: the rotation of that ring says so."""
    try:
        return keyring.open_value(key.sealed or b"", "api key")
    except seal.Unsealable:
        return None
