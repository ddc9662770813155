"""A broker that forgot what keys spent of their budgets is told, once, and never a smaller number."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeys.models import ApiKey
from endpoints.usage import budgets, rules, services
from endpoints.usage.models import UsageDay
from endpoints.wire import LIMIT


@pytest.fixture
def now(control_broker) -> datetime:
    """By the broker's clock: it counts in its own days."""
    return datetime.fromtimestamp(control_broker.time()[0], UTC)


@pytest.fixture
def key(cast, now) -> ApiKey:
    """With budgets, 30 tokens used today and, except on the first of a month, 100 the day before."""
    key = cast.first_key(cast.endpoint(name="hello"))
    ApiKey.objects.filter(pk=key.pk).update(tokens_per_day=1000, tokens_per_month=5000)
    today = rules.start_of(int(now.timestamp()) // 60, rules.DAY)
    for start, tokens in ((today, 10), (today - timedelta(days=1), 50), (today - timedelta(days=40), 7)):
        UsageDay.objects.create(
            endpoint=key.endpoint, key=key, start=start, prompt_tokens=tokens, completion_tokens=tokens
        )
    return key


def known(broker, key: ApiKey) -> tuple[int, int]:
    day, month = broker.hmget(LIMIT + str(key.pk), "day_tokens", "month_tokens")
    return int(day or 0), int(month or 0)


def test_an_empty_broker_is_told_the_day_and_the_month(key, now, control_broker):
    services.look(now)
    of_month = 20 + (100 if now.day > 1 else 0)
    assert known(control_broker, key) == (20, of_month)


def test_it_is_told_once_and_a_count_is_never_lowered(key, now, control_broker):
    services.look(now)
    control_broker.hset(LIMIT + str(key.pk), mapping={"day_tokens": 500, "month_tokens": 900})
    services.look(now)
    budgets.tell_budgets(now=now)
    assert known(control_broker, key) == (500, 900)


def test_a_broker_that_forgot_again_is_told_again(key, now, control_broker):
    services.look(now)
    control_broker.flushall()
    services.look(now)
    assert known(control_broker, key)[0] == 20


def test_yesterdays_count_is_not_told_today(key, now, control_broker):
    budgets.tell_budgets(now=now - timedelta(days=1))
    assert known(control_broker, key) == (0, 0)


def test_keys_without_a_budget_and_revoked_ones_are_left_out(key, now, control_broker):
    ApiKey.objects.filter(pk=key.pk).update(tokens_per_day=None, tokens_per_month=None, requests_per_minute=5)
    services.look(now)
    assert not control_broker.exists(LIMIT + str(key.pk))
