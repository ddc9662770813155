"""The sweep of what is too old."""

from datetime import UTC, datetime

import redis
import structlog
from celery import shared_task

from endpoints.usage import services
from scheduler.listening import claim_sweep

log = structlog.get_logger()


@shared_task(name="endpoints.usage.tasks.forget")
def forget() -> None:
    now = datetime.now(UTC)
    if not claim_sweep("forget usage", 500.0, now):
        return
    try:
        services.forget(now=now)
    except redis.RedisError as error:  # the next sweep finds the same gateways
        log.warning("gateways not forgotten", error=type(error).__name__)
