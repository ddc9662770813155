"""Reading the audit. Who may read what is decided by whoever asks: these take what may be seen."""

from uuid import UUID

from django.db.models import QuerySet

from studio.audit.models import Event


def of_thing(thing: UUID) -> QuerySet[Event]:
    """The timeline of one thing, newest first."""
    return Event.objects.filter(thing_id=thing)


def of_tenant(tenant: UUID | None) -> QuerySet[Event]:
    """What happened in a tenant, newest first."""
    return Event.objects.filter(tenant_id=tenant)


def by_others(person: UUID | None) -> QuerySet[Event]:
    """What anybody but this person did, the platform itself included."""
    return Event.objects.exclude(actor_id=person)
