"""The boxes of the API Keys table: Add new, Edit, Limits, Rotate, Revoke; and how a key is shown in it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.forms import BaseForm, Form
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from apikeys import selectors as keys
from apikeys import services
from apikeys.forms import DescriptionForm, LimitsForm, NewKeyForm, RotateForm
from apikeys.models import ApiKey
from apikeys.rules import (
    REVOKED,
    check_may_edit,
    check_may_limit,
    check_may_revoke,
    check_may_rotate,
    masked,
    status,
)
from endpoints import selectors as endpoints
from endpoints.models import Endpoint
from studio import htmx
from studio.seal import Secret
from studio.tenants import selectors as tenants
from studio.tenants.rules import Facts, require

METHODS = ["GET", "HEAD", "POST"]


class KeyRow:
    """A key of the table, with what its menu offers. `value` is "" while it is masked."""

    UNITS = {
        "requests_per_minute": "requests a minute",
        "tokens_per_minute": "tokens a minute",
        "parallel": "at once",
        "tokens_per_day": "tokens a day",
        "tokens_per_month": "tokens a month",
    }

    def __init__(self, key: ApiKey, now: datetime, value: str = "") -> None:
        self.key, self.value, self.masked = key, value, masked(key.prefix)
        self.status = status(is_revoked=key.revoked_at is not None, expires_at=key.expires_at, now=now)
        self.can_limit = self.status != REVOKED
        self.can_edit = self.can_revoke = self.can_limit and not key.is_first
        self.can_rotate = key.is_first
        self.can_show = bool(key.sealed)
        self.old_until = key.old_until if key.old_until and key.old_until > now else None

    @property
    def name(self) -> str:
        """How it is called aloud."""
        return self.key.description or self.masked

    @property
    def terms(self) -> list[str]:
        """Its limits in few words; none, no words."""
        limits = [(getattr(self.key, name), unit) for name, unit in self.UNITS.items()]
        words = [f"{limit:,} {unit}" for limit, unit in limits if limit]
        if self.old_until:
            words.append(f"old value until {self.old_until:%d %b, %Y, %H:%M} UTC")
        if self.key.expires_at:
            words.append(f"until {self.key.expires_at:%d %b, %Y, %H:%M} UTC")
        if self.key.experts:
            words.append(f"only {', '.join(self.key.experts)}")
        return words


@require_http_methods(METHODS)
def new(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    found, facts = _endpoint(request, endpoint)
    form = NewKeyForm(found.model_version.model.names, _typed(request))

    def add() -> str | HttpResponse:
        key, value = services.add_key(
            actor=request.actor,
            endpoint=found,
            facts=facts,
            description=form.cleaned_data["description"],
            **form.terms(),
            token=form.cleaned_data["token"],
            now=request.now,
        )
        if keys.shown_once(found):
            return value_box(request, key, value, back=reverse("endpoint", args=[found.pk]))
        return "The API key was added."

    return _box(request, "new", found, form, add)


@require_http_methods(METHODS)
def edit(request: htmx.Request, endpoint: UUID, key: UUID) -> HttpResponse:
    found, facts, row = _key(request, endpoint, key)
    check_may_edit(is_first=row.is_first, is_revoked=row.revoked_at is not None)
    form = DescriptionForm(row, _typed(request))

    def save() -> str:
        services.edit_key(
            actor=request.actor,
            key=row,
            facts=facts,
            description=form.cleaned_data["description"],
            seen=form.cleaned_data["updated_at"],
            now=request.now,
        )
        return "The key description was saved."

    return _box(request, "edit", found, form, save, row)


@require_http_methods(METHODS)
def limits(request: htmx.Request, endpoint: UUID, key: UUID) -> HttpResponse:
    found, facts, row = _key(request, endpoint, key)
    check_may_limit(is_revoked=row.revoked_at is not None)
    form = LimitsForm(found.model_version.model.names, _typed(request), key=row)

    def save() -> str:
        services.limit_key(
            actor=request.actor,
            key=row,
            facts=facts,
            **form.terms(),
            seen=form.cleaned_data["updated_at"],
            now=request.now,
        )
        return "The limits were saved; every gateway follows them within a second."

    return _box(request, "limits", found, form, save, row)


@require_http_methods(METHODS)
def revoke(request: htmx.Request, endpoint: UUID, key: UUID) -> HttpResponse:
    found, facts, row = _key(request, endpoint, key)
    check_may_revoke(is_first=row.is_first, is_revoked=row.revoked_at is not None)

    def end() -> str:
        services.revoke_key(actor=request.actor, key=row, facts=facts, now=request.now)
        return "The API key was revoked."

    return _box(request, "revoke", found, Form(_typed(request)), end, row)


@require_http_methods(METHODS)
def rotate(request: htmx.Request, endpoint: UUID, key: UUID) -> HttpResponse:
    """The new value stands in the answer, so that whoever waits for it need not look for it in the table."""
    found, facts, row = _key(request, endpoint, key)
    check_may_rotate(is_first=row.is_first)
    form = RotateForm(row, _typed(request))

    def replace() -> HttpResponse:
        rotated, value = services.rotate_key(
            actor=request.actor,
            key=row,
            facts=facts,
            grace=form.cleaned_data["grace"],
            seen=form.cleaned_data["updated_at"],
            now=request.now,
        )
        return value_box(request, rotated, value, back=reverse("endpoint", args=[found.pk]))

    return _box(request, "rotate", found, form, replace, row)


def value_box(
    request: htmx.Request, key: ApiKey, value: Secret, *, back: str, event: str = "keys-changed"
) -> HttpResponse:
    """A key's new value, to copy; and whether this is the only time that it is shown."""
    context = {
        "endpoint": key.endpoint,
        "each": KeyRow(key, request.now, value.reveal()),
        "once": keys.shown_once(key.endpoint),
        "back": back,
    }
    return trigger_client_event(htmx.dialog(request, "apikeys/value.html", context), event)


# ----- the setting of a tenant ----------------------------------------------------------------------------


@require_http_methods(METHODS)
def values_once(request: htmx.Request, tenant: UUID) -> HttpResponse:
    """The switch, with what it does spelled out before."""
    found = tenants.tenant_named(request.actor, str(tenant))
    require(request.actor, "tenant.manage", Facts(found.pk), thing="tenant")
    back = reverse("tenants")
    if request.method != "POST":
        context = {"tenant": found, "kept": keys.kept_values(found), "back": back}
        return htmx.dialog(request, "apikeys/values-once.html", context)
    once = request.POST.get("once") == "yes"
    gone = services.show_values_once(actor=request.actor, tenant=found, once=once, now=request.now)
    say = f"Values of API keys are shown once only in {found.name}; {gone} kept ones were removed."
    if not once:
        say = f"New values of API keys are kept in {found.name} and can be revealed."
    return htmx.done(request, to=back, say=say, events=["tenants-changed"])


# ----- what they have in common ---------------------------------------------------------------------------


def _endpoint(request: htmx.Request, pk: UUID) -> tuple[Endpoint, Facts]:
    found = endpoints.named(request.actor, str(pk))
    facts = endpoints.facts(request.actor, found)
    require(request.actor, "key.manage", facts, thing="endpoint")
    return found, facts


def _key(request: htmx.Request, endpoint: UUID, key: UUID) -> tuple[Endpoint, Facts, ApiKey]:
    found, facts = _endpoint(request, endpoint)
    return found, facts, services.key_named(found, str(key))


def _typed(request: htmx.Request) -> Any:
    return request.POST if request.method == "POST" else None


def _box(
    request: htmx.Request,
    box: str,
    endpoint: Endpoint,
    form: BaseForm,
    act: Callable[[], str | HttpResponse],
    key: ApiKey | None = None,
) -> HttpResponse:
    return htmx.box(
        request, f"apikeys/{box}.html", form, act,
        back=reverse("endpoint", args=[endpoint.pk]), events=["keys-changed"],
        endpoint=endpoint, each=KeyRow(key, request.now) if key else None,
    )  # fmt: skip
