"""`/api/endpoints/{endpoint}/instances`, `…/events` and `…/watch`: what becomes of an endpoint, asked for or told."""

import asyncio
import json
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from ninja import Router, Schema
from pydantic import Field

from endpoints import notices, rules, selectors
from endpoints.api import masked
from endpoints.models import Endpoint
from endpoints.selectors import InstanceView
from studio.audit import selectors as audit
from studio.audit.models import Event
from studio.errors import NotFound, Refusal
from studio.json_api import ApiRequest, moment
from studio.json_docs import looks
from studio.paging import PAGE, page
from studio.projects import selectors as projects
from studio.tenants import selectors as tenants
from studio.tenants.rules import Actor

router = Router(tags=["endpoints"])

LATEST = 100  # events of a tenant
LOOK_SECONDS = 0.9  # whoever may see it no more is told within a second
SILENT_SECONDS = 10.0  # proxies cut a connection on which nothing moves
WATCH_SECONDS = 60.0  # then the watcher signs in again; what somebody may see is asked anew at every look
MOST_WATCHERS = 200  # of one web process; each has a thread and, at its looks, a connection


class InstanceOut(Schema):
    id: str
    instance: int = Field(description="Its number, from 1.")
    state: str = Field(description="awaiting, placed, starting, warming, ready, draining, failed, lost.")
    time_state: str = Field(description="Since when.")
    node: str | None
    rdus: list[int] = Field(description="Their numbers in the node.")
    reason: str | None = Field(description="Why it waits or failed, as a code.")
    sentence: str | None = Field(description="The same for people.")
    position: int | None = Field(description="In the queue for RDUs.")
    phase: str | None = Field(description="What it does on its way: fetching, loading, …")
    percent: int | None = Field(description="How much of the phase is done.")
    crashes: int
    log_tail: list[str] = Field(description="The last lines before it failed.")


class Instances(Schema):
    instances: list[InstanceOut]
    next: str | None


class EventOut(Schema):
    id: int
    time: str
    actor: str
    verb: str = Field(examples=["stop"])
    thing: str = Field(description="endpoint, project, …")
    thing_id: str
    thing_name: str


class Events(Schema):
    events: list[EventOut]
    next: str | None


class TooManyWatchers(Refusal):
    code = "limited"
    status = 429


@router.get(
    "/endpoints/{endpoint}/instances", response=looks(Instances), summary="The instances of an endpoint"
)
def list_instances(request: ApiRequest, endpoint: str, project: str | None = None) -> dict[str, Any]:
    """Those that are not over, by their number, with how far they are and why they wait."""
    view = selectors.view(_named(request.auth, endpoint, project))
    return {"instances": [_instance(each) for each in view.instances], "next": None}


@router.get("/endpoints/{endpoint}/events", response=looks(Events), summary="What was done to an endpoint")
def endpoint_events(
    request: ApiRequest,
    endpoint: str,
    project: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Who did what, newest first."""
    found = _named(request.auth, endpoint, project)
    rows, following = page(audit.of_thing(found.pk).order_by("-id"), cursor, limit)
    return {"events": [event_out(row) for row in rows], "next": following}


@router.get("/events", response=looks(Events), summary="What was done lately in the active tenant")
def tenant_events(request: ApiRequest) -> dict[str, Any]:
    """To endpoints and projects that you can see: the latest hundred, newest first."""
    return {"events": [event_out(row) for row in notices.events(request.auth, LATEST)], "next": None}


# ----- the stream -----------------------------------------------------------------------------------------

STREAM = {
    "responses": {
        200: {
            "description": "Server-sent events, for up to a minute; then connect again.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    "parameters": [
        {
            "in": "header",
            "name": "Last-Event-ID",
            "required": False,
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
            "description": "The id of the last event that was heard; those after it come first.",
        }
    ],
}


@router.get(
    "/endpoints/{endpoint}/watch",
    response=looks(None, 429),
    summary="Watch an endpoint",
    openapi_extra=STREAM,
)
def watch_endpoint(request: ApiRequest, endpoint: str, project: str | None = None) -> Any:
    """A stream of server-sent events, as they come.

    `endpoint`: `{"endpoint", "instances"}` as in the answers of these names, at once and after each change. `event`:
    somebody did something to it; its id is for `Last-Event-ID`. `gone`: it is deleted, or not yours to see any more.
    A comment line every ten seconds says that the connection is alive.
    """
    found = _named(request.auth, endpoint, project)
    since = _since(request, found)
    if not WATCHERS.acquire(blocking=False):
        raise TooManyWatchers(
            "Too many are watching just now; ask for the endpoint every few seconds instead."
        )
    watch = Watch(request.auth, request.still, found.pk, since, request.now)
    weakref.finalize(watch, WATCHERS.release)  # also where the client left before the first frame
    answer = StreamingHttpResponse(_stream(watch), content_type="text/event-stream; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    answer["Content-Encoding"] = "identity"  # a compressor would keep small pieces to itself
    return answer


WATCHERS = threading.BoundedSemaphore(MOST_WATCHERS)


def _since(request: ApiRequest, endpoint: Endpoint) -> int:
    given = rules.whole(request.headers.get("Last-Event-ID", ""), 18)
    if given is not None:
        return given
    return audit.of_thing(endpoint.pk).order_by("-id").values_list("pk", flat=True).first() or 0


@dataclass
class Watch:
    """What one watcher has heard so far."""

    actor: Actor
    still: Callable[[], bool]
    endpoint: UUID
    event: int
    now: datetime
    said: str = ""
    gone: bool = False

    def look(self) -> list[str]:
        """What is new, as frames; a look is a handful of queries."""
        with _fresh_connection():
            actor = tenants.as_of_now(self.actor) if self.still() else None
            if actor is None:  # signed out, with another platform key by now, or deactivated
                self.gone = True
                return [_frame("gone", "{}")]
            self.actor = actor
            try:
                found = selectors.named(actor, str(self.endpoint))
            except NotFound:
                self.gone = True
                return [*self._last_events(), _frame("gone", "{}")]
            return [*self._events(), *self._state(found)]

    def _last_events(self) -> list[str]:
        """Who deleted it, for whoever could see it until then."""
        try:
            selectors.deleted_named(self.actor, str(self.endpoint), datetime.now(UTC))
        except NotFound:
            return []
        return list(self._events())

    def _events(self) -> Iterator[str]:
        for row in audit.of_thing(self.endpoint).filter(pk__gt=self.event).order_by("id")[:LATEST]:
            self.event = row.pk
            yield _frame("event", json.dumps(event_out(row)), row.pk)

    def _state(self, endpoint: Endpoint) -> Iterator[str]:
        view = selectors.view(endpoint)
        state = {
            "endpoint": masked(view, self.now),
            "instances": [_instance(each) for each in view.instances],
        }
        said = json.dumps(state)
        if said != self.said:
            self.said = said
            yield _frame("endpoint", said, self.event)


async def _stream(watch: Watch) -> AsyncIterator[str]:
    """Ends after a minute, with the endpoint, or when the client leaves."""
    loop = asyncio.get_running_loop()
    started = spoken = loop.time()
    while loop.time() - started < WATCH_SECONDS and not watch.gone:
        frames = await sync_to_async(watch.look)()
        if not frames and loop.time() - spoken >= SILENT_SECONDS:
            frames = [": still watching\n\n"]
        for frame in frames:
            spoken = loop.time()
            yield frame
        if not watch.gone:
            await asyncio.sleep(LOOK_SECONDS)


@contextmanager
def _fresh_connection() -> Iterator[None]:
    """Between two looks a watcher holds no connection to the database."""
    try:
        yield
    finally:
        close_old_connections()


def _frame(kind: str, data: str, number: int | None = None) -> str:
    named = f"id: {number}\n" if number is not None else ""
    return f"event: {kind}\n{named}data: {data}\n\n"


# ----- translating ----------------------------------------------------------------------------------------


def _named(actor: Actor, endpoint: str, project: str | None) -> Endpoint:
    return selectors.named(actor, endpoint, projects.named(actor, project) if project else None)


def _instance(one: InstanceView) -> dict[str, Any]:
    progress = one.progress or {}
    total = progress.get("total") or 0
    return {
        "id": str(one.id),
        "instance": one.ordinal,
        "state": one.state,
        "time_state": moment(one.since),
        "node": one.node or None,
        "rdus": one.rdus,
        "reason": one.code or None,
        "sentence": one.reason or None,
        "position": one.position or None,
        "phase": progress.get("phase"),
        "percent": min(100, int(100 * (progress.get("done") or 0) / total)) if total else None,
        "crashes": one.crashes,
        "log_tail": one.log_tail,
    }


def event_out(row: Event) -> dict[str, Any]:
    return {
        "id": row.pk,
        "time": moment(row.at),
        "actor": row.actor_name,
        "verb": row.verb,
        "thing": row.thing_type,
        "thing_id": str(row.thing_id),
        "thing_name": row.thing_name,
    }
