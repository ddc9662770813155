"""What keys have spent of their daily and monthly budgets, told to a broker that has forgotten it.

The broker counts what limited keys spend (`endpoints.wire.LIMIT`). One that came back empty is told from the
database, as far as usage has arrived there: the last second or two before it was lost may be missing.
"""

from datetime import datetime

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from apikeys.models import ApiKey
from endpoints import wire
from endpoints.usage import rules
from endpoints.usage.models import UsageDay
from studio import enqueue

TOLD = "limits:told"  # stands in a broker that has not forgotten
CHUNK = 500

# KEYS: the key's hash. ARGV: the day (days since the epoch), tokens of the day, of the month. Only on that day.
RAISE = (
    wire.LIMIT_WINDOWS
    + """
if at.day == tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'day', at.day, 'day_tokens', math.max(spent.day_tokens, tonumber(ARGV[2])),
    'month', at.month, 'month_tokens', math.max(spent.month_tokens, tonumber(ARGV[3])))
  redis.call('EXPIRE', KEYS[1], 40 * 86400)
end
"""
)


def tell_budgets(*, now: datetime) -> int:
    """Raise what the broker knows to what the database knows. Returns how many keys have a budget.

    Safe to run twice, and beside requests: a count is never lowered. Raises `redis.RedisError`.
    """
    broker = enqueue.broker()
    today = rules.start_of(int(now.timestamp()) // rules.MINUTE, rules.DAY)
    spent = _spent(today)
    script = broker.register_script(RAISE)
    found = list(spent.items())
    for begin in range(0, len(found), CHUNK):
        with broker.pipeline(transaction=False) as pipe:
            for key, (of_day, of_month) in found[begin : begin + CHUNK]:
                script(
                    keys=[wire.LIMIT + key],
                    args=[int(today.timestamp()) // 86_400, of_day, of_month],
                    client=pipe,
                )
            pipe.execute()
    broker.set(TOLD, now.isoformat())
    return len(spent)


def _spent(today: datetime) -> dict[str, tuple[int, int]]:
    """Key → tokens of this day and this month, for the keys that have a budget."""
    budgeted = ApiKey.objects.filter(
        Q(tokens_per_day__isnull=False) | Q(tokens_per_month__isnull=False), revoked_at=None
    )
    tokens = F("prompt_tokens") + F("completion_tokens")
    sums = (
        UsageDay.objects.filter(key__in=budgeted, start__gte=today.replace(day=1))
        .values("key")
        .annotate(
            of_day=Coalesce(Sum(tokens, filter=Q(start__gte=today)), 0), of_month=Coalesce(Sum(tokens), 0)
        )
    )
    return {str(each["key"]): (each["of_day"], each["of_month"]) for each in sums}
