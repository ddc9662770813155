"""Endpoint API keys: a digest to check, a sealed value to show, and the First Key's rules."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from endpoints.models import Endpoint


class ApiKey(models.Model):
    """A key of one endpoint. Revoked is final: the row stays, its value is gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="api_keys")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys")
    description = models.CharField(max_length=120, blank=True)
    is_first = models.BooleanField(default=False)
    digest = models.BinaryField(max_length=32, unique=True)
    sealed = models.BinaryField(null=True, blank=True)
    prefix = models.CharField(max_length=8)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint"], condition=Q(is_first=True), name="first_key_once"),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(revoked_at__isnull=True), name="first_key_never_revoked"
            ),
            models.CheckConstraint(
                condition=Q(is_first=False) | Q(description="First Key"),
                name="first_key_keeps_its_description",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(sealed__isnull=True), name="revoked_key_has_no_value"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}-•••• ({self.description})"
