"""Answers that come in pieces: server-sent events of a watch, lines of a streamed prediction. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Frame:
    """One server-sent event; one without a kind is a sign of life."""

    kind: str = ""
    data: Json = field(default_factory=dict)
    id: str = ""


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """Events as they end; the last one may be cut off and is left out then. Raises ValueError for what is no JSON."""
    kind, data, number = "", "", ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            yield Frame(kind, _object(data), number)
            kind, data, number = "", "", ""
        elif not name:
            yield Frame()
        elif name == "event":
            kind = value
        elif name == "id":
            number = value
        elif name == "data":
            data += value


def tokens(lines: Iterable[str]) -> Iterator[Json]:
    """What each line of a generic stream holds: a response, or `{"error": …}`. Raises ValueError for another thing."""
    for line in lines:
        if not line.strip():
            continue
        said = _object(line)
        if "error" in said:
            yield said
            continue
        responses = (said.get("result") or {}).get("responses")
        if not isinstance(responses, list):
            raise ValueError("no responses")
        yield from responses


def _object(text: str) -> Json:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
