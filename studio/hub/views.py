"""The Model Hub: the Models page, a model's page, and the Select from Model Hub window."""

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from django_htmx.http import reswap, retarget

from endpoints import listing
from endpoints import selectors as endpoints
from endpoints.forms import carried
from endpoints.models import Endpoint
from endpoints.selectors import EndpointView
from endpoints.views.create import project_to_create_in
from endpoints.views.shown import Happening, tally_of
from scheduler import selectors as scheduler
from studio import htmx
from studio.audit import selectors as audit
from studio.hub import cards, selectors
from studio.hub.forms import HubForm
from studio.hub.models import Model
from studio.hub.rules import rdus_of
from studio.paging import kept_page
from studio.paging import page as page_of
from studio.projects import selectors as projects
from studio.sharing.selectors import was_given
from studio.templatetags.drawn import badge
from studio.tenants.rules import Actor, may

PAGE = 24
ROWS = 25
MOST_COUNTED = 1000  # beyond it the list says "1000+"


@require_safe
def models(request: htmx.Request) -> HttpResponse:
    return htmx.page(request, "hub/models.html", _listed(request, request.GET), part=_part(request))


@require_safe
def select(request: htmx.Request, project: UUID) -> HttpResponse:
    """In front of the Create endpoint window, which it carries along and leads back to."""
    found = project_to_create_in(request.actor, project)
    kept = carried(request.GET)
    create = reverse("endpoint-new", args=[found.pk])
    context = _listed(request, {"app": kept.get("ml_app", ""), **request.GET.dict()}, kept) | {
        "project": found,
        "kept": kept,
        "create": create,
        "back": f"{create}?{urlencode(kept)}",
        "use": request.GET.get("use") or kept.get("model_checkpoint", ""),
        "picking": True,
    }
    context["form"].fields["search"].widget.attrs["autofocus"] = True
    part = _part(request)
    response = htmx.page(request, "hub/select.html", context, part=part or "dialog")
    return response if part else reswap(retarget(response, "#dialog"), "innerHTML")


@require_safe
def model(request: htmx.Request, model: UUID) -> HttpResponse:
    found = selectors.model_named(request.actor, str(model))
    facts = selectors.facts(request.actor, found)
    cursor = request.GET.get("cursor")
    listed, following = kept_page(listing.of_model, cursor, ROWS, request.actor, found.pk)
    context = {
        "model": found,
        "rows": _running(request.actor, endpoints.views(listed)),
        "following": following,
        "can_share": not found.is_provided and may(request.actor, "model.manage", facts),
        "was_given": was_given(request.actor, facts, found.pk),
        "may_transfer": not found.is_provided and may(request.actor, "model.manage", facts),
    }
    if not htmx.wants_part(request):
        context |= _about(request.actor, found) | {
            "versions": _versions(request.actor, found),
            "events": [Happening(each) for each in audit.latest_of_thing(found.pk, ROWS)],
        }
    return htmx.page(request, "hub/model.html", context, part="running")


@require_safe
def deploy(request: htmx.Request, model: UUID) -> HttpResponse:
    """Which project the endpoint shall stand in; the Create endpoint window is next."""
    found = selectors.model_named(request.actor, str(model))
    rows, following = page_of(projects.creatable(request.actor), request.GET.get("cursor"), ROWS)
    context = {
        "model": found,
        "projects": rows,
        "following": following,
        "back": reverse("model", args=[found.pk]),
    }
    return htmx.dialog(request, "hub/deploy.html", context)


# ----- below: what the templates show ---------------------------------------------------------------------


def _part(request: htmx.Request) -> str:
    """The part of a list that htmx asks for: what was found, or more of it."""
    return {"found": "found", "more": "cards"}.get(request.htmx.target or "", "")


def _listed(
    request: htmx.Request, asked: Mapping[str, Any], kept: Mapping[str, str] | None = None
) -> dict[str, Any]:
    form = HubForm(request.actor, asked)
    kept = kept or {}
    actor, cursor = request.actor, request.GET.get("cursor")
    if form.is_narrow:
        rows = selectors.narrowed(selectors.visible(actor), form.filters)
        total = rows[: MOST_COUNTED + 1].count()
        found, following = page_of(rows, cursor, PAGE)
    else:
        total = form.models
        found, following = kept_page(selectors.listed, cursor, PAGE, actor)
    shown = [selectors.card(each) for each in selectors.complete(found)]
    more = {**kept, **form.query, "cursor": following or ""}
    return {
        "form": form,
        "cards": shown,
        "usable": bool(following) or any(not each.refusal for each in shown),
        "clear": f"?{urlencode({**kept, 'app': ''})}",
        "more": urlencode(more) if following else "",
        "total": total,
        "most": MOST_COUNTED,
        "again": bool(_part(request)),
        "added": _part(request) == "cards",
    }


def _about(actor: Actor, model: Model) -> dict[str, Any]:
    options = selectors.options_of(model)
    there = scheduler.capacities_for(actor, options)
    return {
        "card": selectors.card(model),
        "text": mark_safe(cards.as_html(model.card, model.name)),  # noqa: S308 the renderer escapes
        "options": [
            {
                "generation": option.generation_id,
                "rdus": rdus_of({each["name"]: each.get("default") for each in option.params}, option.rdus),
                "params": option.params,
                "capacity": there.get(option.generation_id),
            }
            for option in options
        ],
    }


def _versions(actor: Actor, model: Model) -> list[dict[str, Any]]:
    """Newest first, each with how many endpoints run it, of those that the actor may see.

    `998+` where there are too many to count them all.
    """
    versions = sorted(model.versions.all(), key=lambda version: -version.number)
    seen = listing.versions_run(actor, [version.pk for version in versions], MOST_COUNTED + 1)
    counts = Counter(seen[:MOST_COUNTED])
    more = "+" if len(seen) > MOST_COUNTED else ""
    return [
        {
            "version": each,
            "size": selectors.size_of(each),
            "endpoints": f"{counts[each.pk]}{more}" if counts[each.pk] or more else "",
        }
        for each in versions
    ]


def _running(actor: Actor, views: Iterable[EndpointView]) -> SafeString:
    """The rows of the table of endpoints with the model. Drawn here: in a template they were most of the page."""
    return mark_safe("".join([_line(actor, view, view.endpoint) for view in views]))  # noqa: S308 each is escaped


def _line(actor: Actor, view: EndpointView, row: Any) -> str:
    """`row` as `listing.of_model` has it. One that is Deleting has no window any more."""
    name, window = escape(row.name), htmx.address("endpoint", row.pk)
    is_leaving = row.desired == Endpoint.Desired.DELETED
    title = f"<strong>{name}</strong>" if is_leaving else f'<a href="{window}">{name}</a>'
    elsewhere = "" if row.tenant == actor.tenant else f"<small>{escape(row.tenant_name)}</small>"
    return (
        f'<tr><td><span class="name">{title}{badge(view.status)}</span></td>'
        f'<td data-label="Project">{escape(row.project_name)}{elsewhere}</td>'
        f'<td data-label="Version">{row.version}</td>'
        f'<td data-label="Instances">{tally_of(view)}</td>'
        f'<td data-label="RDU Arch">{escape(row.generation_id)}</td>'
        f'<td data-label="Owner"><span class="brief">{escape(row.owner_name)}</span></td></tr>'
    )
