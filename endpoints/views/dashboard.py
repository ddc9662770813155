"""The Dashboard: what is Live, who uses the RDUs, what waits and why, what happened lately."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from endpoints import selectors
from endpoints.models import Endpoint
from endpoints.views.shown import Happening, Pool, rows_of
from scheduler import selectors as scheduler
from studio import htmx

SHORT = 8  # rows of each list


@require_safe
def dashboard(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    here = selectors.in_tenant(actor)
    live = _first(selectors.answering(here), SHORT + 1)
    waiting = _first(selectors.waiting(here), SHORT)
    context = {
        "live": rows_of(actor, selectors.views(live[:SHORT])),
        "live_more": len(live) > SHORT,
        "capacity": [Pool(each) for each in scheduler.capacities(actor)],
        "waiting": [view for view in selectors.views(waiting, whole=True) if view.waiting],
        "events": [Happening(each) for each in selectors.events(actor)[:SHORT]],
    }
    return htmx.page(request, "endpoints/dashboard.html", context, part="live")


def _first(found: QuerySet[Endpoint], many: int) -> list[Endpoint]:
    """In two steps: a hundred thousand ids are sorted in a third of the time that whole rows take."""
    ids: list[UUID] = list(found.values_list("pk", flat=True)[:many])
    rows = {row.pk: row for row in Endpoint.objects.filter(pk__in=ids).select_related(*selectors.WITH)}
    return [rows[pk] for pk in ids if pk in rows]
