"""Doing once what is asked for twice: a create under an idempotency key, and the sweep that forgets keys."""

import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from studio import keyring
from studio.errors import Refusal
from studio.repeats.models import Answered
from studio.statements import statement
from studio.tenants.rules import Actor
from studio.unit import unit_of_work

KEPT = timedelta(hours=24)
PURPOSE = "answer"


class KeyUsed(Refusal):
    """The key came with another request before."""

    code = "idempotency_key_used"
    status = 422


@unit_of_work
def once(
    *,
    actor: Actor,
    key: str,
    fingerprint: bytes,
    act: Callable[[], dict[str, Any]],
    keep: Callable[[dict[str, Any]], dict[str, Any]],
    now: datetime,
) -> dict[str, Any]:
    """What `act` answers, or what was to `keep` of its answer when the actor sent this key before.

    Both are one transaction, so a crash leaves neither half. A repeat that comes while the first is under way waits
    for it at the unique row: it hears the first one's answer, or does it itself where that one was refused.
    Raises `KeyUsed` where the fingerprint is another.
    """
    assert actor.id is not None, "whoever sends requests is somebody"
    row = next(iter(_answered(actor.id, key)), None)
    if row is None:
        # Whoever comes second waits here, fails once the first is done, and is tried anew: it finds the row then.
        row = Answered.objects.create(user_id=actor.id, key=key, fingerprint=fingerprint, created_at=now)
        answer = act()
        row.sealed = keyring.seal_value(json.dumps(keep(answer)), PURPOSE)
        row.save(update_fields=["sealed"])
        return answer
    if not hmac.compare_digest(bytes(row.fingerprint), fingerprint):
        raise KeyUsed(
            "This Idempotency-Key came with another request before; choose a new one for each thing to create.",
            {"Idempotency-Key": "used before"},
        )
    return dict(json.loads(keyring.open_value(row.sealed, PURPOSE)))


@statement()
def _answered(user: UUID, key: str) -> QuerySet[Answered]:
    return Answered.objects.filter(user=user, key=key)


def forget_answered(*, now: datetime) -> int:
    """The sweep: keys that are a day old mean nothing any more. Returns how many."""
    return Answered.objects.filter(created_at__lt=now - KEPT).delete()[0]


@unit_of_work
def rewrite(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Of what is kept to be answered again, that which must not be kept any more."""
    for row in Answered.objects.select_for_update().exclude(sealed=b""):
        answer = json.loads(keyring.open_value(row.sealed, PURPOSE))
        changed = change(answer)
        if changed != answer:
            row.sealed = keyring.seal_value(json.dumps(changed), PURPOSE)
            row.save(update_fields=["sealed"])
