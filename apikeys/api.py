"""`/api/endpoints/{endpoint}/apikeys`, and what an API key looks like in JSON."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Router, Schema
from pydantic import Field, WithJsonSchema

from apikeys import services
from apikeys.models import ApiKey
from apikeys.rules import GRACES, LIMITS, MOST_LIMIT, masked, status, status_in_json
from apikeys.selectors import shown_once, told_keys
from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from studio.json_api import ApiRequest, Body, moment
from studio.json_docs import changes, creates, looks
from studio.paging import PAGE, kept_page
from studio.projects import selectors as projects
from studio.repeating import REPEATABLE, may_repeat
from studio.seal import Secret
from studio.tenants.rules import may
from studio.tenants.selectors import tenant_named

router = Router(tags=["API keys"])

# Any: what is wrong with it is for the rule to say, at the limit's own name.
Limit = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_LIMIT}, {"type": "null"}]}),
]


class LimitsIn(Body):
    """Over all gateways; null for no limit. Minutes, days and months are the clock's and the calendar's, in UTC."""

    requests_per_minute: Limit = None
    tokens_per_minute: Limit = Field(None, description="Prompt and completion together.")
    parallel: Limit = Field(None, description="Requests under way at once.")
    tokens_per_day: Limit = None
    tokens_per_month: Limit = None


class Terms(Body):
    limits: LimitsIn | None = Field(
        None, description="A limit that is absent stays as it is; null: no limits."
    )
    expires_at: str | None = Field(
        None, examples=["2030-12-31T18:00:00+00:00"], description="In UTC unless it says so; null for never."
    )
    experts: list[str] | None = Field(None, description="The only model names it may ask for; none for all.")


class NewKey(Terms):
    description: str = ""


class KeyChanges(Terms):
    """What is to change; what is absent stays."""

    description: str | None = None
    time_updated: str = Field("", description="Refused with 409 unless it is still the present one.")


class Rotation(Body):
    grace: str = Field(
        "none", description=f"For how long the old value is taken on: {', '.join(GRACES)}.", examples=["1h"]
    )
    time_updated: str = Field("", description="Refused with 409 unless it is still the present one.")


class LimitsOut(Schema):
    requests_per_minute: int | None
    tokens_per_minute: int | None
    parallel: int | None
    tokens_per_day: int | None
    tokens_per_month: int | None


class KeyOut(Schema):
    user_id: str
    time_created: str
    description: str
    status: str
    id: str
    endpoint_id: str
    time_updated: str
    api_key: str
    limits: LimitsOut
    expires_at: str | None
    experts: list[str]
    time_old_value_ends: str | None = Field(
        description="Of the First Key: until when the value before is taken."
    )


class Keys(Schema):
    api_keys: list[KeyOut]
    next: str | None


@router.get("/endpoints/{endpoint}/apikeys", response=looks(Keys), summary="List the API keys of an endpoint")
def list_api_keys(
    request: ApiRequest,
    endpoint: str,
    project: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Newest first, the First Key last. Whoever may not see values gets them masked."""
    found = _endpoint(request, endpoint, project)
    keys, following = kept_page(told_keys, cursor, limit, found.pk)
    return {"api_keys": _keys_json(request, found, keys), "next": following}


@router.post(
    "/endpoints/{endpoint}/apikeys",
    response=creates(KeyOut),
    summary="Add an API key to an endpoint",
    openapi_extra=REPEATABLE,
)
@may_repeat
def add_api_key(
    request: ApiRequest, endpoint: str, body: NewKey, project: str | None = None
) -> dict[str, Any]:
    found = _endpoint(request, endpoint, project)
    key, value = services.add_key(
        actor=request.auth,
        endpoint=found,
        facts=endpoints.facts(request.auth, found),
        description=body.description,
        **_terms(body),
        now=request.now,
    )
    return _with_value(request, key, value)


@router.get("/endpoints/{endpoint}/apikeys/{apikey}", response=looks(KeyOut), summary="An API key")
def api_key_info(
    request: ApiRequest, endpoint: str, apikey: str, project: str | None = None
) -> dict[str, Any]:
    """By id or by value; better by id, as addresses come into the logs of whatever stands between."""
    key = _key(request, endpoint, apikey, project)
    return _keys_json(request, key.endpoint, [key])[0]


@router.patch("/endpoints/{endpoint}/apikeys/{apikey}", response=changes(KeyOut), summary="Change an API key")
def change_api_key(
    request: ApiRequest, endpoint: str, apikey: str, body: KeyChanges, project: str | None = None
) -> dict[str, Any]:
    """Its description, its limits or both. The First Key has its limits only, and no expiry."""
    key = _key(request, endpoint, apikey, project)
    changed = services.update_key(
        actor=request.auth,
        key=key,
        facts=endpoints.facts(request.auth, key.endpoint),
        description=body.description,
        **_terms(body),
        seen=body.time_updated,
        now=request.now,
    )
    return key_json(changed, request.now)


@router.post(
    "/endpoints/{endpoint}/apikeys/{apikey}/revoke", response=changes(KeyOut), summary="Revoke an API key"
)
def revoke_api_key(
    request: ApiRequest, endpoint: str, apikey: str, project: str | None = None
) -> dict[str, Any]:
    """For good: within a second every gateway refuses it. The First Key cannot be revoked."""
    key = _key(request, endpoint, apikey, project)
    facts = endpoints.facts(request.auth, key.endpoint)
    revoked = services.revoke_key(actor=request.auth, key=key, facts=facts, now=request.now)
    return key_json(revoked, request.now)


@router.post(
    "/endpoints/{endpoint}/apikeys/{apikey}/rotate",
    response=creates(KeyOut),
    summary="Rotate the First Key",
    openapi_extra=REPEATABLE,
)
@may_repeat
def rotate_api_key(
    request: ApiRequest, endpoint: str, apikey: str, body: Rotation, project: str | None = None
) -> dict[str, Any]:
    """A new value in place of the old one, for the First Key only; its limits stay. The answer has the value.

    Without a grace time every gateway refuses the old value within a second.
    """
    key = _key(request, endpoint, apikey, project)
    rotated, value = services.rotate_key(
        actor=request.auth,
        key=key,
        facts=endpoints.facts(request.auth, key.endpoint),
        grace=body.grace,
        seen=body.time_updated,
        now=request.now,
    )
    return _with_value(request, rotated, value)


class Once(Body):
    once: bool = Field(description="False: from now on values are kept, sealed, and can be revealed.")


class OnceOut(Schema):
    tenant_id: str
    tenant_name: str
    values_once: bool = Field(description="Whether only the answer that makes a key shows its value.")
    removed: int = Field(description="How many values that were kept are gone by it, for good.")


@router.post(
    "/tenants/{tenant}/values-once",
    response=changes(OnceOut),
    summary="Show values of API keys once only",
    tags=["tenants"],
)
def show_values_once(request: ApiRequest, tenant: str, body: Once) -> dict[str, Any]:
    """Then only the answer that makes a value shows it, none is kept, and what was kept is removed."""
    found = tenant_named(request.auth, tenant)
    removed = services.show_values_once(actor=request.auth, tenant=found, once=body.once, now=request.now)
    return {
        "tenant_id": str(found.pk),
        "tenant_name": found.name,
        "values_once": body.once,
        "removed": removed,
    }


def _endpoint(request: ApiRequest, endpoint: str, project: str | None) -> Endpoint:
    where = projects.named(request.auth, project) if project else None
    return endpoints.named(request.auth, endpoint, where)


def _key(request: ApiRequest, endpoint: str, apikey: str, project: str | None) -> ApiKey:
    found = _endpoint(request, endpoint, project)
    key = services.key_named(found, apikey)
    key.endpoint = found
    return key


def _terms(body: Terms) -> dict[str, Any]:
    """What was sent, null included, which ends what it names."""
    sent = body.model_dump(exclude_unset=True, include={"limits", "expires_at", "experts"})
    if "limits" in sent and sent["limits"] is None:
        sent["limits"] = dict.fromkeys(LIMITS)
    if "expires_at" in sent:
        sent["expires_at"] = sent["expires_at"] or ""
    if "experts" in sent:
        sent["experts"] = sent["experts"] or []
    return sent


def _with_value(request: ApiRequest, key: ApiKey, value: Secret) -> dict[str, Any]:
    """With its new value; where that is shown once only, a repeat of the request gets it masked."""
    if shown_once(key.endpoint):
        request.kept = key_json(key, request.now)
    return key_json(key, request.now, value.reveal())


def keys_json(request: ApiRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The endpoint's keys as the actor may see them: with values (the showing is audited) or masked."""
    return _keys_json(request, endpoint, told_keys(endpoint.pk, None))


def _keys_json(request: ApiRequest, endpoint: Endpoint, keys: list[ApiKey]) -> list[dict[str, Any]]:
    facts = endpoints.facts(request.auth, endpoint)
    if not may(request.auth, "key.manage", facts):
        return [key_json(key, request.now) for key in keys]
    if endpoint.first_value is not None:  # made by this request, which is written down already
        values = {key.pk: endpoint.first_value for key in keys if key.is_first}
    else:
        values = services.show_keys(
            actor=request.auth, endpoint=endpoint, keys=keys, facts=facts, now=request.now
        )
    return [key_json(key, request.now, values[key.pk].reveal() if key.pk in values else "") for key in keys]


def key_json(key: ApiKey, now: datetime, value: str = "") -> dict[str, Any]:
    """The key with its value, or masked without one. The documented fields come first, in their order."""
    word = status(is_revoked=key.revoked_at is not None, expires_at=key.expires_at, now=now)
    return {
        "user_id": key.owner.username,
        "time_created": moment(key.created_at),
        "description": key.description,
        "status": status_in_json(word),
        "id": str(key.pk),
        "endpoint_id": str(key.endpoint_id),
        "time_updated": moment(key.updated_at),
        "api_key": value or masked(key.prefix),
        "limits": {name: getattr(key, name) for name in LIMITS},
        "expires_at": moment(key.expires_at) if key.expires_at else None,
        "experts": key.experts,
        "time_old_value_ends": moment(key.old_until) if key.old_until and key.old_until > now else None,
    }
