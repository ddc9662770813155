"""What every request gets: an id, an actor, and refusals turned into pages."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from studio import htmx
from studio.errors import Refusal
from studio.tenants import selectors as tenants

SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
MOST_ADDRESS = 64  # as much as the audit keeps
Next = Callable[[HttpRequest], HttpResponse]


class RequestId:
    """Keeps the id the front gave, or mints one; it is in the logs, the audit and the answer."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-Id", "")
        request.id = offered if SANE_ID.fullmatch(offered) else str(uuid.uuid4())  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request.id):  # type: ignore[attr-defined]
            response = self.get_response(request)
        response["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        return response


class SignedIn(LoginRequiredMiddleware):
    """Everybody signs in first, but on the REST API, which has its own way; whoever did is `request.actor`."""

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.user.is_authenticated:
            wanted = request.COOKIES.get("tenant", "")
            request.now = datetime.now(UTC)  # type: ignore[attr-defined]
            request.actor = tenants.actor_of(  # type: ignore[attr-defined]
                request.user,
                wanted,
                address=client_address(request),
                request_id=request.id,  # type: ignore[attr-defined]
            )
            return None
        if request.path.startswith("/api/"):
            return None
        return super().process_view(request, view, args, kwargs)


class Refusals:
    """An expected "no" from a service becomes a page or a notice with its sentence; nothing else is caught."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return htmx.refused(request, error) if isinstance(error, Refusal) else None


def client_address(request: HttpRequest) -> str:
    """The address the front saw. It replaces whatever a client claims, so its last word is believed."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    seen = forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "") or ""
    return seen[:MOST_ADDRESS]
