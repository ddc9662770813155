"""What operators do to chosen rows: each through its service, one by one, and asked first where something is lost."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from studio.desk.shown import actor_of
from studio.errors import Refusal
from studio.tenants.rules import Actor

Service = Callable[[Actor, Any, datetime], object]
MOST = 100  # rows at once: each is a transaction of its own, and somebody waits for the page


def deed(name: str, label: str, service: Service, *, loses: str = "") -> Callable[..., HttpResponse | None]:
    """An action of a list. `loses`: what cannot be taken back, in a sentence; it is asked for first.

    One refusal keeps no other row from it; each is said with its row's name.
    """

    @admin.action(description=label)
    def act(desk: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        chosen = list(rows[: MOST + 1])
        if len(chosen) > MOST:
            messages.error(request, f"Choose at most {MOST} at once; nothing was done.")
            return None
        if loses and "confirmed" not in request.POST:
            return _ask(desk, request, name, label, loses, chosen)
        for row in chosen:
            _do(request, service, row)
        return None

    act.__name__ = name
    return act


def _do(request: HttpRequest, service: Service, row: Any) -> None:
    named = str(row)
    try:
        service(actor_of(request), row, request.now)  # type: ignore[attr-defined]
    except Refusal as refusal:
        messages.error(request, f"Not done: {named}. {refusal.sentence}")
    else:
        messages.success(request, f"Done: {named}.")


def _ask(
    desk: Any, request: HttpRequest, name: str, label: str, loses: str, chosen: list[Any]
) -> HttpResponse:
    context = {
        **desk.admin_site.each_context(request),
        "title": label,
        "verb": label.partition(":")[0],
        "opts": desk.model._meta,
        "action": name,
        "loses": loses,
        "chosen": chosen,
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm_deed.html", context)
