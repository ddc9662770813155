"""A day and sixty in the life of an endpoint, for the pages that show it."""

import random
from datetime import datetime, timedelta

from apikeys.models import ApiKey
from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.usage import services, wire
from studio.tenants.rules import Actor
from tests.support.usage import minute_of


def make_busy(owner: Actor, endpoint: Endpoint, until: datetime, *, days: int = 60) -> list[ApiKey]:
    """Two keys with this long a traffic: busy by day, some errors, a quarter of an hour of silence."""
    facts = selectors.facts(owner, endpoint)
    other, _ = add_key(actor=owner, endpoint=endpoint, facts=facts, description="build server", now=until)
    keys = [ApiKey.objects.get(endpoint=endpoint, is_first=True), other]
    chance = random.Random(7)
    minutes = [*range(60), *range(60, 1440, 20), *range(1440, days * 1440, 300)]
    rows = [
        _minute(chance, key, until - timedelta(minutes=minute), minute)
        for minute in minutes
        if not 20 <= minute <= 34
        for key in keys
    ]
    services._enter(wire.Batch("busy", 1, rows), until)
    return keys


def _minute(chance: random.Random, key: ApiKey, at: datetime, ago: int) -> wire.Row:
    row = wire.Row(str(key.endpoint_id), str(key.pk), minute_of(at))
    swing = 1 + 0.6 * ((ago // 60) % 24 < 12) + (0.8 if ago % 9 == 0 else 0)
    row.requests = chance.randint(3, 9 if key.is_first else 25)
    for _ in range(row.requests):
        queue, execution = chance.expovariate(1 / (0.02 * swing)), chance.lognormvariate(-0.6, 0.5) * swing
        row.queue.note(queue)
        row.execution.note(execution)
        row.response.note(queue + execution)
        if chance.random() < 0.5:
            row.first_token.note(queue + 0.15 * execution)
        row.prompt_tokens += chance.randint(20, 400)
        row.completion_tokens += chance.randint(5, 200)
    if chance.random() < 0.15:
        row.errors[chance.choice((0, 1, 1, 2, 3, 5))] = 1
    return row
