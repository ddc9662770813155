"""The Dashboard: what is Live, who uses the RDUs, what waits and why, what happened lately."""

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from endpoints import rules, selectors
from endpoints.views.shown import Happening, Pool, rows_of
from scheduler import selectors as scheduler
from scheduler.models import Instance
from studio import htmx
from studio.audit.models import Event
from studio.projects import selectors as projects
from studio.tenants.rules import Actor

SHORT = 8  # rows of each list


@require_safe
def dashboard(request: htmx.Request) -> HttpResponse:
    actor = request.actor
    here = selectors.in_tenant(actor)
    answering = Q(status_word__in=[rules.LIVE, rules.UPDATING])
    live = list(selectors.with_status(here).filter(answering)[: SHORT + 1])
    waiting = here.filter(pk__in=Instance.objects.filter(state="awaiting").values("endpoint"))[:SHORT]
    context = {
        "live": rows_of(actor, selectors.views(live[:SHORT])),
        "live_more": len(live) > SHORT,
        "capacity": [Pool(each) for each in scheduler.capacities(actor)],
        "waiting": [view for view in selectors.views(waiting, whole=True) if view.waiting],
        "events": [Happening(each) for each in _events(actor)[:SHORT]],
    }
    return htmx.page(request, "endpoints/dashboard.html", context, part="live")


def _events(actor: Actor) -> QuerySet[Event]:
    """Of the endpoints and projects of this tenant that the actor may see."""
    seen = Q(thing_type="endpoint", thing_id__in=selectors.visible(actor).order_by().values("pk"))
    seen |= Q(thing_type="project", thing_id__in=projects.visible(actor).order_by().values("pk"))
    return Event.objects.filter(seen, tenant_id=actor.tenant)
