"""The Edit endpoint window: what may be changed, how it will be applied, and what to do when somebody was first."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from endpoints import selectors, services
from endpoints.edit_forms import EditForm
from endpoints.models import Endpoint
from endpoints.rules import GAP, IN_TURN, WAITS
from endpoints.views.shown import Outlook
from studio import htmx
from studio.audit import selectors as audit
from studio.errors import Refusal
from studio.tenants.rules import Actor, require

COSTS = (GAP, IN_TURN, WAITS)  # effects that somebody may want to wait for a quiet hour with
SPEC_VERBS = ("edit", "stop", "restart", "restore")


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    found = _endpoint_to_edit(request.actor, endpoint)
    form = _form(request, found, submitted=request.method == "POST")
    if request.method != "POST" or not form.is_valid():
        return _show(request, found, form)
    try:
        services.update_endpoint(actor=request.actor, endpoint=found, edit=form.edit(), now=request.now)
    except services.Changed:
        return _show_both(request, endpoint, form)
    except Refusal as refusal:
        htmx.blame(form, refusal)
        return _show(request, found, form)
    return _done(request, found)


@require_POST
def preview(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    """The window as it is after a change: to htmx only the parts that differ now, else all of it."""
    found = _endpoint_to_edit(request.actor, endpoint)
    context = _window(request.actor, found, _form(request, found)) | {"again": True}
    return htmx.page(request, "endpoints/edit.html", context, part="touched")


def _show(request: htmx.Request, found: Endpoint, form: EditForm, **more: object) -> HttpResponse:
    return htmx.dialog(request, "endpoints/edit.html", _window(request.actor, found, form) | more)


def _show_both(request: htmx.Request, endpoint: UUID, form: EditForm) -> HttpResponse:
    """Somebody was first: theirs beside yours, and a window that holds yours on top of theirs.

    Where both wanted the same, there is nothing to choose.
    """
    found = _endpoint_to_edit(request.actor, endpoint)
    form.meet(found)
    differences = form.differences()
    if not differences:
        return _done(request, found)
    fresh = EditForm(request.actor, found, _preview_url(found), form.on_top())
    last = audit.of_thing(found.pk).filter(verb__in=SPEC_VERBS).order_by("-id").first()
    return _show(
        request, found, fresh, differences=differences, somebody=last.actor_name if last else "Somebody"
    )


def _done(request: htmx.Request, found: Endpoint) -> HttpResponse:
    say = f"Endpoint {found.name} was edited and sent to the queue."
    return htmx.done(request, to=reverse("endpoint", args=[found.pk]), say=say, events=["endpoints-changed"])


def _endpoint_to_edit(actor: Actor, pk: UUID) -> Endpoint:
    found = selectors.named(actor, str(pk))
    require(actor, "endpoint.run", selectors.facts(actor, found), thing="endpoint")
    return found


def _preview_url(endpoint: Endpoint) -> str:
    return reverse("endpoint-edit-preview", args=[endpoint.pk])


def _form(request: htmx.Request, found: Endpoint, *, submitted: bool = False) -> EditForm:
    typed = request.POST.dict() if request.method == "POST" else None
    return EditForm(request.actor, found, _preview_url(found), typed, submitted=submitted)


def _window(actor: Actor, endpoint: Endpoint, form: EditForm) -> dict[str, Any]:
    context = {"endpoint": endpoint, "form": form, "back": reverse("endpoint", args=[endpoint.pk])}
    if form.model is None or form.option is None:
        return context
    try:
        prospect = services.foresee_edit(actor=actor, endpoint=endpoint, edit=form.edit())
    except Refusal as refusal:
        return context | {"refusal": refusal}
    found = services.preview_edit(actor=actor, prospect=prospect, kinds=form.nodes)
    return context | {
        "preview": found,
        "outlook": Outlook(found),
        "forecast": prospect.forecast,
        "costs": prospect.forecast.effect in COSTS,
        "in_place": bool(prospect.forecast.opens and prospect.forecast.ends),
    }
