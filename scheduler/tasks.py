"""The scheduler's nudges and sweeps: each one call of the same functions, safe to run twice."""

from datetime import UTC, datetime

import redis
import structlog
from celery import shared_task

from scheduler import driver, listening, placing, registers
from studio import enqueue

log = structlog.get_logger()


@shared_task(name="scheduler.tasks.place")
def place(generation: str) -> None:
    enqueue.begun("scheduler.tasks.place", generation)
    placing.place_pending(generation)


@shared_task(name="scheduler.tasks.drive_node")
def drive_node(name: str) -> None:
    enqueue.begun("scheduler.tasks.drive_node", name)
    driver.drive_node(name)


@shared_task(name="scheduler.tasks.take_reports")
def take_reports() -> None:
    try:
        driver.take_reports(registers.take_changed(enqueue.broker()))
    except redis.RedisError as error:  # the sweep reads the same registers
        log.warning("reports not read", error=type(error).__name__)


@shared_task(name="scheduler.tasks.watch")
def watch() -> None:
    """The sweep: one message for both halves, since most of what an idle platform costs is messages."""
    now = datetime.now(UTC)
    if not listening.claim_sweep("watch", listening.LISTEN_EVERY * 0.75, now):
        return
    for part in (listening.listen, listening.mend):
        try:
            part(now)
        except redis.RedisError as error:
            log.warning("not watching", part=part.__name__, error=type(error).__name__)
