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


def concerning(person: UUID | None) -> QuerySet[Event]:
    """What others, the platform itself included, did to things that were this person's then."""
    return Event.objects.filter(concerns=person) if person else Event.objects.none()
