"""Reading API keys. Who may see them is asked above."""

from datetime import datetime

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor


def shown_once(endpoint: Endpoint) -> bool:
    """Whether its tenant keeps no values: only the answer that makes one shows it."""
    return endpoint.project.tenant.values_once


def noted_showings(actor: Actor, endpoint: Endpoint, now: datetime) -> set[str]:
    """The keys of the endpoint, by id, whose showing to the actor an audit row stands for at this time."""
    rows = Event.objects.filter(actor_id=actor.id, verb="show key", thing_id=endpoint.pk, open_until__gt=now)
    return {changes["key"] for changes in rows.order_by().values_list("changes", flat=True)}


def kept_values(tenant: Tenant) -> int:
    """How many values would go."""
    return ApiKey.objects.filter(endpoint__project__tenant=tenant, sealed__isnull=False).count()


def first_key(endpoint: Endpoint) -> ApiKey:
    return ApiKey.objects.select_related("endpoint", "owner").get(endpoint=endpoint, is_first=True)
