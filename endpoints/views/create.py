"""The Create endpoint window: each change refreshes only what it touches, and nothing typed is lost."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from apikeys import selectors as keys
from apikeys.views import value_box
from endpoints import services, specs
from endpoints.forms import FROM_HUB, EndpointForm, carried, with_model
from endpoints.views.shown import Outlook
from scheduler import selectors as scheduler
from studio import htmx
from studio.errors import Refusal
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants.rules import Actor, require


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: htmx.Request, project: UUID) -> HttpResponse:
    found = project_to_create_in(request.actor, project)
    if _wants_the_hub(request):
        return _to_the_hub(request, found)
    form = _form(request, found, submitted=request.method == "POST")
    if request.method == "POST" and form.is_valid():
        try:
            endpoint = services.create_endpoint(
                actor=request.actor,
                project=found,
                spec=form.spec(),
                token=form.cleaned_data["token"],
                now=request.now,
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            if endpoint.first_value and keys.shown_once(endpoint):
                return value_box(
                    request,
                    keys.first_key(endpoint),
                    endpoint.first_value,
                    back=reverse("endpoint", args=[endpoint.pk]),
                    event="endpoints-changed",
                )
            say = f"Endpoint {endpoint.name} was added and is queued for deployment."
            return htmx.done(
                request, to=reverse("project", args=[found.pk]), say=say, events=["endpoints-changed"]
            )
    return htmx.dialog(request, "endpoints/new.html", _window(request.actor, found, form))


@require_POST
def preview(request: htmx.Request, project: UUID) -> HttpResponse:
    """The window as it is after a change: to htmx only the parts that differ now, else all of it."""
    found = project_to_create_in(request.actor, project)
    if _wants_the_hub(request):
        return _to_the_hub(request, found)
    context = _window(request.actor, found, _form(request, found)) | {"again": True}
    return htmx.page(request, "endpoints/new.html", context, part="touched")


def project_to_create_in(actor: Actor, project: UUID) -> Project:
    found = projects.named(actor, str(project))
    require(actor, "endpoint.create", projects.facts(actor, found), thing="project")
    return found


def _wants_the_hub(request: htmx.Request) -> bool:
    return request.POST.get("model_checkpoint") == FROM_HUB


def _to_the_hub(request: htmx.Request, project: Project) -> HttpResponse:
    """To the Select from Model Hub window, with all that was typed; htmx follows too."""
    address = reverse("model-select", args=[project.pk])
    return HttpResponseRedirect(f"{address}?{urlencode(carried(request.POST))}")


def _form(request: htmx.Request, project: Project, *, submitted: bool = False) -> EndpointForm:
    address = reverse("endpoint-preview", args=[project.pk])
    if request.method == "POST":
        return EndpointForm(request.actor, address, request.POST, submitted=submitted)
    form = EndpointForm(request.actor, address, with_model(request.GET, request.GET.get("use", "")))
    if "parameters_of" in request.GET:  # back from the Model Hub
        form.focus("model_checkpoint")
    return form


def _window(actor: Actor, project: Project, form: EndpointForm) -> dict[str, Any]:
    context = {"project": project, "form": form, "back": reverse("project", args=[project.pk])}
    if form.model is None or form.option is None:
        return context
    try:
        plan = specs.read_spec(actor, form.spec(), form.model)
    except Refusal as refusal:
        return context | {"refusal": refusal}
    found = scheduler.preview(
        actor,
        generation=plan.option.generation_id,
        min_width=plan.min_width,
        rdus=plan.rdus,
        instances=plan.instances,
        tenant=project.tenant_id,
    )
    return context | {"preview": found, "outlook": Outlook(found)}
