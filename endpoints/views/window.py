"""The Endpoint window with its tabs, the alerts before Stop, Restart and Delete, and Restore."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apikeys import services as keys
from apikeys.models import ApiKey
from apikeys.selectors import table_of_keys
from apikeys.views import KeyRow
from endpoints import selectors, services
from endpoints.edit_forms import RestoreForm
from endpoints.models import Endpoint
from endpoints.selectors import EndpointView
from endpoints.usage import views as usage
from endpoints.views.shown import Happening, Row
from studio import htmx
from studio.audit import selectors as audit
from studio.errors import Refusal
from studio.hub import selectors as hub
from studio.paging import kept_page
from studio.projects import selectors as projects
from studio.tenants.rules import Actor, may, require

TABS = {"keys": "Overview", "instances": "Instances", "usage": "Usage", "events": "Events"}
PARTS = {"live": ("endpoints/endpoint.html", "live")} | {tab: (f"endpoints/{tab}.html", tab) for tab in TABS}
LONG = 50  # events shown
KEYS = 25  # of a page


@require_safe
def endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    actor = request.actor
    found = selectors.named(actor, str(endpoint), only_told=True)
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "keys"
    part = request.GET.get("part", "live")
    template, part = (
        PARTS.get(part, PARTS["live"]) if htmx.wants_part(request) else ("endpoints/endpoint.html", "")
    )
    view = selectors.view(found, with_rdus="instances" in (tab, part))
    context: dict[str, Any] = {"row": Row(view, actor), "tab": tab, "tabs": TABS.items()}
    if part in ("", "live"):
        context["parameters"] = _parameters(found)
    if "keys" in (tab, part):
        context |= _keys(request, found)
    if "usage" in (tab, part):
        context |= usage.context(request, found)
    if "events" in (tab, part):
        context["events"] = [Happening(each) for each in audit.latest_of_thing(found.pk, LONG)]
    return htmx.page(request, template, context, part=part)


def _parameters(endpoint: Endpoint) -> list[tuple[str, object]]:
    """(label, value) as the Create endpoint window calls them; one that its model no longer has, by its name."""
    if not endpoint.parameters:
        return []
    labels = hub.parameter_labels(endpoint.model_version.model_id, endpoint.generation_id)
    return [(labels.get(name, name), value) for name, value in endpoint.parameters.items()]


def _keys(request: htmx.Request, endpoint: Endpoint) -> dict[str, Any]:
    """A page of the API Keys table, masked; `?reveal=<id>` shows one value, for who may and has no JavaScript."""
    revealed, cursor = request.GET.get("reveal", ""), request.GET.get("cursor", "")
    keys, following = kept_page(table_of_keys, cursor, KEYS, endpoint.pk)
    rows = []
    for key in keys:
        show = str(key.pk) == revealed and not key.revoked_at
        rows.append(KeyRow(key, request.now, _value(request, key) if show else ""))
    return {"keys": rows, "following": following, "cursor": cursor}


@require_safe
def key_value(request: htmx.Request, endpoint: UUID, key: UUID) -> HttpResponse:
    """The value to the copy icon as plain text; shown or masked in its cell for the reveal icon."""
    actor = request.actor
    found = selectors.named(actor, str(endpoint))
    row = keys.key_named(found, str(key))
    value = "" if "hide" in request.GET else _value(request, row)
    if "show" not in request.GET and "hide" not in request.GET:
        answer = HttpResponse(value, content_type="text/plain; charset=utf-8")
        answer["Cache-Control"] = "no-store"
        return answer
    context = {"row": Row(EndpointView(found, "", 0), actor), "each": KeyRow(row, request.now, value)}
    return htmx.page(request, "endpoints/key.html", context)


def _value(request: htmx.Request, key: ApiKey) -> str:
    facts = selectors.facts(request.actor, key.endpoint)
    return keys.show_key(actor=request.actor, key=key, facts=facts, now=request.now).reveal()


# ----- Stop, Restart, Delete ------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    return _deed(request, endpoint, "endpoint.run", "stop", services.stop_endpoint, "is stopping")


@require_http_methods(["GET", "HEAD", "POST"])
def restart(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    return _deed(request, endpoint, "endpoint.run", "restart", services.restart_endpoint, "is restarting")


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    return _deed(request, endpoint, "endpoint.delete", "delete", services.delete_endpoint, "was deleted")


def _deed(
    request: htmx.Request, pk: UUID, action: str, deed: str, service: Callable[..., Endpoint], outcome: str
) -> HttpResponse:
    found = selectors.named(request.actor, str(pk))
    window = reverse("endpoint", args=[found.pk])
    require(request.actor, action, selectors.facts(request.actor, found), thing="endpoint")
    if request.method != "POST":
        context = {"row": Row(selectors.view(found), request.actor), "back": window}
        return htmx.dialog(request, f"endpoints/{deed}.html", context)
    service(actor=request.actor, endpoint=found, now=request.now)
    gone = deed == "delete"
    return htmx.done(
        request,
        to=_home(request.actor, found) if gone else window,
        say=f"Endpoint {found.name} {outcome}.",
        events=["endpoints-changed"],
        leave=gone and request.htmx.current_url_abs_path == window,
    )


def _home(actor: Actor, endpoint: Endpoint) -> str:
    """Its project's window, if the actor may see it."""
    if may(actor, "project.see", projects.facts(actor, endpoint.project)):
        return reverse("project", args=[endpoint.project_id])
    return reverse("projects")


# ----- Restore --------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def restore(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    """A deleted endpoint has no window; its row in its project's *Recently deleted* leads here."""
    found = selectors.deleted_named(request.actor, str(endpoint), request.now)
    require(request.actor, "endpoint.delete", selectors.facts(request.actor, found), thing="endpoint")
    form = RestoreForm(
        request.POST if request.method == "POST" else None, initial={"endpoint_name": found.name}
    )
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["endpoint_name"]
        try:
            restored = services.restore_endpoint(
                actor=request.actor, endpoint=found, name=name, now=request.now
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            say = f"Endpoint {restored.name} was restored. It is stopped; restart it to run it."
            window = reverse("endpoint", args=[restored.pk])
            return htmx.done(request, to=window, say=say, events=["endpoints-changed"])
    context = {
        "row": Row(selectors.view(found), request.actor),
        "form": form,
        "taken": selectors.is_taken(found.project_id, found.name),
        "back": _home(request.actor, found),
    }
    return htmx.dialog(request, "endpoints/restore.html", context)
