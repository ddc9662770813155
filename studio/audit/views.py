"""The Audit page and its download."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from endpoints.views.shown import Happening
from studio import htmx
from studio.audit import selectors
from studio.audit.forms import AuditForm
from studio.audit.models import Event
from studio.paging import page as page_of

PAGE = 50


class Entry(Happening):
    """A row with the tenant it belongs to and what it changed."""

    def __init__(self, event: Event, tenant: str) -> None:
        super().__init__(event)
        object.__setattr__(self, "tenant", tenant)

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """(field, old, new) of what became something else."""
        pairs = [(name, value) for name, value in self.event.changes.items() if _is_pair(value)]
        return [(name, _shown(old), _shown(new)) for name, (old, new) in pairs]

    @property
    def facts(self) -> list[tuple[str, str]]:
        return [(name, _shown(value)) for name, value in self.event.changes.items() if not _is_pair(value)]


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


def _shown(value: object) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@require_safe
def audit(request: htmx.Request) -> HttpResponse:
    rows = selectors.readable(request.actor)
    form = AuditForm(request.actor, request.GET)
    found, following = page_of(selectors.narrowed(rows, form.filters), request.GET.get("cursor"), PAGE)
    tenants = selectors.names_of(found)
    context: dict[str, Any] = {
        "form": form,
        "entries": [Entry(row, tenants.get(row.tenant_id, "") if row.tenant_id else "") for row in found],
        "following": following,
        "query": form.query,
    }
    return htmx.page(request, "audit/list.html", context, part="found")


@require_safe
def export(request: htmx.Request) -> StreamingHttpResponse:
    """What the page's filters find, one JSON object in each line, newest first."""
    form = AuditForm(request.actor, request.GET)
    rows = selectors.narrowed(selectors.readable(request.actor), form.filters)
    response = StreamingHttpResponse(_lines(rows), content_type="application/x-ndjson; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{request.now:%Y-%m-%d}.jsonl"'
    response["Cache-Control"] = "no-store"
    return response


async def _lines(rows: QuerySet[Event]) -> AsyncIterator[str]:
    """Asynchronous, since the server would read any other kind whole before the first line goes out."""
    batches = selectors.told_in_batches(rows)
    while batch := await sync_to_async(_next)(batches):
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch)


def _next(batches: Iterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Nothing at the end. While somebody slow reads, no connection to the database is held."""
    try:
        return next(batches, [])
    finally:
        close_old_connections()
