"""The bell of the top bar: the latest notices in a menu, all of them on a page, and the mark that some are new."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from endpoints import notices as news
from endpoints.notices import Notice
from endpoints.views.shown import Happening
from studio import htmx
from studio.audit.models import Event
from studio.tenants import services as tenants

FEW, MANY = 12, 100  # in the menu, on the page


@require_http_methods(["GET", "HEAD", "POST"])
def notices(request: htmx.Request) -> HttpResponse:
    """To be read, and with POST to be marked as read: the menu is opened so.

    Where more are new than the menu shows, none is marked: nobody has seen the others.
    """
    opened = request.method == "POST"
    if opened and not htmx.wants_part(request):
        tenants.read_notices(user=request.user, now=request.now)
        return redirect("notices")
    since = request.user.notices_read_at
    most = FEW if htmx.wants_part(request) else MANY
    rows = [NoticeRow(each, since) for each in news.latest(request.actor, most + 1)]
    more_new = any(row.is_new for row in rows[most:])
    is_read = opened and not more_new
    if is_read:
        tenants.read_notices(user=request.user, now=request.now)
    context = {
        "rows": rows[:most],
        "any_new": any(row.is_new for row in rows),
        "more": len(rows) > most,
        "more_new": more_new,
        "is_read": is_read,
    }
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
    """A notice in words around a name: `hello: 2 of 5 instances await RDUs`, `tina stopped hello`."""

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
        return f"{event.actor_name} {_deed(event)}" if event else ""

    @property
    def name(self) -> str:
        """Where a role was given to the reader it is the tenant's."""
        event = self.notice.event
        return event.changes.get("tenant", "") if event and event.verb == "roles" else self.notice.name

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
        """Where to look; what was deleted has no window any more, and what was taken from the reader none for them."""
        event = self.notice.event
        if event is None:
            return htmx.address("endpoint", self.notice.thing)
        if event.verb == "delete" or event.thing_type == "user" or not self.notice.is_seen:
            return ""
        return htmx.address(event.thing_type, event.thing_id)


def _deed(event: Event) -> str:
    """What was done, as the one hears it to whom it was done."""
    if event.verb in news.ROLES:
        whom, (old, new) = next(iter(event.changes.items()))
        kind, _, name = whom.partition(" ")
        reader = "you" if kind == "user" else f"everybody in {name}"
        if new:
            return f"made {reader} {new.capitalize()} of {event.thing_type}"
        return f"took the role {old.capitalize()} from {reader} in {event.thing_type}"
    if event.verb == "roles":
        return _standing(event.changes)
    if event.verb == "new password":
        return "set a new password for"
    if event.verb == "transfer":
        return f"made you the owner of {event.thing_type}"
    return Happening(event).deed


def _standing(changes: Mapping[str, Any]) -> str:
    if "OrgAdmin" in changes:
        return "made you OrgAdmin" if changes["OrgAdmin"][1] else "took the role OrgAdmin from you"
    _, role = changes["role"]
    return "took you out of tenant" if role == "none" else f"made you {role} of tenant"
