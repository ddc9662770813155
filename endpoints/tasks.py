"""The endpoints' nudge and sweep."""

from datetime import UTC, datetime
from uuid import UUID

from celery import shared_task

from apikeys.services import forget_shown
from endpoints import rollouts, services
from scheduler.listening import claim_sweep
from studio import enqueue
from studio.repeats.services import forget_answered


@shared_task(name="endpoints.tasks.converge")
def converge(endpoint: str) -> None:
    enqueue.begun("endpoints.tasks.converge", endpoint)
    rollouts.converge(UUID(endpoint), now=datetime.now(UTC))


@shared_task(name="endpoints.tasks.settle")
def settle() -> None:
    now = datetime.now(UTC)
    if claim_sweep("settle", 8.0, now):
        rollouts.settle(now=now)


@shared_task(name="endpoints.tasks.forget_deleted")
def forget_deleted() -> None:
    now = datetime.now(UTC)
    if claim_sweep("forget deleted", 500.0, now):
        services.forget_deleted(now=now)
        forget_answered(now=now)
        forget_shown()
