"""Nudges: a word to a worker that there is something to look at. The rows are the truth, a sweep follows.

Publishing must never hang or fail a request: timeouts of one second (a frozen broker would hang it), one
second of silence after a failure, and at most one outstanding nudge per task and subject.
"""

import time
from collections.abc import Callable
from functools import partial

import redis
import structlog
from celery import Celery
from django.db import transaction
from kombu.exceptions import OperationalError

from studio import env

log = structlog.get_logger()

OUTSTANDING_SECONDS = 5  # a nudge whose worker died blocks its subject no longer than this
PAUSE_AFTER_FAILURE = 1.0

TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}
producer = Celery("studio.enqueue", broker=env.broker_url(), set_as_current=False)
producer.conf.update(
    broker_transport_options=TIMEOUTS,
    broker_connection_retry=False,
    task_ignore_result=True,
    task_publish_retry=False,
)

_paused_until = 0.0


def broker() -> "redis.Redis":
    """Control's own client, for registers, routes and marks. Calls raise `redis.RedisError`."""
    return _client


_client = redis.Redis.from_url(env.redis_url(), **TIMEOUTS)


def resting() -> bool:
    """Whether the broker failed within the last second: whoever may do without it does not ask."""
    return time.monotonic() < _paused_until


def rest() -> None:
    global _paused_until  # noqa: PLW0603  one breaker per process
    _paused_until = time.monotonic() + PAUSE_AFTER_FAILURE


def nudge(task: str, subject: str, *, queue: str) -> bool:
    """Send `task(subject)` unless one is already on its way. False when the broker did not take it."""
    if resting():
        return False
    try:
        if _client.set(_mark(task, subject), b"1", nx=True, ex=OUTSTANDING_SECONDS):
            producer.send_task(task, args=[subject], queue=queue, expires=10)
    except (redis.RedisError, OperationalError) as error:
        rest()
        log.warning("nudge not sent", task=task, subject=subject, error=type(error).__name__)
        return False
    return True


def begun(task: str, subject: str) -> None:
    """The worker has the nudge in hand: what happens from now on deserves another."""
    try:
        _client.delete(_mark(task, subject))
    except redis.RedisError as error:
        log.info("mark of a nudge not cleared", task=task, error=type(error).__name__)


def wake(queue: str, task: str) -> bool:
    """A nudge to a program with its own queue (a node's agent)."""
    if resting():
        return False
    try:
        producer.send_task(task, queue=queue, expires=10)
    except OperationalError as error:
        rest()
        log.warning("wake not sent", queue=queue, error=type(error).__name__)
        return False
    return True


def after_commit(act: Callable[[], object]) -> None:
    """Do it once the transaction holds, and let a failure of it fail nothing else."""
    transaction.on_commit(act, robust=True)


def nudge_placement(generation: str) -> None:
    after_commit(partial(nudge, "scheduler.tasks.place", generation, queue="placement"))


def nudge_driving(node: str) -> None:
    after_commit(partial(nudge, "scheduler.tasks.drive_node", node, queue="driving"))


def nudge_converging(endpoint: str) -> None:
    after_commit(partial(nudge, "endpoints.tasks.converge", endpoint, queue="driving"))


def _mark(task: str, subject: str) -> str:
    return f"nudged:{task}:{subject}"
