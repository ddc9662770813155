"""The boxes that move endpoints and projects, and give them and models to another owner."""

from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import UUID

from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from endpoints import selectors
from endpoints.moves import services
from endpoints.moves.forms import MoveForm, TransferForm
from studio import htmx
from studio.errors import Refusal
from studio.hub import selectors as hub
from studio.people.selectors import colleagues
from studio.projects import selectors as projects
from studio.tenants import selectors as tenants
from studio.tenants.rules import require

METHODS = ["GET", "HEAD", "POST"]
OFFERED = 200  # projects, tenants or people that a box lists


@require_http_methods(METHODS)
def move_endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    actor = request.actor
    found = selectors.named(actor, str(endpoint))
    require(actor, "endpoint.delete", selectors.facts(actor, found), thing="endpoint")
    others = projects.creatable(actor).exclude(pk=found.project_id)[:OFFERED]
    form = MoveForm("project", others, _typed(request))

    def move(form: Any) -> str:
        services.move_endpoint(actor=actor, endpoint=found, project=form.chosen, now=request.now)
        return f"Endpoint {found.name} was moved to project {form.chosen.name}."

    back = reverse("endpoint", args=[found.pk])
    context = {"name": found.name, "kind": "endpoint", "home": f"project {found.project.name}"}
    return _box(request, "moves/move.html", form, move, back, context)


@require_http_methods(METHODS)
def move_project(request: htmx.Request, project: UUID) -> HttpResponse:
    actor = request.actor
    found = projects.named(actor, str(project))
    require(actor, "project.delete", projects.facts(actor, found), thing="project")
    others = tenants.visible(actor).exclude(pk=found.tenant_id).order_by("name")[:OFFERED]
    form = MoveForm("tenant", others, _typed(request))

    def move(form: Any) -> str:
        services.move_project(actor=actor, project=found, tenant=form.chosen, now=request.now)
        return f"Project {found.name} was moved to tenant {form.chosen.name}."

    context = {"name": found.name, "kind": "project", "home": f"tenant {found.tenant.name}"}
    return _box(request, "moves/move.html", form, move, reverse("projects"), context)


@require_http_methods(METHODS)
def transfer_endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    actor = request.actor
    found = selectors.named(actor, str(endpoint))
    require(actor, "endpoint.delete", selectors.facts(actor, found), thing="endpoint")
    form = _transfer_form(request, found.project.tenant_id)

    def transfer(form: Any) -> str:
        given = {"endpoint": found, "owner": form.cleaned_data["owner"]}
        after = services.transfer_endpoint(actor=actor, now=request.now, **given)
        return f"Endpoint {found.name} belongs to {after.owner.username}."

    context = {"name": found.name, "kind": "endpoint", "owner": found.owner}
    back = reverse("project", args=[found.project_id])
    return _box(request, "moves/transfer.html", form, transfer, back, context)


@require_http_methods(METHODS)
def transfer_project(request: htmx.Request, project: UUID) -> HttpResponse:
    actor = request.actor
    found = projects.named(actor, str(project))
    require(actor, "project.delete", projects.facts(actor, found), thing="project")
    form = _transfer_form(request, found.tenant_id)

    def transfer(form: Any) -> str:
        given = {"project": found, "owner": form.cleaned_data["owner"]}
        after = services.transfer_project(actor=actor, now=request.now, **given)
        return f"Project {found.name} belongs to {after.owner.username}."

    context = {"name": found.name, "kind": "project", "owner": found.owner}
    return _box(request, "moves/transfer.html", form, transfer, reverse("projects"), context)


@require_http_methods(METHODS)
def transfer_model(request: htmx.Request, model: UUID) -> HttpResponse:
    actor = request.actor
    found = hub.model_named(actor, str(model))
    require(actor, "model.manage", hub.facts(actor, found), thing="model")
    form = _transfer_form(request, found.tenant_id)

    def transfer(form: Any) -> str:
        given = {"model": found, "owner": form.cleaned_data["owner"]}
        after = services.transfer_model(actor=actor, now=request.now, **given)
        return f"Model {found.name} belongs to {after.owner.username if after.owner else 'nobody'}."

    context = {"name": found.name, "kind": "model", "owner": found.owner}
    return _box(request, "moves/transfer.html", form, transfer, reverse("models"), context)


def _typed(request: htmx.Request) -> Any:
    return request.POST if request.method == "POST" else None


def _transfer_form(request: htmx.Request, tenant: UUID | None) -> TransferForm:
    people = islice(colleagues(tenant), OFFERED) if tenant else ()
    return TransferForm(list(people), _typed(request))


def _box(
    request: htmx.Request,
    template: str,
    form: Form,
    deed: Callable[[Any], str],
    back: str,
    context: dict[str, Any],
) -> HttpResponse:
    """What was moved away may be out of sight where the page is: so a dialog leaves to `back`."""
    if request.method == "POST" and form.is_valid():
        try:
            say = deed(form)
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            return htmx.done(request, to=back, say=say, leave=True)
    return htmx.dialog(request, template, {"form": form, "back": back, **context})
