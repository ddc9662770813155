"""What every request gets: where it came from, an id, an actor, and refusals turned into pages."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from studio import addresses, htmx
from studio.accounts import services as accounts
from studio.accounts.models import Session
from studio.errors import Forbidden, Refusal
from studio.tenants import selectors as tenants

FORWARDED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
)
FOR_ANYBODY = {"asset"}  # the same for all, kept by caches: whose session it is is not even looked at
WITHOUT_OWN_PASSWORD = {"password", "sign-out", "theme"}
SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
MOST_ADDRESS = 64  # as much as the audit keeps
Next = Callable[[HttpRequest], HttpResponse]


class Source:
    """`REMOTE_ADDR` becomes the client's own address; what only a trusted proxy may say is dropped otherwise."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        proxies, said = settings.TRUSTED_PROXIES, request.META
        peer = said.get("REMOTE_ADDR") or ""
        if not addresses.is_trusted(peer, proxies):
            for name in FORWARDED:
                said.pop(name, None)
        said["REMOTE_ADDR"] = addresses.source(peer, said.get("HTTP_X_FORWARDED_FOR", ""), proxies)
        return self.get_response(request)


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
        if request.resolver_match and request.resolver_match.url_name in FOR_ANYBODY:
            return None
        if request.user.is_authenticated:
            wanted = request.COOKIES.get("tenant", "")
            request.now = datetime.now(UTC)  # type: ignore[attr-defined]
            request.actor = tenants.actor_of(  # type: ignore[attr-defined]
                request.user,
                wanted,
                address=client_address(request),
                request_id=request.id,  # type: ignore[attr-defined]
            )
            _note_that_somebody_is_there(request)
            return _own_password_first(request)
        if request.path.startswith("/api/"):
            return None
        return super().process_view(request, view, args, kwargs)


def _note_that_somebody_is_there(request: HttpRequest) -> None:
    """A page that refreshes itself says so: nobody may be sitting before it any more."""
    row: Session | None = request.session.row  # type: ignore[attr-defined]
    if row is not None and "Unattended" not in request.headers:
        accounts.seen(session=row, now=request.now)  # type: ignore[attr-defined]


def _own_password_first(request: HttpRequest) -> HttpResponseBase | None:
    """Whoever still has the password that an admin chose gets nowhere with it but to setting their own."""
    match = request.resolver_match
    if not request.user.password_is_initial or (match and match.url_name in WITHOUT_OWN_PASSWORD):  # type: ignore[union-attr]
        return None
    if request.path.startswith("/api/"):
        return htmx.refused(
            request, Forbidden("Set a password of your own first; its page is /account/password/.")
        )
    return htmx.elsewhere(request, reverse("password"))


class Refusals:
    """An expected "no" from a service becomes a page or a notice with its sentence; nothing else is caught."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return htmx.refused(request, error) if isinstance(error, Refusal) else None


def client_address(request: HttpRequest) -> str:
    """As `Source` found it."""
    return str(request.META.get("REMOTE_ADDR") or "")[:MOST_ADDRESS]
