"""Creates of the REST API that may be sent twice: the header `Idempotency-Key`."""

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from studio.errors import invalid_field
from studio.json_api import ApiRequest
from studio.repeats import services

P = ParamSpec("P")
Json = dict[str, Any]
Operation = Callable[Concatenate[ApiRequest, P], Json]

HEADER = "Idempotency-Key"
SANE = re.compile(r"[\x21-\x7e]{1,255}")

# For the OpenAPI document; the header is read by `may_repeat`.
REPEATABLE = {
    "parameters": [
        {
            "in": "header",
            "name": HEADER,
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": (
                "Your own name for this request, e.g. a UUID. Sent again within 24 hours with the same body, it "
                "creates nothing and is answered as the first time; with another body it is a 422. A refusal is not "
                "kept."
            ),
            "example": "6f1f0a44-6f0c-4b43-8d6e-2b1f3f0c9a51",
        }
    ]
}


def may_repeat(operation: Operation[P]) -> Operation[P]:
    """An operation that is done once for each `Idempotency-Key` of a person."""

    @wraps(operation)
    def once(request: ApiRequest, *args: P.args, **kwargs: P.kwargs) -> Json:
        key = request.headers.get(HEADER)
        if key is None:
            return operation(request, *args, **kwargs)
        if not SANE.fullmatch(key):
            raise invalid_field(HEADER, f"{HEADER} must be 1 to 255 visible ASCII characters without spaces.")
        return services.once(
            actor=request.auth,
            key=key,
            fingerprint=_fingerprint(request),
            act=lambda: operation(request, *args, **kwargs),
            keep=lambda answer: getattr(request, "kept", None) or answer,
            now=request.now,
        )

    return once


def _fingerprint(request: ApiRequest) -> bytes:
    """Of what is asked for: where, in which tenant and with which body, however its JSON is spelled."""
    body = json.loads(request.body.decode() or "null")
    asked = [request.method, request.get_full_path(), str(request.auth.tenant), body]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
