"""Projects, the Project window, and the dialogs that make, edit and delete a project."""

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from endpoints import listing
from endpoints import selectors as endpoints
from endpoints import services as wishes
from endpoints.models import Endpoint
from endpoints.rules import KEPT
from endpoints.views.shown import Happening, rows_of
from studio import htmx
from studio.audit import selectors as audit
from studio.errors import Refusal
from studio.hub import selectors as hub
from studio.json_api import moment
from studio.paging import kept_page
from studio.projects import selectors, services
from studio.projects.forms import ProjectForm
from studio.projects.models import Project
from studio.sharing.selectors import was_given
from studio.tenants.rules import Actor, may, require
from studio.tenants.selectors import active_tenant

PAGE = 25
SHORT = 20  # rows of Recently deleted, and of what a deletion lists


class ProjectRow:
    """A project with what its menu offers this actor."""

    def __init__(self, project: Project, actor: Actor, endpoints: int = 0) -> None:
        self.project, self.endpoints = project, endpoints
        facts = selectors.facts(actor, project)
        self.was_given = was_given(actor, facts, project.pk)
        self.can_edit = may(actor, "project.edit", facts)
        self.can_delete = may(actor, "project.delete", facts)
        self.can_move = self.can_delete and (
            actor.is_org_admin or actor.tenants.keys() - {project.tenant_id} != set()
        )
        self.can_share = may(actor, "project.share", facts)
        self.may_create = may(actor, "endpoint.create", facts)

    @property
    def has_menu(self) -> bool:
        return self.can_edit or self.can_share or self.can_delete


class Gone:
    """A row of Recently deleted."""

    def __init__(self, endpoint: Endpoint, actor: Actor) -> None:
        assert endpoint.deleted_at is not None, "it is deleted"
        self.endpoint, self.until = endpoint, endpoint.deleted_at + KEPT
        self.can_restore = may(actor, "endpoint.delete", endpoints.facts(actor, endpoint))


@require_safe
def projects(request: htmx.Request) -> HttpResponse:
    found, following = kept_page(selectors.listed, request.GET.get("cursor"), PAGE, request.actor)
    counts = listing.counts_of(request.actor, found)
    rows = [ProjectRow(each, request.actor, counts.get(each.pk, 0)) for each in found]
    shared = listing.shared_alone(request.actor, SHORT + 1)
    context = {
        "rows": rows,
        "following": following,
        "shared": rows_of(request.actor, endpoints.views(shared[:SHORT])) if shared else [],
        "shared_more": len(shared) > SHORT,
    }
    return htmx.page(request, "projects/list.html", context, part="rows")


@require_http_methods(["GET", "HEAD", "POST"])
def new_project(request: htmx.Request) -> HttpResponse:
    """`?use=<model>`: it is made for an endpoint with this model, and Create endpoint is next."""
    use = request.GET.get("use", "")
    model = hub.model_named(request.actor, use) if use else None
    tenant = active_tenant(request.actor)
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = services.create_project(
                actor=request.actor, tenant=tenant, now=request.now, **form.cleaned_data
            )
        except Refusal as refusal:
            htmx.blame(form, refusal)
        else:
            to = reverse("project", args=[project.pk])
            if model:
                to = f"{reverse('endpoint-new', args=[project.pk])}?use={model.pk}"
            return htmx.done(request, to=to, say=f"Project {project.name} was created.", leave=True)
    back = reverse("model", args=[model.pk]) if model else reverse("projects")
    return htmx.dialog(request, "projects/new.html", {"form": form, "model": model, "back": back})


@require_safe
def project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = selectors.named(request.actor, str(project))
    cursor, actor = request.GET.get("cursor"), request.actor
    listed, following = kept_page(listing.in_project, cursor, PAGE, actor, found.pk)
    row = ProjectRow(found, actor)
    gone = listing.lately_deleted(actor, found.pk, request.now - KEPT, SHORT + 1)
    context = {
        "project": found,
        "row": row,
        "rows": rows_of(request.actor, endpoints.views(listed)),
        "following": following,
        "may_create": row.may_create,
        "deleted": [Gone(each, request.actor) for each in gone[:SHORT]],
        "deleted_more": len(gone) > SHORT,
        "events": [Happening(each) for each in audit.latest_of_thing(found.pk, SHORT)],
    }
    return htmx.page(request, "projects/project.html", context, part="rows")


# ----- Edit, Delete -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def edit_project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = _to_change(request, project, "project.edit")
    stored = {"name": found.name, "description": found.description}
    form = ProjectForm(request.POST if request.method == "POST" else None, initial=stored)
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_project(
                actor=request.actor,
                project=found,
                **form.cleaned_data,
                seen=request.POST.get("seen", ""),
                now=request.now,
            )
        except services.Changed:
            _tell_theirs(form, found)
        except Refusal as refusal:
            htmx.blame(form, refusal)
            return _edit_box(request, found, form, request.POST.get("seen", ""))
        else:
            window = reverse("project", args=[found.pk])
            here = request.htmx.current_url_abs_path == window
            say = f"Project {form.cleaned_data['name'].strip()} was saved."
            return htmx.done(request, to=window, say=say, events=["projects-changed"], leave=here)
    return _edit_box(request, found, form, moment(found.updated_at))


def _edit_box(request: htmx.Request, found: Project, form: ProjectForm, seen: str) -> HttpResponse:
    """`seen`: which state of the project the person has before them."""
    context = {"project": found, "form": form, "seen": seen, "back": reverse("project", args=[found.pk])}
    return htmx.dialog(request, "projects/edit.html", context)


def _tell_theirs(form: ProjectForm, now: Project) -> None:
    """Somebody was first: what they wrote, beside what was typed; to save again is to decide for one's own."""
    typed = form.cleaned_data
    theirs = {"name": now.name, "description": now.description}
    for field, value in theirs.items():
        if value != typed[field]:
            form.add_error(field, f"Meanwhile somebody wrote here: {value or 'nothing'}")
    form.add_error(
        None, "Somebody changed this project meanwhile. Save again to put yours in place of theirs."
    )


@require_http_methods(["GET", "HEAD", "POST"])
def delete_project(request: htmx.Request, project: UUID) -> HttpResponse:
    found = _to_change(request, project, "project.delete")
    if request.method == "POST":
        wishes.delete_project(actor=request.actor, project=found, now=request.now)
        window = reverse("project", args=[found.pk])
        return htmx.done(
            request,
            to=reverse("projects"),
            say=f"Project {found.name} was deleted.",
            events=["projects-changed"],
            leave=request.htmx.current_url_abs_path == window,
        )
    return htmx.dialog(request, "projects/delete.html", _doomed(request.actor, found, request.now))


def _doomed(actor: Actor, project: Project, now: datetime) -> dict[str, object]:
    """What goes with the project; whoever may delete it may see all of it."""
    present = endpoints.in_project(actor, project).exclude(desired=Endpoint.Desired.DELETED)
    count = present.count()
    return {
        "project": project,
        "rows": rows_of(actor, endpoints.views(listing.listed(present)[:SHORT])),
        "count": count,
        "more": max(0, count - SHORT),
        "deleted": endpoints.recently_deleted(actor, now, project).exists(),
        "back": reverse("project", args=[project.pk]),
    }


def _to_change(request: htmx.Request, pk: UUID, action: str) -> Project:
    found = selectors.named(request.actor, str(pk))
    require(request.actor, action, selectors.facts(request.actor, found), thing="project")
    return found
