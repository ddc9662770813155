"""Who did what to which thing, when and from where: the lowest rows, everything above writes them.

Rows are added and never changed: the ORM refuses it here, the database by triggers. Only two ways lead past that, both
in `studio.audit`: a row is given its place and its seal, once, and retention removes the oldest rows of a chain once
the chain's anchor stands behind them.
"""

from typing import Any, NoReturn
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AppendOnly(Exception):
    """Somebody tried to change or remove audit rows; that is a fault of the program."""

    def __init__(self) -> None:
        super().__init__("Audit rows are never changed or removed.")


class EventQuerySet(models.QuerySet["Event"]):
    """Adds and reads."""

    def update(self, **facts: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *rows: Any, **facts: Any) -> NoReturn:
        raise AppendOnly

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise AppendOnly


class Event(models.Model):
    """One change, written in the transaction of the change. Plain ids: the thing may be gone by now.

    `mark`, `position` and `seal`: see `studio.audit.rules`. `open_until`: until then it stands for repeats, too.
    """

    at = models.DateTimeField(db_default=Now(), editable=False)
    tenant_id = models.UUIDField(null=True, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    actor_name = models.CharField(max_length=150, editable=False)
    role = models.CharField(max_length=20, editable=False)
    address = models.CharField(max_length=64, blank=True, editable=False)
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    verb = models.CharField(max_length=40, editable=False)
    thing_type = models.CharField(max_length=20, editable=False)
    thing_id = models.UUIDField(editable=False)
    thing_name = models.CharField(max_length=120, editable=False)
    changes = models.JSONField(default=dict, editable=False)
    concerns = models.UUIDField(
        null=True,
        editable=False,
        help_text="Who hears of it, if somebody else did it: the thing's owner, or the user or tenant it was done to",
    )
    open_until = models.DateTimeField(null=True, editable=False)
    mark = models.BinaryField(max_length=48, null=True)
    position = models.PositiveBigIntegerField(null=True, editable=False)
    seal = models.BinaryField(max_length=32, null=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["thing_id", "-id"], name="event_of_thing"),
            models.Index(fields=["tenant_id", "-id"], name="event_of_tenant"),
            models.Index(
                fields=["concerns", "-at", "-id"],
                condition=Q(concerns__isnull=False),
                name="event_concerning",
            ),
            models.Index(fields=["actor_id", "-id"], name="event_of_actor"),
            models.Index(fields=["verb", "-id"], name="event_of_verb"),
            models.Index(fields=["thing_name", "-id"], name="event_of_name"),
            models.Index(fields=["id"], name="event_unsealed", condition=Q(position=None)),
            models.Index(
                fields=["thing_id", "actor_id", "-open_until"],
                condition=Q(open_until__isnull=False),
                name="event_for_repeats",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(position=None, seal=None) | Q(position__gte=1, seal__isnull=False),
                name="event_sealed_has_place",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "position"],
                condition=Q(position__isnull=False, tenant_id__isnull=False),
                name="event_place_once",
            ),
            models.UniqueConstraint(
                fields=["position"],
                condition=Q(position__isnull=False, tenant_id=None),
                name="event_place_once_of_platform",
            ),
            models.UniqueConstraint(fields=["mark"], condition=Q(mark__isnull=False), name="event_mark_once"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.verb} {self.thing_type} {self.thing_name}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly


def every_way() -> models.QuerySet[Event]:
    """The rows without the refusals above: for `studio.audit` alone, to seal and to forget."""
    return models.QuerySet(Event)


class Chain(models.Model):
    """The sealed rows of a tenant, or of the platform itself: where its end is, and from where on it is kept.

    `name`: the tenant's id in 32 digits, or nothing. `anchor`: the seal of the last row that retention removed, which
    the first kept one follows.
    """

    name = models.CharField(primary_key=True, max_length=32)
    position = models.PositiveBigIntegerField(default=0)
    seal = models.BinaryField(max_length=32)
    kept_from = models.PositiveBigIntegerField(default=1)
    anchor = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"chain of {self.name or 'the platform'}, {self.position} rows"

    @property
    def tenant_id(self) -> UUID | None:
        return UUID(self.name) if self.name else None


class Ledger(models.Model):
    """One seal over the ends of all chains. Whoever changes a chain holds this row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mac = models.BinaryField(max_length=32, default=b"")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="ledger_is_one_row")]

    def __str__(self) -> str:
        return "ledger of the audit's chains"
