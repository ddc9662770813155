"""The kit of the management REST API: who asks, what a body may be, one shape of errors, pages of lists.

The doors (`*/api.py`) translate a request into one call of a service or selector and its answer into JSON;
`studio.api` puts them together. Every answer that is not a success is `{code, message, fields}`.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import UUID

import orjson
import structlog
from django.core.exceptions import RequestDataTooBig
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer, SessionAuth
from pydantic import ConfigDict

from studio.accounts import selectors as accounts
from studio.errors import Invalid, NotFound, NotSignedIn, Refusal, invalid_field
from studio.json_docs import DescribedAPI
from studio.middleware import client_address
from studio.tenants import selectors as tenants
from studio.tenants import services as tenant_services
from studio.tenants.rules import Actor

log = structlog.get_logger(__name__)

Row = TypeVar("Row", bound=Model)
View = Callable[..., HttpResponseBase]

# PostgreSQL stores neither, in no kind of text.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class ApiRequest(HttpRequest):
    """A request as the doors get it: `auth` is whoever signed in, `now` the moment it came."""

    auth: Actor
    now: datetime
    still: Callable[[], bool]  # whether what they signed in with still opens anything; for answers that go on
    kept: dict[str, Any] | None = None  # what a repeat is answered, where that is less (`studio.repeating`)


class Body(Schema):
    """The base of what clients send: a misspelled field is refused, not ignored, and `false` is no 0."""

    model_config = ConfigDict(extra="forbid", strict=True)


# ----- who asks -------------------------------------------------------------------------------------------


class PlatformKey(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        now = _arrived(request)
        request.still = partial(tenant_services.is_platform_key, token.strip())  # type: ignore[attr-defined]
        wanted = _wanted_tenant(request) or request.COOKIES.get("tenant", "")
        check_storable("tenant", wanted)
        return tenant_services.authenticate_key(
            token.strip(),
            wanted_tenant=wanted,
            address=client_address(request),
            request_id=request.id,  # type: ignore[attr-defined]
            now=now,
        )


class Session(SessionAuth):
    """Somebody signed in with a browser; what changes something needs the CSRF token."""

    def __call__(self, request: HttpRequest) -> Actor | None:
        return super().__call__(request) if request.user.is_authenticated else None

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor:
        _arrived(request)
        request.still = partial(accounts.is_open, request.session.row)  # type: ignore[attr-defined]
        actor: Actor = request.actor  # type: ignore[attr-defined]
        wanted = _wanted_tenant(request)
        if not wanted:
            return actor
        tenants.tenant_named(actor, wanted)
        return tenants.actor_of(
            request.user,  # type: ignore[arg-type]
            wanted,
            address=actor.address,
            request_id=actor.request_id,
        )


def _arrived(request: HttpRequest) -> datetime:
    """The moment the request came; the first look at it, so what cannot be looked up is refused here."""
    for value in (request.path, *request.GET.values()):
        check_storable("address", str(value))
    request.now = datetime.now(UTC)  # type: ignore[attr-defined]
    return request.now  # type: ignore[attr-defined]


def _wanted_tenant(request: HttpRequest) -> str:
    """The header `tenant`, percent-encoded where a name has signs that a header cannot carry."""
    wanted = unquote(request.headers.get("tenant", "")).strip()
    check_storable("tenant", wanted)
    return wanted


def check_storable(field: str, value: str) -> None:
    if UNSTORABLE.search(value):
        raise invalid_field(field, "NUL characters are not allowed here.")


# ----- bodies ---------------------------------------------------------------------------------------------


class StrictJson(Parser):
    """JSON as the standard has it, in UTF-8, with text that can be stored."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body.decode(), parse_constant=_no_constant)
        except UnicodeDecodeError:
            raise Invalid("The body is not JSON: it is not UTF-8 text.") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise Invalid(f"The body is not JSON: {error.msg} at {where}.") from None
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The body is not JSON: {error}.") from None
        for text in _texts(body):
            if UNSTORABLE.search(text):
                raise Invalid("The body has text with NUL or half characters, which cannot be stored.")
        return body


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


# ----- errors ---------------------------------------------------------------------------------------------


class TooLarge(Refusal):
    code = "too_large"
    status = 413


CODES = {401: "not_signed_in", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 429: "limited"}
SIGN_IN = "Sign in with your platform API key: Authorization: Bearer <key>."


def refusal_answer(refusal: Refusal) -> HttpResponse:
    response = JsonResponse(refusal.as_json(), status=refusal.status)
    if refusal.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _on_refusal(request: HttpRequest, error: Refusal) -> HttpResponse:
    return refusal_answer(error)


def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Refusal):  # the parser's own sentence
        return refusal_answer(error.__cause__)
    if isinstance(error, AuthenticationError):
        return refusal_answer(NotSignedIn(SIGN_IN))
    return _error(error.status_code, CODES.get(error.status_code, "invalid"), f"{error.message}.")


def _on_validation(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = {_field(each["loc"]): _complaint(each) for each in error.errors}
    return _error(400, "invalid", " ".join(fields.values()), fields)


def _on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return refusal_answer(TooLarge("The body is larger than a management request may be."))


def _on_broken_off(request: HttpRequest, error: UnreadablePostError) -> HttpResponse:
    return _error(400, "invalid", "The body broke off.")


def _on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return _error(404, "not_found", f"There is nothing at {request.path}.")


def _on_anything(request: HttpRequest, error: Exception) -> HttpResponse:
    request_id = request.id  # type: ignore[attr-defined]
    log.error("rest.failed", path=request.path, method=request.method, exc_info=error)
    return _error(500, "internal", f"Something failed on our side; the logs have it as request {request_id}.")


def _error(status: int, code: str, message: str, fields: dict[str, str] | None = None) -> HttpResponse:
    return JsonResponse({"code": code, "message": message, "fields": fields or {}}, status=status)


def _field(place: Sequence[str | int]) -> str:
    """The field a complaint is about: ("body", "body", "instances", "int") is instances."""
    inner = place[2:] if place[0] == "body" else place[1:]
    return str(inner[0]) if inner else "body"


def _complaint(error: dict[str, Any]) -> str:
    field, kind = _field(error["loc"]), error["type"]
    if field == "body":
        return "The request needs a JSON object as its body."
    if kind == "missing":
        return f"{field} is missing."
    if kind == "extra_forbidden":
        return f"There is no field {field}."
    return f"{field}: {error['msg'][:1].lower()}{error['msg'][1:]}."


# The handler of the nearest class is called.
ON_ERROR: list[tuple[type[Exception], Callable[[HttpRequest, Any], HttpResponse]]] = [
    (Refusal, _on_refusal),
    (HttpError, _on_http_error),
    (ValidationError, _on_validation),
    (RequestDataTooBig, _on_too_big),
    (UnreadablePostError, _on_broken_off),
    (Http404, _on_missing),
    (Exception, _on_anything),
]

# ----- the API object and its place in the addresses -----------------------------------------------------


def new_api(title: str, version: str, description: str) -> NinjaAPI:
    api = DescribedAPI(
        title=title,
        version=version,
        description=description,
        auth=[PlatformKey(), Session()],
        parser=StrictJson(),
        urls_namespace="rest",
    )
    for kind, handler in ON_ERROR:
        api.add_exception_handler(kind, handler)
    api.add_decorator(_answering)
    return api


def _answering(operation: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
    """Sends what an operation says as it is.

    Its schema describes it to clients; to read fifty endpoints through it took an eighth of their list. That every
    answer fits its schema is for the tests to see.
    """

    @wraps(operation)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        said = operation(request, *args, **kwargs)
        if isinstance(said, HttpResponseBase):
            return said
        return HttpResponse(_as_json(said), content_type="application/json; charset=utf-8")

    return answered


def _as_json(said: Any) -> bytes:
    try:
        return orjson.dumps(said)
    except orjson.JSONEncodeError:  # a hyperparameter may be a number of more than 64 bits
        return json.dumps(said).encode()


def addresses(api: NinjaAPI) -> tuple[list[URLPattern | URLResolver], str, str]:
    """The API's addresses for `path("api/", …)`, with our errors also where no operation is reached."""
    patterns, app_name, namespace = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = _in_our_shape(pattern.callback)
    return [*patterns, path("<path:rest>", _nothing_here)], app_name, namespace


@csrf_exempt
def _nothing_here(request: HttpRequest, rest: str) -> HttpResponse:
    return _on_missing(request, Http404())


def _in_our_shape(view: View) -> View:
    @wraps(view)
    def shaped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Http404 as error:
            return _on_missing(request, error)
        if response.status_code != 405:
            return response
        allowed = response["Allow"]
        answer = _error(405, CODES[405], f"{request.method} is not possible here; possible: {allowed}.")
        answer["Allow"] = allowed
        return answer

    return shaped


# ----- values ---------------------------------------------------------------------------------------------


def moment(value: datetime) -> str:
    """`2023-11-07T16:51:04.896235+00:00`"""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def named(rows: QuerySet[Row], name_or_id: str, thing: str) -> Row:
    """The row with this id or name. Raises `NotFound`."""
    try:
        found = rows.filter(Q(pk=UUID(name_or_id)) | Q(name__iexact=name_or_id)).first()
    except ValueError:
        found = rows.filter(name__iexact=name_or_id).first()
    if found is None:
        raise NotFound(f"There is no {thing} {name_or_id!r}.", {thing: f"unknown {thing}"})
    return found
