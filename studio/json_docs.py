"""What the OpenAPI document of the management REST API says of answers: which there are, why, and how they look."""

from typing import Any

from ninja import NinjaAPI, Schema
from ninja.openapi.schema import OpenAPISchema
from pydantic import Field


class Error(Schema):
    code: str = Field(description="For programs.")
    message: str = Field(description="One or more sentences for people.")
    fields: dict[str, str] = Field(description="What is wrong at which field, where a field is to blame.")


# status → (why, code, sentence, fields)
ERRORS: dict[int, tuple[str, str, str, dict[str, str]]] = {
    400: (
        "The body, a parameter or a value is not as it must be; `fields` says where.",
        "invalid",
        "instances must be from 0 to 1000, not -1.",
        {"instances": "instances must be from 0 to 1000, not -1."},
    ),
    401: (
        "No platform key, or one that is not valid (any more).",
        "not_signed_in",
        "Sign in with your platform API key: Authorization: Bearer <key>.",
        {},
    ),
    403: (
        "You can see it, but may not do this to it; or a browser's CSRF token is missing.",
        "forbidden",
        "Only its owner or an admin can delete this endpoint.",
        {},
    ),
    404: (
        "There is no such thing, or you may not know of it.",
        "not_found",
        "There is no endpoint 'hello'.",
        {"endpoint": "unknown endpoint"},
    ),
    409: (
        "Its state does not allow this now, a name is taken, or somebody else changed it first.",
        "conflict",
        "There is an endpoint 'hello' in this project already.",
        {"endpoint_name": "This name is taken."},
    ),
    413: ("The body is too large.", "too_large", "The body is larger than a management request may be.", {}),
    422: (
        "The `Idempotency-Key` came with another request before.",
        "idempotency_key_used",
        "This Idempotency-Key came with another request before; choose a new one for each thing to create.",
        {"Idempotency-Key": "used before"},
    ),
    429: (
        "Too many at once.",
        "limited",
        "Too many are watching just now; ask for the endpoint every few seconds instead.",
        {},
    ),
}
LOOKS = (400, 401, 403, 404)
CHANGES = (*LOOKS, 409, 413)
CREATES = (*CHANGES, 422)


def looks(shape: Any, *also: int) -> dict[Any, Any]:
    """The answers of an operation that changes nothing."""
    return {200: shape, **dict.fromkeys((*LOOKS, *also), Error)}


def changes(shape: Any) -> dict[Any, Any]:
    """The answers of an operation that changes something."""
    return {200: shape, **dict.fromkeys(CHANGES, Error)}


def creates(shape: Any) -> dict[Any, Any]:
    """The answers of an operation that may be repeated under an `Idempotency-Key`."""
    return {200: shape, **dict.fromkeys(CREATES, Error)}


class DescribedAPI(NinjaAPI):
    """Adds to every operation why it is refused, with an example."""

    def get_openapi_schema(self, **places: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**places)
        for path in document["paths"].values():
            for operation in path.values():
                _explain(operation["responses"])
        return document


def _explain(responses: dict[int, dict[str, Any]]) -> None:
    for status in ERRORS.keys() & responses.keys():
        why, code, message, fields = ERRORS[status]
        answer = responses[status]
        answer["description"] = why
        answer["content"]["application/json"]["example"] = {
            "code": code,
            "message": message,
            "fields": fields,
        }
    if 200 in responses and responses[200]["description"] == "OK":
        responses[200]["description"] = "Done, or what was asked for."
