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


@shared_task(name="scheduler.tasks.listen")
def listen() -> None:
    now = datetime.now(UTC)
    if not listening.claim_sweep("listen", listening.LISTEN_EVERY * 0.75, now):
        return
    try:
        listening.listen(now)
    except redis.RedisError as error:
        log.warning("not listening", error=type(error).__name__)


@shared_task(name="scheduler.tasks.mend")
def mend() -> None:
    now = datetime.now(UTC)
    if not listening.claim_sweep("mend", 1.5, now):
        return
    try:
        listening.mend(now)
    except redis.RedisError as error:
        log.warning("not mending", error=type(error).__name__)
