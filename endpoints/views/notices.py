"""The bell of the top bar: the latest notices in a menu, all of them on a page, and the mark that some are new."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from endpoints import notices as news
from endpoints.notices import Notice
from endpoints.views.shown import Happening
from studio import htmx
from studio.tenants import services as tenants

FEW, MANY = 12, 100  # in the menu, on the page


@require_http_methods(["GET", "HEAD", "POST"])
def notices(request: htmx.Request) -> HttpResponse:
    """To be read, and with POST to be marked as read: the menu is opened so."""
    opened = request.method == "POST"
    if opened and not htmx.wants_part(request):
        tenants.read_notices(user=request.user, now=request.now)
        return redirect("notices")
    since = request.user.notices_read_at
    most = FEW if htmx.wants_part(request) else MANY
    rows = [NoticeRow(each, since) for each in news.latest(request.actor, most)]
    if opened:
        tenants.read_notices(user=request.user, now=request.now)
    context = {"rows": rows, "any_new": any(row.is_new for row in rows), "opened": opened}
    return htmx.page(request, "endpoints/notices.html", context, part="list")


@require_safe
def mark(request: htmx.Request) -> HttpResponse:
    """Asked for after each page and now and then; never a page of its own."""
    if not htmx.wants_part(request):
        return redirect("notices")
    any_new = news.any_since(request.actor, request.user.notices_read_at)
    return htmx.page(request, "endpoints/notices.html", {"any_new": any_new}, part="mark")


@dataclass(frozen=True)
class NoticeRow:
    """A notice in words around the endpoint's name: `hello: 2 of 5 instances await RDUs`, `tina stopped hello`."""

    notice: Notice
    read_at: datetime

    # state → its word, and what is said of one instance and of several
    STATES = {
        "failed": ("Failed", "has failed", "have failed"),
        "awaiting": ("Awaiting RDU", "awaits RDUs", "await RDUs"),
        "ready": ("Live", "is Live", "are Live"),
    }

    @property
    def is_new(self) -> bool:
        return self.notice.at > self.read_at

    @property
    def status(self) -> str:
        return self.STATES[self.notice.state][0] if self.notice.state else ""

    @property
    def before(self) -> str:
        """Somebody's deed stands before the name."""
        event = self.notice.event
        return f"{event.actor_name} {Happening(event).deed}" if event else ""

    @property
    def after(self) -> str:
        notice = self.notice
        if not notice.state:
            return ""
        _, one, several = self.STATES[notice.state]
        if notice.many >= notice.wanted:
            return f" {one}"
        return f": {notice.many} of {notice.wanted} instances {one if notice.many == 1 else several}"

    @cached_property
    def window(self) -> str:
        """Where to look; what was deleted has no window any more."""
        gone = self.notice.event and self.notice.event.verb == "delete"
        return "" if gone else htmx.address("endpoint", self.notice.endpoint)
