"""The audit's sweeps: sealing what is committed, forgetting what is too old."""

from datetime import UTC, datetime

from celery import shared_task
from django.conf import settings

from scheduler.listening import claim_sweep
from studio.audit import sealing


@shared_task(name="studio.audit.tasks.seal")
def seal() -> None:
    now = datetime.now(UTC)
    if claim_sweep("seal audit", 8.0, now):
        sealing.seal()


@shared_task(name="studio.audit.tasks.forget")
def forget() -> None:
    now = datetime.now(UTC)
    if claim_sweep("forget audit", 500.0, now):
        sealing.forget(days=settings.AUDIT_DAYS, now=now)
