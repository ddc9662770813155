"""`/api/endpoints/{endpoint}/apikeys`, and what an API key looks like in JSON."""

from typing import Any

from ninja import Router, Schema

from apikeys import services
from apikeys.models import ApiKey
from apikeys.rules import masked
from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from studio.json_api import ApiRequest, answers, moment
from studio.projects import selectors as projects
from studio.tenants.rules import may

router = Router(tags=["API keys"])


class KeyOut(Schema):
    user_id: str
    time_created: str
    description: str
    status: str
    id: str
    endpoint_id: str
    time_updated: str
    api_key: str


class Keys(Schema):
    api_keys: list[KeyOut]
    next: str | None


@router.get(
    "/endpoints/{endpoint}/apikeys", response=answers(Keys), summary="List the API keys of an endpoint"
)
def list_api_keys(request: ApiRequest, endpoint: str, project: str | None = None) -> dict[str, Any]:
    """Newest first, the First Key last. Whoever may not see values gets them masked."""
    where = projects.named(request.auth, project) if project else None
    found = endpoints.named(request.auth, endpoint, where)
    return {"api_keys": keys_json(request, found), "next": None}


def keys_json(request: ApiRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The endpoint's keys as the actor may see them: with values (the showing is audited) or masked."""
    keys = list(endpoints.keys_of(endpoint))
    facts = endpoints.facts(request.auth, endpoint)
    if not may(request.auth, "key.manage", facts):
        return [key_json(key) for key in keys]
    values = services.show_keys(actor=request.auth, keys=keys, facts=facts, now=request.now)
    return [key_json(key, values[key.pk].reveal() if key.pk in values else "") for key in keys]


def key_json(key: ApiKey, value: str = "") -> dict[str, Any]:
    """The key with its value, or masked without one. The order of the fields is the documented one."""
    return {
        "user_id": key.owner.username,
        "time_created": moment(key.created_at),
        "description": key.description,
        "status": "Revoked" if key.revoked_at else "Live",
        "id": str(key.pk),
        "endpoint_id": str(key.endpoint_id),
        "time_updated": moment(key.updated_at),
        "api_key": value or masked(key.prefix),
    }
