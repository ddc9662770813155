"""How often signing in was tried, and the sessions of those who did."""

import uuid

from django.conf import settings
from django.db import models


class Tries(models.Model):
    """Failures in a row of one source, of a user name from one source, or of a known browser.

    `digest` says whose: neither address nor name stands here. `blocked_until`: before that, none is looked at.
    Ids only grow, so that the oldest rows can go when there are too many.
    """

    digest = models.BinaryField(max_length=32, unique=True)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)
    blocked_until = models.DateTimeField()

    class Meta:
        verbose_name_plural = "tries"

    def __str__(self) -> str:
        return f"{self.failures} tries until {self.last_at:%d %b, %H:%M:%S}"


class Session(models.Model):
    """A signed-in browser. Found by the digest of its key; `id` is its name to people, and opens nothing."""

    digest = models.CharField(max_length=64, primary_key=True)
    id = models.UUIDField(default=uuid.uuid4, db_index=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sessions"
    )
    session_data = models.TextField()
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    signed_in_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expire_date = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"session of {self.user}"
