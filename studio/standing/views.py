"""The stream that a page listens to while somebody looks at it."""

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from studio import htmx
from studio.accounts import sessions
from studio.standing.rules import Listener, about
from studio.standing.streams import STREAMS


@require_GET
def standing(request: htmx.Request) -> HttpResponseBase:
    """204 where there is none: the process has as many as it can, or a server that would send it whole, at its end."""
    session = sessions.id_of(request.session)
    if session is None or STREAMS.is_full or not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    actor = request.actor
    listener = Listener(
        session=session,
        person=request.user.pk,
        tenants=frozenset(actor.tenants) | ({actor.tenant} if actor.tenant else set()),
        is_org_admin=actor.is_org_admin,
        about=about(request.htmx.current_url or ""),
    )
    answer = StreamingHttpResponse(STREAMS.frames(listener), content_type="text/event-stream; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    answer["Content-Encoding"] = "identity"  # a compressor would keep small pieces to itself
    return answer
