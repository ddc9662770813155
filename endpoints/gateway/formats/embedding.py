"""Embeddings: a list of floats for each text. Every API that has them asks and checks in the same way."""

import struct

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats.call import EMBEDDING, Call, Exchange, Json

Vector = list[float]

MOST_INPUTS = 2048
MOST_TOKEN = 2**31 - 1


def call_for(model: str, text: str, where: str) -> Call:
    """The call for one text; `where` names it in a refusal. Raises 400."""
    if not text:
        raise errors.bad(where, f"{where} must not be empty.")
    return Call(EMBEDDING, body_for(model, text), stream=False)


def body_for(model: str, asked: object) -> Json:
    return {"model": model, "input": asked, "encoding_format": "float"}


def vector(exchange: Exchange) -> Vector:
    """Of a call with one text."""
    found: Vector = exchange.answer["data"][0]["embedding"]
    return found


def in_order(data: object, call: Call) -> list[Json]:
    """An instance's `data`, checked, and by index. Raises 502."""
    wanted = len(calls.inputs(call.body["input"]))
    if not isinstance(data, list) or len(data) != wanted:
        raise errors.broken(f"it does not hold {wanted} embeddings")
    found: dict[int, Json] = {}
    for place, one in enumerate(data):
        index = one.get("index", place) if isinstance(one, dict) else None
        if type(index) is not int or not _is_vector(one.get("embedding")):
            raise errors.broken("an embedding in it is no list of numbers")
        found[index] = one
    if found.keys() != set(range(wanted)):
        raise errors.broken("the order of its embeddings is unclear")
    return [found[index] for index in range(wanted)]


def checked(said: object) -> list[object]:
    """The inputs of a request. Raises 400."""
    found = calls.inputs(said)
    if len(found) > MOST_INPUTS:
        raise errors.bad("input", f"input holds at most {MOST_INPUTS} texts.")
    is_right = _is_text if isinstance(found[0], str) else _is_tokens
    if not all(map(is_right, found)):
        wanted = "input must be a string, a list of strings, a list of tokens or a list of such lists"
        raise errors.bad("input", f"{wanted}; none of them may be empty.")
    return found


def packed(vector: Vector) -> bytes:
    """32-bit floats, little-endian. Raises ValueError for what is none."""
    try:
        return struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError) as error:
        raise ValueError(str(error)) from None


def _is_vector(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    try:
        packed(value)  # quicker than looking at each number here
    except ValueError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_tokens(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(token) is int and 0 <= token <= MOST_TOKEN for token in value)
    )
