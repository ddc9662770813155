"""What was used: sums for each key of each endpoint by the minute, the half hour, the two hours and the day.

The four tables hold the same sums; each row of a batch is added to all of them in one transaction, so charts of an
hour, a day, a week and sixty days read about as many rows.
"""

from django.db import models
from django.db.models import F, Q

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from endpoints.usage.rules import DAY, HALF_HOUR, MINUTE, NO_TIMES, TWO_HOURS
from endpoints.usage.wire import ERRORS


class Usage(models.Model):
    """One key at one endpoint, from `start` for as long as the table says (UTC).

    `times` is `rules.pack_times`: a column per bucket would be sixty-four of them, and a database cannot add arrays.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    start = models.DateTimeField()
    requests = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    errors_client = models.PositiveBigIntegerField(default=0)
    errors_limited = models.PositiveBigIntegerField(default=0)
    errors_unavailable = models.PositiveBigIntegerField(default=0)
    errors_failed = models.PositiveBigIntegerField(default=0)
    errors_deadline = models.PositiveBigIntegerField(default=0)
    errors_gone = models.PositiveBigIntegerField(default=0)
    times = models.BinaryField(default=NO_TIMES)

    class Meta:
        abstract = True
        constraints = [
            # In this order it is the index that a chart reads, too.
            models.UniqueConstraint(fields=["endpoint", "start", "key"], name="%(class)s_once"),
            models.CheckConstraint(
                condition=Q(
                    requests__gte=F("errors_client")
                    + F("errors_limited")
                    + F("errors_unavailable")
                    + F("errors_failed")
                    + F("errors_deadline")
                    + F("errors_gone")
                ),
                name="%(class)s_errors_are_requests",
            ),
        ]
        indexes = [models.Index(fields=["start"], name="%(class)s_start")]  # for what is too old

    def __str__(self) -> str:
        return f"{self.start:%d %b, %Y, %H:%M}"


class UsageMinute(Usage):
    class Meta(Usage.Meta):
        pass


class UsageHalfHour(Usage):
    class Meta(Usage.Meta):
        pass


class UsageTwoHours(Usage):
    class Meta(Usage.Meta):
        pass


class UsageDay(Usage):
    class Meta(Usage.Meta):
        pass


TABLES: dict[int, type[UsageMinute | UsageHalfHour | UsageTwoHours | UsageDay]] = {
    MINUTE: UsageMinute,
    HALF_HOUR: UsageHalfHour,
    TWO_HOURS: UsageTwoHours,
    DAY: UsageDay,
}


COUNTS = ("requests", "prompt_tokens", "completion_tokens", *(f"errors_{name}" for name in ERRORS))


class UsageGateway(models.Model):
    """One run of a gateway, and the last of its batches that stands in the tables above."""

    id = models.CharField(primary_key=True, max_length=64)
    number = models.PositiveBigIntegerField(default=0)
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="usagegateway_seen")]

    def __str__(self) -> str:
        return self.id
