"""The kit of the doors for people: pages and their parts, the dance of the dialogs, refusals.

One address serves the whole page to a browser and a named part of it to htmx. A dialog's form that breaks a
rule comes back as its own inside; its success is an event that the page hears: `dialog-done`, a
`notice`, and whatever changed. Without JavaScript the same form stands on a page and success is a redirect.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event
from django_htmx.middleware import HtmxDetails

from studio.audit import selectors as audit
from studio.errors import Refusal
from studio.tenants import selectors as tenants
from studio.tenants.models import Tenant, User
from studio.tenants.rules import Actor

NOBODY = UUID(int=0)


class Request(HttpRequest):
    """A request as our middleware hands it to a view."""

    user: User
    actor: Actor
    now: datetime
    id: str
    htmx: HtmxDetails


# ----- pages and parts ------------------------------------------------------------------------------------


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, part: str = "", status: int = 200
) -> HttpResponse:
    """The page; to htmx only its named partial `part`, if one is named."""
    name = f"{template}#{part}" if part and wants_part(request) else template
    response = render(request, name, {**context, "frame": Frame(request)}, status=status)
    patch_vary_headers(response, ["HX-Request", "Cookie"])
    add_never_cache_headers(response)  # the Back button must not bring out what somebody signed out of
    return response


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a fragment; coming back through the history it wants the whole page."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    return bool(details) and not details.history_restore_request


def dialog(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """The inside of a dialog, or its page. A form with faults comes back with what was typed.

    With 200, faults or not: browsers write an error to the console for anything else.
    """
    return page(request, template, context, part="dialog")


def done(
    request: HttpRequest, *, to: str, say: str = "", events: Iterable[str] = (), leave: bool = False
) -> HttpResponse:
    """A form's success. `to` is where the plain page goes; a dialog goes there only with `leave`."""
    if not wants_part(request):
        _say_later(request, say)
        return HttpResponseRedirect(to)
    if leave:
        _say_later(request, say)
        return elsewhere(request, to)
    response = HttpResponse(status=204)
    for event in ("dialog-done", *events):
        trigger_client_event(response, event)
    return notice(response, say) if say else response


def box(
    request: HttpRequest,
    template: str,
    form: BaseForm,
    act: Callable[[], str | HttpResponse],
    *,
    back: str,
    events: Iterable[str] = (),
    leave: bool = False,
    **context: Any,
) -> HttpResponse:
    """A dialog with a form, or what sending it does; a refusal stands at its field.

    `act` returns what is said of it, or what is shown then. `leave`: as of `done`.
    """
    if request.method == "POST" and form.is_valid():
        try:
            said = act()
        except Refusal as refusal:
            blame(form, refusal)
        else:
            if isinstance(said, HttpResponse):
                return said
            return done(request, to=back, say=said, events=events, leave=leave)
    return dialog(request, template, {"form": form, "back": back, **context})


def elsewhere(request: HttpRequest, to: str) -> HttpResponse:
    """The whole page goes there, also when only a part of it asked."""
    return HttpResponseClientRedirect(to) if wants_part(request) else HttpResponseRedirect(to)


def notice(response: HttpResponse, text: str, kind: str = "done") -> HttpResponse:
    """Something said in passing; the page shows it and reads it out."""
    return trigger_client_event(response, "notice", {"text": text, "kind": kind})


def _say_later(request: HttpRequest, say: str) -> None:
    if say:
        messages.success(request, say)


# ----- names while somebody types --------------------------------------------------------------------------


def asks_for_names(request: HttpRequest) -> bool:
    return wants_part(request) and request.GET.get("part") == "names"


def names(request: HttpRequest, found: Iterable[str]) -> HttpResponse:
    """The inside of the field's list. A browser without htmx gets the window instead, with the first names in it."""
    return page(request, "frame/names.html", {"names": found})


def asking(address: str, known: str, *, include: str = "") -> dict[str, str]:
    """Attributes of a text field that offers names in the list `known`; without JavaScript it takes a whole name."""
    found = {
        "list": known,
        "autocomplete": "off",
        "hx-get": f"{address}?part=names",
        "hx-trigger": "focus, input changed delay:200ms",
        "hx-target": f"#{known}",
        "hx-swap": "innerHTML",
        "hx-sync": "this:replace",  # not the form's: to send it may not wait for names
    }
    return found | ({"hx-include": include} if include else {})


# ----- addresses ------------------------------------------------------------------------------------------


def address(name: str, *ids: UUID | str) -> str:
    """`reverse` for what is addressed by ids or names: a page has hundreds of these, and only the ids differ."""
    before, *after = _around(name, len(ids))
    if not ids:
        return before
    words = [quote(each, safe="") if isinstance(each, str) else str(each) for each in ids]
    return before + "".join([word + text for word, text in zip(words, after, strict=True)])


@cache
def _around(name: str, ids: int) -> list[str]:
    """What stands before, between and after the ids. An address does not change while the process runs."""
    return reverse(name, args=[NOBODY] * ids).split(str(NOBODY))


# ----- refusals -------------------------------------------------------------------------------------------


def blame(form: BaseForm, refusal: Refusal) -> None:
    """Put a service's refusal where it belongs: at its fields, else on top of the form.

    Raises the refusal again when no form can mend it: the thing is hidden from the actor, or not theirs to change.
    """
    if refusal.status in (401, 403, 404) and not refusal.fields:
        raise refusal
    known = {name: text for name, text in refusal.fields.items() if name in form.fields}
    for name, text in known.items():
        form.add_error(name, text)
    if not known:
        form.add_error(None, refusal.sentence)
        return
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    form.fields[next(iter(known))].widget.attrs["autofocus"] = True


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A refusal that belongs to no form: a notice to htmx, a page to a browser."""
    if getattr(request, "htmx", None) and wants_part(request):
        return notice(HttpResponse(status=refusal.status), refusal.sentence, "refused")
    if request.path.startswith("/api/"):
        body = json.dumps(refusal.as_json())
        return HttpResponse(body, status=refusal.status, content_type="application/json")
    return page(request, "frame/refused.html", {"refusal": refusal}, status=refusal.status)


def signed_out(request: HttpRequest) -> HttpResponse:
    """Whoever asked for a part of a page is not signed in any more: the page says so and offers the way."""
    return trigger_client_event(HttpResponse(status=401), "signed-out")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a token that holds. A page that htmx drives gets a new one and can send it again."""
    if not getattr(request, "htmx", None):
        return render(request, "403_csrf.html", status=403)
    get_token(request)
    if not request.user.is_authenticated:
        return signed_out(request)
    sentence = "This page was too old, so nothing was done. Send it again; what you typed is still there."
    return notice(HttpResponse(status=403), sentence, "refused")


# ----- the frame ------------------------------------------------------------------------------------------


class Frame:
    """What stands around every page. Looked up only where a template uses it: fragments have no frame."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @property
    def actor(self) -> Actor | None:
        return getattr(self.request, "actor", None)

    @cached_property
    def tenants(self) -> list[Tenant]:
        return tenants.switcher(self.actor) if self.actor else []

    @cached_property
    def tenant(self) -> Tenant | None:
        return next((each for each in self.tenants if self.actor and each.pk == self.actor.tenant), None)

    @property
    def switcher(self) -> list[tuple[Tenant, bool]]:
        """The tenants, and whether they are the active one."""
        return [(each, each is self.tenant) for each in self.tenants]

    @cached_property
    def role(self) -> str:
        """What the actor is in the active tenant, in a word."""
        if self.actor is None:
            return ""
        if self.actor.is_org_admin:
            return "OrgAdmin"
        standing = self.actor.tenants.get(self.actor.tenant) if self.actor.tenant else None
        return {"tenant_admin": "TenantAdmin", "member": "Member"}.get(standing or "", "Operator")

    @property
    def is_admin(self) -> bool:
        """Whether *Users* and *Tenant management* are for the actor."""
        return self.actor is not None and tenants.administers(self.actor)

    @cached_property
    def may_audit(self) -> bool:
        return self.actor is not None and audit.may_read(self.actor)

    @cached_property
    def theme(self) -> str:
        """Chosen per browser: the same person may sit at a dark and a bright screen."""
        chosen = self.request.COOKIES.get("theme", "")
        return chosen if chosen in ("light", "dark") else "system"

    @cached_property
    def section(self) -> str:
        """The entry of the left menu that this page belongs to."""
        first = self.request.path.strip("/").partition("/")[0]
        return {"": "dashboard", "endpoints": "projects"}.get(first, first)
