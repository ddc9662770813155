"""Who did what to which thing, when and from where: the lowest rows, everything above writes them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Event(models.Model):
    """One change, written in the transaction of the change. Plain ids: the thing may be gone by now."""

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
        null=True, editable=False, help_text="The thing's owner at that time, if somebody else did it"
    )

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
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.verb} {self.thing_type} {self.thing_name}"
