"""The boxes that move endpoints and projects, and give them and models to another owner."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from endpoints import selectors
from endpoints.moves import services
from endpoints.moves.forms import MoveForm, TransferForm
from endpoints.moves.selectors import home_named, homes_of_endpoint, homes_of_project
from studio import htmx
from studio.hub import selectors as hub
from studio.people.selectors import colleagues
from studio.projects import selectors as projects
from studio.tenants import selectors as tenants
from studio.tenants.rules import require

METHODS = ["GET", "HEAD", "POST"]
NAMES = 20  # of people or places, while somebody types


@require_http_methods(METHODS)
def move_endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    actor = request.actor
    found = selectors.named(actor, str(endpoint))
    require(actor, "endpoint.delete", selectors.facts(actor, found), thing="endpoint")
    rows = homes_of_endpoint(actor, found)

    def move(typed: str) -> str:
        project = home_named(rows, "project", typed)
        services.move_endpoint(actor=actor, endpoint=found, project=project, now=request.now)
        return f"Endpoint {found.name} was moved to project {project.name}."

    about = {"name": found.name, "kind": "endpoint", "home": f"project {found.project.name}"}
    return _move(request, "project", rows, move, reverse("endpoint", args=[found.pk]), about)


@require_http_methods(METHODS)
def move_project(request: htmx.Request, project: UUID) -> HttpResponse:
    actor = request.actor
    found = projects.named(actor, str(project))
    require(actor, "project.delete", projects.facts(actor, found), thing="project")
    rows = homes_of_project(actor, found)

    def move(typed: str) -> str:
        tenant = home_named(rows, "tenant", typed)
        services.move_project(actor=actor, project=found, tenant=tenant, now=request.now)
        return f"Project {found.name} was moved to tenant {tenant.name}."

    about = {"name": found.name, "kind": "project", "home": f"tenant {found.tenant.name}"}
    return _move(request, "tenant", rows, move, reverse("projects"), about)


def _move(
    request: htmx.Request,
    field: str,
    rows: QuerySet[Any],
    act: Callable[[str], str],
    back: str,
    about: dict[str, Any],
) -> HttpResponse:
    asked = request.GET.get(field, "") if htmx.asks_for_names(request) else ""
    known = tenants.names_like(rows, "called", asked, NAMES)
    if htmx.asks_for_names(request):
        return htmx.names(request, known)
    form = MoveForm(field, known, request.path, _typed(request))
    return _box(request, "moves/move.html", form, lambda: act(form.wanted), back, about)


@require_http_methods(METHODS)
def transfer_endpoint(request: htmx.Request, endpoint: UUID) -> HttpResponse:
    found = selectors.named(request.actor, str(endpoint))
    require(request.actor, "endpoint.delete", selectors.facts(request.actor, found), thing="endpoint")
    back = reverse("project", args=[found.project_id])
    return _transfer(request, "endpoint", found, found.project.tenant_id, services.transfer_endpoint, back)


@require_http_methods(METHODS)
def transfer_project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = projects.named(request.actor, str(project))
    require(request.actor, "project.delete", projects.facts(request.actor, found), thing="project")
    back = reverse("projects")
    return _transfer(request, "project", found, found.tenant_id, services.transfer_project, back)


@require_http_methods(METHODS)
def transfer_model(request: htmx.Request, model: UUID) -> HttpResponse:
    found = hub.model_named(request.actor, str(model))
    require(request.actor, "model.manage", hub.facts(request.actor, found), thing="model")
    return _transfer(request, "model", found, found.tenant_id, services.transfer_model, reverse("models"))


def _transfer(
    request: htmx.Request,
    kind: str,
    found: Any,
    tenant: UUID | None,
    service: Callable[..., Any],
    back: str,
) -> HttpResponse:
    asked = request.GET.get("owner", "") if htmx.asks_for_names(request) else ""
    known = tenants.names_like(colleagues(tenant), "username", asked, NAMES) if tenant else []
    if htmx.asks_for_names(request):
        return htmx.names(request, known)
    form = TransferForm(known, request.path, _typed(request))

    def transfer() -> str:
        given = {kind: found, "owner": form.cleaned_data["owner"]}
        after = service(actor=request.actor, now=request.now, **given)
        return f"{kind.capitalize()} {found.name} belongs to {after.owner.username}."

    about = {"name": found.name, "kind": kind, "owner": found.owner}
    return _box(request, "moves/transfer.html", form, transfer, back, about)


def _typed(request: htmx.Request) -> Any:
    return request.POST if request.method == "POST" else None


def _box(
    request: htmx.Request,
    template: str,
    form: Form,
    act: Callable[[], str],
    back: str,
    about: dict[str, Any],
) -> HttpResponse:
    """What was moved away may be out of sight where the page is: so a dialog leaves to `back`."""
    return htmx.box(request, template, form, act, back=back, leave=True, **about)
