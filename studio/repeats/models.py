"""What a create answered, kept under the key its sender chose, so that a repeat gets the same and makes nothing."""

from django.conf import settings
from django.db import models


class Answered(models.Model):
    """One create that was done. The row and what it made are one transaction: there is none without the other.

    `sealed` is empty only while that transaction runs: answers hold API keys and join tokens.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    sealed = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
