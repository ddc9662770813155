"""Projects, the Project window, and the New project dialog."""

from uuid import UUID

from django.db.models import Count
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from endpoints import selectors as endpoints
from endpoints.views.shown import rows_of
from studio import htmx
from studio.errors import Refusal
from studio.json_api import page as page_of
from studio.projects import selectors, services
from studio.projects.forms import ProjectForm
from studio.tenants.rules import may
from studio.tenants.selectors import active_tenant

PAGE = 50


@require_safe
def projects(request: htmx.Request) -> HttpResponse:
    found, following = page_of(selectors.visible(request.actor), request.GET.get("cursor"), PAGE)
    counts = endpoints.visible(request.actor).filter(project__in=found).order_by().values_list("project")
    endpoint_counts = dict(counts.annotate(Count("pk")))
    rows = [{"project": each, "endpoints": endpoint_counts.get(each.pk, 0)} for each in found]
    return htmx.page(request, "projects/list.html", {"rows": rows, "following": following}, part="rows")


@require_http_methods(["GET", "HEAD", "POST"])
def new_project(request: htmx.Request) -> HttpResponse:
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = services.create_project(
                actor=request.actor, tenant=active_tenant(request.actor), now=request.now, **form.cleaned_data
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            to = reverse("project", args=[project.pk])
            return htmx.done(request, to=to, say=f"Project {project.name} was created.", leave=True)
    return htmx.dialog(request, "projects/new.html", {"form": form, "back": reverse("projects")})


@require_safe
def project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = selectors.named(request.actor, str(project))
    listed, following = page_of(endpoints.in_project(request.actor, found), request.GET.get("cursor"), PAGE)
    context = {
        "project": found,
        "rows": rows_of(request.actor, endpoints.views(listed)),
        "following": following,
        "may_create": may(request.actor, "endpoint.create", selectors.facts(request.actor, found)),
    }
    return htmx.page(request, "projects/project.html", context, part="rows")
