"""Reading API keys. Who may see them is asked above."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Window
from django.db.models.functions import RowNumber

from apikeys.models import ApiKey
from apikeys.rules import LIMITS
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.statements import WORD, statement
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor

LISTED_KEYS = 10  # beside the First Key; an endpoint may have thousands
TOLD = (
    "endpoint", "owner", "description", "is_first", "prefix", *LIMITS, "experts", "created_at", "updated_at",
    "expires_at", "revoked_at", "old_until",
)  # fmt: skip


def keys_of(endpoint: Endpoint) -> QuerySet[ApiKey]:
    """The API Keys table: newest first, the First Key last."""
    return endpoint.api_keys.select_related("owner").order_by("is_first", "-created_at", "id")


@statement(most=WORD)
def table_of_keys(endpoint: UUID, most: int | None) -> QuerySet[ApiKey]:
    return keys_of(Endpoint(pk=endpoint))[:most]


@statement(most=WORD)
def told_keys(endpoint: UUID, most: int | None) -> QuerySet[ApiKey]:
    """The same with no more than the REST API says of them, and their values."""
    return keys_of(Endpoint(pk=endpoint)).only(*TOLD, "owner__username", "sealed")[:most]


@statement()
def newest_keys(endpoints: list[UUID]) -> QuerySet[ApiKey]:
    """Of each endpoint the First Key and the newest others, without their values and owners."""
    order = ("-is_first", "-created_at", "id")
    place = Window(RowNumber(), partition_by="endpoint_id", order_by=order)
    keys = ApiKey.objects.alias(place=place).filter(endpoint__in=endpoints, place__lte=LISTED_KEYS + 1)
    return keys.only(*TOLD).order_by(*order)


def shown_once(endpoint: Endpoint) -> bool:
    """Whether its tenant keeps no values: only the answer that makes one shows it."""
    return endpoint.project.tenant.values_once


def noted_showings(actor: Actor, endpoint: Endpoint, now: datetime) -> set[str]:
    """The keys of the endpoint, by id, whose showing to the actor an audit row stands for at this time."""
    return {changes["key"] for changes in _open_showings(actor.id, endpoint.pk, now)}


@statement()
def _open_showings(actor: UUID | None, thing: UUID, now: datetime) -> QuerySet[Event, Any]:
    rows = Event.objects.filter(actor_id=actor, verb="show key", thing_id=thing, open_until__gt=now)
    return rows.order_by().values_list("changes", flat=True)


def kept_values(tenant: Tenant) -> int:
    """How many values would go."""
    return ApiKey.objects.filter(endpoint__project__tenant=tenant, sealed__isnull=False).count()


def first_key(endpoint: Endpoint) -> ApiKey:
    return ApiKey.objects.select_related("endpoint", "owner").get(endpoint=endpoint, is_first=True)
