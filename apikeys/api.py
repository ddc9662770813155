"""`/api/endpoints/{endpoint}/apikeys`, and what an API key looks like in JSON."""

from typing import Any

from ninja import Schema

from apikeys.models import ApiKey
from studio.json_api import moment


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
        "api_key": value or f"{key.prefix}-••••",
    }
