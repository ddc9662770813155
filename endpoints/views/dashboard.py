"""The Dashboard: what is Live, who uses the RDUs, what waits and why, what happened lately."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from endpoints import listing, notices, selectors
from endpoints.views.shown import Happening, Pool, rows_of
from scheduler import selectors as scheduler
from studio import htmx

SHORT = 8  # rows of each list


@require_safe
def dashboard(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    live, waiting = listing.rows_of(selectors.answering(actor, SHORT + 1), selectors.waiting(actor, SHORT))
    context = {
        "live": rows_of(actor, selectors.views(live[:SHORT])),
        "live_more": len(live) > SHORT,
        "capacity": [Pool(each) for each in scheduler.capacities(actor)],
        "waiting": [view for view in selectors.views(waiting, whole=True) if view.waiting],
        "events": [Happening(each) for each in notices.events(actor, SHORT)],
    }
    return htmx.page(request, "endpoints/dashboard.html", context, part="live")
