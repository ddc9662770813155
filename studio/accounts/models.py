"""How often signing in was tried, and the sessions of those who did."""

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
