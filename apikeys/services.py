"""Adding, describing, limiting, revoking and showing endpoint API keys.

Values are UUIDs, kept as a digest to check and a sealed copy to show. Whoever calls from above locks the
endpoint first; each change of what works raises its `route_version`, so every gateway hears of it.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from apikeys.models import ApiKey
from apikeys.rules import (
    FIRST_KEY,
    MOST_DESCRIPTION,
    Terms,
    check_may_edit,
    check_may_limit,
    check_may_revoke,
    check_may_rotate,
    check_may_show,
    check_still,
    masked,
    read_grace,
    read_terms,
)
from apikeys.selectors import noted_showings, shown_once
from endpoints import routing
from endpoints.models import Endpoint
from studio import keyring, seal
from studio.audit.services import record
from studio.errors import Conflict, NotFound
from studio.repeats import services as repeats
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor, Facts, clean_text, leading_role, require
from studio.unit import unit_of_work

SHOWN_EVERY = timedelta(hours=1)  # one audit row per actor, key and hour


def mint_first_key(*, actor: Actor, endpoint: Endpoint, now: datetime) -> tuple[ApiKey, seal.Secret]:
    """The key every endpoint is created with: a part of its creation, called by `endpoints.services` only."""
    return _mint(actor, endpoint, FIRST_KEY, now, is_first=True)


@unit_of_work
def add_key(
    *,
    actor: Actor,
    endpoint: Endpoint,
    facts: Facts,
    description: str,
    limits: Mapping[str, object] | None = None,
    expires_at: object = None,
    experts: object = None,
    token: uuid.UUID | None = None,
    now: datetime,
) -> tuple[ApiKey, seal.Secret]:
    """A key and its value. Raises `Invalid` with each fault at its field.

    `token`: its id to be. The same sent twice is added once and answered twice; the primary key holds that.
    """
    require(actor, "key.manage", facts, thing="endpoint")
    endpoint = _locked(endpoint.pk)
    description = clean_text("description", description, MOST_DESCRIPTION)
    terms = Terms(names=endpoint.model_version.model.names)
    wanted = read_terms(_given(limits, expires_at, experts), terms, now)
    made = ApiKey.objects.filter(pk=token).first() if token else None
    if made and _is_the_same(made, actor, endpoint, {"description": description, **wanted}):
        return made, show_key(actor=actor, key=made, facts=facts, now=now)
    own_id = {"pk": token} if token and not made else {}
    key, value = _mint(actor, endpoint, description, now, **wanted, **own_id)
    _record(actor, "add key", key, endpoint, facts, _changes(wanted))
    routing.touch([endpoint.pk])
    return key, value


@unit_of_work
def edit_key(
    *, actor: Actor, key: ApiKey, facts: Facts, description: str, seen: str = "", now: datetime
) -> ApiKey:
    """Describe it anew; gateways know no descriptions. `seen`: refuse if it was changed since then."""
    require(actor, "key.manage", facts, thing="endpoint")
    key = _fresh(key)
    check_may_edit(is_first=key.is_first, is_revoked=key.revoked_at is not None)
    check_still(seen, key.updated_at)
    description = clean_text("description", description, MOST_DESCRIPTION)
    if description != key.description:
        ApiKey.objects.filter(pk=key.pk).update(description=description, updated_at=now)
        _record(actor, "edit key", key, key.endpoint, facts, {"description": [key.description, description]})
        key.refresh_from_db()
    return key


@unit_of_work
def limit_key(
    *,
    actor: Actor,
    key: ApiKey,
    facts: Facts,
    limits: Mapping[str, object] | None = None,
    expires_at: object = None,
    experts: object = None,
    seen: str = "",
    now: datetime,
) -> ApiKey:
    """Change what a key that is not revoked may use; a key that expired works again with a later expiry.

    A limit that is not named stays, one that is None ends; `expires_at` and `experts` stay when None and end
    when empty. Raises `Invalid` with each fault at its field. `seen`: refuse if it was changed since then.
    """
    require(actor, "key.manage", facts, thing="endpoint")
    key = _fresh(key)
    check_may_limit(is_revoked=key.revoked_at is not None)
    check_still(seen, key.updated_at)
    names = key.endpoint.model_version.model.names
    terms = Terms(key.is_first, key.expires_at, key.experts, names)
    wanted = read_terms(_given(limits, expires_at, experts), terms, now)
    changed = {name: value for name, value in wanted.items() if getattr(key, name) != value}
    if changed:
        ApiKey.objects.filter(pk=key.pk).update(**changed, updated_at=now)
        _record(actor, "limit key", key, key.endpoint, facts, _changes(changed, key))
        routing.touch([key.endpoint_id])
        key.refresh_from_db()
    return key


@unit_of_work
def update_key(
    *,
    actor: Actor,
    key: ApiKey,
    facts: Facts,
    description: str | None = None,
    limits: Mapping[str, object] | None = None,
    expires_at: object = None,
    experts: object = None,
    seen: str = "",
    now: datetime,
) -> ApiKey:
    """Description and limits in one: both or neither; what is None stays."""
    require(actor, "key.manage", facts, thing="endpoint")
    key = _fresh(key)
    check_still(seen, key.updated_at)
    if description is not None:
        key = edit_key(actor=actor, key=key, facts=facts, description=description, now=now)
    if _given(limits, expires_at, experts):
        key = limit_key(
            actor=actor,
            key=key,
            facts=facts,
            limits=limits,
            expires_at=expires_at,
            experts=experts,
            now=now,
        )
    return key


@unit_of_work
def revoke_key(*, actor: Actor, key: ApiKey, facts: Facts, now: datetime) -> ApiKey:
    """Final: the row stays, its value is gone, and every gateway refuses it within a second."""
    require(actor, "key.manage", facts, thing="endpoint")
    key = _fresh(key)
    check_may_revoke(is_first=key.is_first, is_revoked=key.revoked_at is not None)
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now, updated_at=now, sealed=None)
    _record(actor, "revoke key", key, key.endpoint, facts, {"revoked": [False, True]})
    routing.touch([key.endpoint_id])
    key.refresh_from_db()
    return key


@unit_of_work
def rotate_key(
    *, actor: Actor, key: ApiKey, facts: Facts, grace: object = "none", seen: str = "", now: datetime
) -> tuple[ApiKey, seal.Secret]:
    """A new value for the First Key; limits and all else stay.

    The one before is taken for the grace time and then refused by every gateway's own clock; without one, within
    a second. One that was replaced earlier ends now in any case. `seen`: refuse if it was changed since then.
    """
    require(actor, "key.manage", facts, thing="endpoint")
    key = _fresh(key)
    check_may_rotate(is_first=key.is_first)
    check_still(seen, key.updated_at)
    until = now + read_grace(grace)
    value = str(uuid.uuid4())
    ApiKey.objects.filter(pk=key.pk).update(
        **_secret(value, key.endpoint),
        old_digest=key.digest if until > now else None,
        old_pepper=key.pepper if until > now else "",
        old_until=until if until > now else None,
        updated_at=now,
    )
    _record(
        actor, "rotate key", key, key.endpoint, facts, {"grace": grace, "beginning": [key.prefix, value[:8]]}
    )
    routing.touch([key.endpoint_id])
    key.refresh_from_db()
    return key, seal.Secret(value)


def forget_values(endpoint: Endpoint) -> int:
    """Nobody will be shown the keys of an endpoint that is gone for good. Called by `endpoints.services` only."""
    return ApiKey.objects.filter(endpoint=endpoint, sealed__isnull=False).update(sealed=None)


def show_keys(
    *, actor: Actor, endpoint: Endpoint, keys: Sequence[ApiKey], facts: Facts, now: datetime
) -> dict[uuid.UUID, seal.Secret]:
    """The values of those that are not revoked, by key id; audited once per actor, key and hour."""
    require(actor, "key.manage", facts, thing="endpoint")
    if shown_once(endpoint):
        return {}
    shown = {key.pk: seal.Secret(keyring.open_value(key.sealed, "api key")) for key in keys if key.sealed}
    _note_showings(actor, endpoint, [key for key in keys if key.pk in shown], facts, now)
    return shown


def show_key(*, actor: Actor, key: ApiKey, facts: Facts, now: datetime) -> seal.Secret:
    """One value. Raises `Conflict` for a revoked key, and for one whose value was shown once only."""
    require(actor, "key.manage", facts, thing="endpoint")
    is_once = shown_once(key.endpoint)
    check_may_show(is_revoked=key.revoked_at is not None, is_once=is_once, is_kept=bool(key.sealed))
    return show_keys(actor=actor, endpoint=key.endpoint, keys=[key], facts=facts, now=now)[key.pk]


# ----- values that are shown once only --------------------------------------------------------------------


@unit_of_work
def show_values_once(*, actor: Actor, tenant: Tenant, once: bool, now: datetime) -> int:
    """Switch it for a tenant. Returns how many kept values are gone by it, for good.

    What somebody seals at this very moment is not shown any more, and goes with the next sweep.
    """
    facts = Facts(tenant.pk)
    require(actor, "tenant.manage", facts, thing="tenant")
    tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
    if tenant.values_once == once:
        return 0
    tenant.values_once = once
    tenant.save(update_fields=["values_once"])
    gone = forget_shown()
    if once:
        _forget_in_answers(tenant)
    changes: dict[str, object] = {"values once": [not once, once], "values removed": gone}
    role = leading_role(actor, facts)
    record(actor, "show once", "tenant", tenant.pk, tenant.name, tenant=tenant.pk, role=role, changes=changes)
    return gone


def forget_shown() -> int:
    """The sweep, too: no value stays where values are shown once only. Returns how many went."""
    kept = ApiKey.objects.filter(sealed__isnull=False, endpoint__project__tenant__values_once=True)
    ids = list(kept.values_list("pk", flat=True))
    return ApiKey.objects.filter(pk__in=ids).update(sealed=None) if ids else 0


def _forget_in_answers(tenant: Tenant) -> None:
    """What a request would be answered if it were repeated (`studio.repeats`) has the values, too."""
    keys = ApiKey.objects.filter(endpoint__project__tenant=tenant)
    digests = {bytes(digest) for digest in keys.values_list("digest", flat=True)}

    def without(answer: Any) -> Any:
        if isinstance(answer, list):
            return [without(each) for each in answer]
        if not isinstance(answer, dict):
            return answer
        value = answer.get("api_key")
        if isinstance(value, str) and not digests.isdisjoint(keyring.digests(value)):
            answer = answer | {"api_key": masked(value[:8])}
        return {name: without(each) for name, each in answer.items()}

    repeats.rewrite(without)


def key_named(endpoint: Endpoint, id_or_value: str) -> ApiKey:
    """By id or by the key's value. Raises `NotFound`."""
    try:
        wanted = uuid.UUID(id_or_value.strip())
    except ValueError:
        raise NotFound("There is no such API key.", {"apikey": "unknown key"}) from None
    keys = ApiKey.objects.select_related("endpoint", "owner").filter(endpoint=endpoint)
    digests = keyring.digests(str(wanted))
    found = keys.filter(pk=wanted).first() or keys.filter(digest__in=digests).first()
    if found is None:
        raise NotFound("There is no such API key.", {"apikey": "unknown key"})
    return found


def _given(limits: Mapping[str, object] | None, expires_at: object, experts: object) -> dict[str, object]:
    more = {"expires_at": expires_at, "experts": experts}
    return dict(limits or {}) | {name: value for name, value in more.items() if value is not None}


def _changes(wanted: Mapping[str, object], key: ApiKey | None = None) -> dict[str, object]:
    """Old → new for the audit, of a new key what it is limited to.

    A list is told as old → new also of a new key: a plain list of two names would be read as a change.
    """
    if key is None:
        given = {name: _plain(value) for name, value in wanted.items() if value}
        return {name: [[], value] if isinstance(value, list) else value for name, value in given.items()}
    return {name: [_plain(getattr(key, name)), _plain(value)] for name, value in wanted.items()}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _is_the_same(key: ApiKey, actor: Actor, endpoint: Endpoint, wanted: Mapping[str, object]) -> bool:
    """The key that the same form has added already, and that still works."""
    if key.revoked_at or (key.endpoint_id, key.owner_id) != (endpoint.pk, actor.id or endpoint.owner_id):
        return False
    return all(getattr(key, name) == value for name, value in wanted.items())


def _locked(endpoint: uuid.UUID) -> Endpoint:
    """The row as it is now, locked. Raises `Conflict` for one that is deleted."""
    rows = Endpoint.objects.select_for_update(of=("self",)).select_related("model_version__model")
    found = rows.get(pk=endpoint)
    if found.desired == Endpoint.Desired.DELETED:
        raise Conflict(f"Endpoint {found.name} is deleted.")
    return found


def _fresh(key: ApiKey) -> ApiKey:
    """The key as it is now; with its endpoint locked, nobody else changes it."""
    endpoint = _locked(key.endpoint_id)
    fresh = ApiKey.objects.select_related("owner").get(pk=key.pk)
    fresh.endpoint = endpoint
    return fresh


def _mint(
    actor: Actor, endpoint: Endpoint, description: str, now: datetime, **facts: object
) -> tuple[ApiKey, seal.Secret]:
    value = str(uuid.uuid4())
    key = ApiKey.objects.create(
        endpoint=endpoint,
        owner_id=actor.id or endpoint.owner_id,
        description=description,
        **_secret(value, endpoint),
        created_at=now,
        updated_at=now,
        **facts,
    )
    return key, seal.Secret(value)


def _secret(value: str, endpoint: Endpoint) -> dict[str, object]:
    """The columns that are made of a key's value."""
    digest, pepper = keyring.new_digest(value)
    return {
        "digest": digest,
        "pepper": pepper,
        "sealed": None if shown_once(endpoint) else keyring.seal_value(value, "api key"),
        "prefix": value[:8],
    }


def _record(
    actor: Actor,
    verb: str,
    key: ApiKey,
    endpoint: Endpoint,
    facts: Facts,
    changes: dict[str, object] | None = None,
    open_until: datetime | None = None,
) -> None:
    about: dict[str, object] = {"key": str(key.pk), "description": key.description}
    record(
        actor,
        verb,
        "endpoint",
        endpoint.pk,
        endpoint.name,
        tenant=facts.tenant,
        role=leading_role(actor, facts),
        changes=about | (changes or {}),
        owner=endpoint.owner_id,
        open_until=open_until,
    )


def _note_showings(
    actor: Actor, endpoint: Endpoint, keys: Sequence[ApiKey], facts: Facts, now: datetime
) -> None:
    """A row stands for the hour, so that whoever asks each second what becomes of an endpoint writes nothing.

    Two who ask in the same moment write two.
    """
    noted = noted_showings(actor, endpoint, now) if keys else set()
    for key in keys:
        if str(key.pk) not in noted:
            _record(actor, "show key", key, endpoint, facts, open_until=now + SHOWN_EVERY)
