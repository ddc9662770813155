"""Refusals of the gateway: what a client is told, in one shape everywhere.

`{"error": {"code", "message", "details"}}`, on OpenAI paths also `type` and `param`. A refusal never holds
a key, a token or an instance's address.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from endpoints.wire import Route

# What the OpenAI clients call the classes of errors, beside `invalid_request_error` and `server_error`.
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Refused(Exception):
    """An answer other than 200. `param` names what is to blame in the body; `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        allow: str | None = None,
        more_lines: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.param = param
        self.retry_after = retry_after
        self.allow = allow
        self.more_lines = more_lines

    def header_lines(self) -> bytes:
        found = self.more_lines
        if self.retry_after is not None:
            found += b"retry-after: %d\r\n" % self.retry_after
        if self.allow is not None:
            found += b"allow: %b\r\n" % self.allow.encode()
        if self.status == 401:
            found += b"www-authenticate: Bearer\r\n"
        return found


def generic_body(refused: Refused) -> dict[str, Any]:
    details = {"param": refused.param, **refused.details} if refused.param else refused.details
    return {"error": {"code": refused.code, "message": refused.message, "details": details}}


def openai_body(refused: Refused) -> dict[str, Any]:
    body = generic_body(refused)
    kind = TYPES.get(refused.status, "server_error" if refused.status >= 500 else "invalid_request_error")
    body["error"] |= {"type": kind, "param": refused.param}
    return body


def bad(param: str | None, message: str) -> Refused:
    """400: the body or one parameter of it, named."""
    return Refused(400, "invalid_request", message, param=param)


def no_key() -> Refused:
    sentence = "This request carries no key: send the header 'key', or 'Authorization: Bearer' with the key."
    return Refused(401, "no_key", sentence)


def unknown_key() -> Refused:
    return Refused(401, "unknown_key", "This key is not known, or it was revoked.")


def other_endpoint() -> Refused:
    return Refused(403, "other_endpoint", "This key belongs to another endpoint.")


def no_endpoint() -> Refused:
    return Refused(404, "no_endpoint", "There is no such endpoint in this project.")


def no_path(path: str) -> Refused:
    return Refused(404, "no_path", f"The gateway has nothing at {path[:200]!r}.")


def no_model(said: str, names: Sequence[str]) -> Refused:
    sentence = f"There is no model {said[:200]!r} at this endpoint; it has: {', '.join(names)}."
    return Refused(404, "model_not_found", sentence, details={"models": list(names)}, param="model")


def no_expert(said: str, names: Sequence[str]) -> Refused:
    sentence = f"There is no expert {said[:200]!r} at this endpoint; it has: {', '.join(names)}."
    return Refused(400, "expert_not_found", sentence, details={"experts": list(names)}, param="select_expert")


def wrong_task(task: str, model: str) -> Refused:
    """400: embeddings of what writes, or text of what embeds."""
    serves = (
        "embeddings: ask for them at …/embeddings or at the Predict URL"
        if task == "embedding"
        else "chat and completions, and no embeddings"
    )
    return Refused(400, "wrong_task", f"This endpoint ({model}) serves {serves}.", details={"task": task})


def wrong_method(allow: str) -> Refused:
    return Refused(405, "wrong_method", f"This path answers {allow} only.", allow=allow)


def too_large(limit: int) -> Refused:
    sentence = f"The body is larger than {limit / 2**20:g} MiB, the limit of this gateway."
    return Refused(413, "too_large", sentence, details={"limit_bytes": limit})


def not_ready() -> Refused:
    return Refused(503, "starting", "The gateway has no complete route table yet.", retry_after=1)


def bad_http() -> Refused:
    return Refused(400, "bad_http", "This is not HTTP as the gateway understands it.")


def head_too_large(limit: int) -> Refused:
    sentence = f"Path and headers of the request are larger than {limit // 2**10} KiB."
    return Refused(431, "head_too_large", sentence, details={"limit_bytes": limit})


def slow_head(seconds: float) -> Refused:
    return Refused(408, "slow_head", f"Path and headers of the request did not come within {seconds:g} s.")


def stopping() -> Refused:
    return Refused(
        503, "stopping", "This gateway is being stopped; another try reaches the next one.", retry_after=1
    )


def not_live(route: Route) -> Refused:
    sentence = f"The endpoint is {route.status or 'not Live'}."
    if route.sentence:
        sentence += f" {route.sentence}"
    return Refused(503, "not_live", sentence, details={"status": route.status}, retry_after=5)


def no_answer() -> Refused:
    """All ready instances refuse connections, broke them, or cannot serve now."""
    sentence = "No instance of this endpoint answers just now."
    return Refused(503, "no_instance_answers", sentence, retry_after=1)


def queue_full(waiting: int) -> Refused:
    sentence = f"All instances of this endpoint are busy, and {waiting} requests wait for them already."
    return Refused(429, "queue_full", sentence, details={"limit": "queue", "waiting": waiting}, retry_after=1)


LIMITS = {
    "parallel": "requests at once",
    "requests_per_minute": "requests per minute",
    "tokens_per_minute": "tokens per minute",
    "tokens_per_day": "tokens per day",
    "tokens_per_month": "tokens per month",
}


def limit_reached(name: str, used: int, limit: int, reset: int | None, lines: bytes) -> Refused:
    """`reset`: seconds until the limit's next minute, day or month begins; None where it frees itself sooner.

    `lines`: the headers that say what is left of each limit.
    """
    sentence = f"The limit of this key is reached: {used} of {limit} {LIMITS[name]} used or reserved."
    if reset is not None:
        sentence += f" It begins anew in {reset} s."
    details = {"limit": name, "used": used, "allowed": limit, "reset_seconds": reset}
    return Refused(429, "limit_reached", sentence, details=details, retry_after=reset or 1, more_lines=lines)


def limits_unknown() -> Refused:
    sentence = "What this key has used cannot be looked up just now, so its limits allow nothing more."
    return Refused(429, "limits_unknown", sentence, details={"limit": "unknown"}, retry_after=1)


def key_expired() -> Refused:
    return Refused(401, "expired_key", "This key has expired; ask the endpoint's owner for a new one.")


def key_replaced() -> Refused:
    return Refused(
        401, "replaced_key", "This key was replaced by a new one; ask the endpoint's owner for it."
    )


def expert_not_allowed(said: str, names: Sequence[str]) -> Refused:
    sentence = f"This key may not ask for {said[:200]!r}; it may ask for: {', '.join(names)}."
    return Refused(403, "expert_not_allowed", sentence, details={"allowed": list(names)}, param="model")


def broken(reason: str) -> Refused:
    """The instance failed after the answer had begun, or answered what no model server should."""
    return Refused(502, "instance_failed", f"The instance broke off its answer: {reason}.")


def internal() -> Refused:
    return Refused(500, "internal", "The gateway failed at this request; its log says why.")


def deadline(seconds: int) -> Refused:
    return Refused(504, "deadline", f"No complete answer within {seconds} s, the deadline of this endpoint.")
