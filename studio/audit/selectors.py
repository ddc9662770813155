"""Reading the audit. The timeline of a thing is for whoever may see the thing, which the caller has found out;
whole tenants are for their admins."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from studio.audit.models import Event
from studio.statements import WORD, statement
from studio.tenants.models import Tenant, User
from studio.tenants.rules import Actor, Facts, may, require

AT_ONCE = 1000  # rows of an export that are read at once


@dataclass(frozen=True, slots=True)
class Filters:
    """What is empty narrows nothing. `person`, `thing`: a name or an id; `until` is not among the times."""

    person: str = ""
    verb: str = ""
    kind: str = ""
    thing: str = ""
    tenant: str = ""
    since: datetime | None = None
    until: datetime | None = None


def of_thing(thing: UUID) -> QuerySet[Event]:
    """The timeline of one thing, newest first."""
    return Event.objects.filter(thing_id=thing)


@statement(most=WORD)
def latest_of_thing(thing: UUID, most: int) -> QuerySet[Event]:
    return of_thing(thing)[:most]


@statement(most=WORD)
def latest_of_tenant(tenant: UUID | None, most: int) -> QuerySet[Event, tuple[int, str, UUID]]:
    """(event, kind of thing, thing) of what happened in a tenant, newest first."""
    return Event.objects.filter(tenant_id=tenant).values_list("pk", "thing_type", "thing_id")[:most]


@statement()
def with_ids(events: list[int]) -> QuerySet[Event]:
    """Newest first."""
    return Event.objects.filter(pk__in=events)


def concerning(person: UUID | None) -> QuerySet[Event]:
    """What others, the platform itself included, did to this person, or to things that were theirs then."""
    return Event.objects.filter(concerns=person) if person else Event.objects.none()


def concerning_tenants(person: UUID | None, tenants: list[UUID]) -> QuerySet[Event]:
    """The same of the tenants that this person is in."""
    return Event.objects.filter(concerns__in=tenants).exclude(actor_id=person)


# ----- for admins -----------------------------------------------------------------------------------------


def may_read(actor: Actor) -> bool:
    return may(actor, "audit.all", Facts(tenant=None)) or bool(_administered(actor))


def readable(actor: Actor) -> QuerySet[Event]:
    """To an OrgAdmin everything, to a TenantAdmin what happened in their tenants. Raises `Forbidden` to others."""
    if may(actor, "audit.all", Facts(tenant=None)):
        return Event.objects.all()
    mine = _administered(actor)
    if not mine:
        require(actor, "audit.tenant", Facts(tenant=actor.tenant), thing="page")
    return Event.objects.filter(tenant_id__in=mine)


def tenants_of(actor: Actor) -> QuerySet[Tenant]:
    """Whose audit the actor may read, archived ones too."""
    everywhere = may(actor, "audit.all", Facts(tenant=None))
    return Tenant.objects.all() if everywhere else Tenant.objects.filter(pk__in=_administered(actor))


def _administered(actor: Actor) -> list[UUID]:
    return [tenant for tenant in actor.tenants if may(actor, "audit.tenant", Facts(tenant=tenant))]


def narrowed(rows: QuerySet[Event], wanted: Filters) -> QuerySet[Event]:
    """Newest first. A name that nobody and nothing has finds nothing."""
    if wanted.person:
        rows = rows.filter(_person(wanted.person))
    if wanted.verb:
        rows = rows.filter(verb=wanted.verb)
    if wanted.kind:
        rows = rows.filter(thing_type=wanted.kind)
    if wanted.thing:
        found = _id(wanted.thing)
        rows = rows.filter(thing_id=found) if found else rows.filter(thing_name=wanted.thing)
    if wanted.tenant:
        rows = rows.filter(tenant_id__in=_tenants(wanted.tenant))
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    return rows.order_by("-id")


def _person(name_or_id: str) -> Q:
    """By the id of who has the name now, and by the name that somebody had who is gone."""
    found = _id(name_or_id)
    if found is None:
        found = User.objects.filter(username__iexact=name_or_id).values_list("pk", flat=True).first()
    return Q(actor_id=found) if found else Q(actor_name=name_or_id)


def _tenants(name_or_id: str) -> list[UUID]:
    found = _id(name_or_id)
    named = Tenant.objects.filter(name__iexact=name_or_id).values_list("pk", flat=True)
    return [found] if found else list(named)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ----- as programs read it --------------------------------------------------------------------------------


def names_of(rows: Iterable[Event]) -> dict[UUID, str]:
    """Tenant → its name."""
    ids = {row.tenant_id for row in rows if row.tenant_id}
    return dict(Tenant.objects.filter(pk__in=ids).values_list("pk", "name"))


def told(row: Event, tenants: Mapping[UUID, str]) -> dict[str, Any]:
    """A row for programs: of the REST API, `snapi audit --json` and each line of an export."""
    return {
        "id": row.pk,
        "time": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "tenant_id": str(row.tenant_id) if row.tenant_id else None,
        "tenant_name": tenants.get(row.tenant_id) if row.tenant_id else None,
        "actor_id": str(row.actor_id) if row.actor_id else None,
        "actor": row.actor_name,
        "role": row.role,
        "address": row.address,
        "request_id": row.request_id,
        "verb": row.verb,
        "thing": row.thing_type,
        "thing_id": str(row.thing_id),
        "thing_name": row.thing_name,
        "changes": row.changes,
        "position": row.position,
    }


def told_in_batches(rows: QuerySet[Event]) -> Iterator[list[dict[str, Any]]]:
    """Newest first, some rows at a time: an export may have millions, and must hold nothing meanwhile."""
    before: int | None = None
    tenants = dict(Tenant.objects.values_list("pk", "name"))
    while True:
        here = rows if before is None else rows.filter(pk__lt=before)
        found = list(here.order_by("-id")[:AT_ONCE])
        if found:
            yield [told(row, tenants) for row in found]
        if len(found) < AT_ONCE:
            return
        before = found[-1].pk
