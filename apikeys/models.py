"""Endpoint API keys: a digest to check, a sealed value to show, what they may use, and the First Key's rules."""

import uuid
from functools import reduce
from operator import and_

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apikeys.rules import LIMITS, MOST_LIMIT
from endpoints.models import Endpoint


def _limit() -> models.BigIntegerField:
    return models.BigIntegerField(null=True, blank=True)


class ApiKey(models.Model):
    """A key of one endpoint. Revoked is final: the row stays, its value is gone.

    The First Key's value can be replaced: `old_digest` is of the one before, which is taken until `old_until`.

    `pepper` names the one that the digest was made with, empty where that was not noted yet.

    A limit that is null is none; `experts` are the only model names the key may ask for, none for all.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="api_keys")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys")
    description = models.CharField(max_length=120, blank=True)
    is_first = models.BooleanField(default=False)
    digest = models.BinaryField(max_length=32, unique=True)
    pepper = models.CharField(max_length=12, blank=True, editable=False)
    sealed = models.BinaryField(null=True, blank=True)
    prefix = models.CharField(max_length=8)
    old_digest = models.BinaryField(max_length=32, null=True, blank=True, unique=True)
    old_pepper = models.CharField(max_length=12, blank=True, editable=False)
    old_until = models.DateTimeField(null=True, blank=True)
    requests_per_minute = _limit()
    tokens_per_minute = _limit()
    parallel = _limit()
    tokens_per_day = _limit()
    tokens_per_month = _limit()
    experts = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint"], condition=Q(is_first=True), name="first_key_once"),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(revoked_at__isnull=True), name="first_key_never_revoked"
            ),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(expires_at__isnull=True), name="first_key_never_expires"
            ),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(description="First Key"),
                name="first_key_keeps_its_description",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(sealed__isnull=True), name="revoked_key_has_no_value"
            ),
            models.CheckConstraint(
                condition=Q(old_digest__isnull=True, old_until__isnull=True)
                | Q(is_first=True, old_digest__isnull=False, old_until__isnull=False),
                name="old_value_of_first_key_ends",
            ),
            models.CheckConstraint(
                condition=reduce(
                    and_,
                    (
                        Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__range": (1, MOST_LIMIT)})
                        for name in LIMITS
                    ),
                ),
                name="key_limits_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}-•••• ({self.description})"
