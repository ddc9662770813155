"""Reading API keys. Who may see them is asked above."""

import uuid

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from studio.tenants.models import Tenant


def shown_once(*endpoints: uuid.UUID) -> bool:
    """Whether the tenant of one of them keeps no values: only the answer that makes one shows it."""
    return Endpoint.objects.filter(pk__in=endpoints, project__tenant__values_once=True).exists()


def kept_values(tenant: Tenant) -> int:
    """How many values would go."""
    return ApiKey.objects.filter(endpoint__project__tenant=tenant, sealed__isnull=False).count()


def first_key(endpoint: Endpoint) -> ApiKey:
    return ApiKey.objects.select_related("endpoint", "owner").get(endpoint=endpoint, is_first=True)
