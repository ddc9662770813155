"""What a strict client takes for an answer, whole or streamed, in each format."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from openai.types.responses import Response

from endpoints.gateway.formats.openai import is_number
from tests.gateway.test_nlp import events_of

Json = dict[str, Any]


def is_v1(told: Json) -> None:
    assert told["status"]["complete"] is True
    for one in told["predictions"]:
        assert isinstance(one, list) or isinstance(one["completion"], str)


def is_v2(told: Json, ids: Sequence[str] = ("a", "1")) -> None:
    assert [item["id"] for item in told["items"]] == list(ids)
    for item in told["items"]:
        assert isinstance(item["value"], list) or isinstance(item["value"]["completion"], str)


def is_nlp(told: Json) -> None:
    assert all(isinstance(one, list) or isinstance(one["completion"], str) for one in told["data"])


def is_chat(told: Json) -> None:
    assert told.keys() >= {"id", "model", "created", "system_fingerprint", "choices", "usage"}
    assert all("content" in choice["message"] for choice in told["choices"])


def is_completion(told: Json) -> None:
    assert all("text" in choice for choice in told["choices"])


def are_embeddings(told: Json, count: int = 2) -> None:
    """As lists of numbers or, where that was asked for, packed."""
    assert [one["index"] for one in told["data"]] == list(range(count))
    for one in told["data"]:
        vector = one["embedding"]
        assert (
            all(map(is_number, vector))
            if isinstance(vector, list)
            else len(base64.b64decode(vector)) % 4 == 0
        )


WELL_FORMED: dict[str, Callable[[Json], object]] = {
    "v1": is_v1,
    "v1 chat": is_v1,
    "v2": is_v2,
    "nlp": is_nlp,
    "chat": is_chat,
    "completions": is_completion,
    "responses": Response.model_validate,
    "embeddings": are_embeddings,
}


def lines_of(text: str) -> list[Json]:
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def last_of_v1(text: str) -> Json:
    lines = lines_of(text)
    told = [line["result"]["responses"][0] for line in lines if "error" not in line]
    return ends_once(told, lines[-1])


def last_of_v2(text: str, ids: Sequence[str] = ("0", "1")) -> Json:
    """Each item ends once, or the whole in an error."""
    lines = lines_of(text)
    items = [item for line in lines if "error" not in line for item in line["result"]["items"]]
    assert {item["id"] for item in items} <= set(ids)
    for id in ids:
        told = [item["value"] for item in items if item["id"] == id]
        ends_once(told, lines[-1])
    return lines[-1]


def last_of_nlp(text: str) -> Json:
    events = events_of(text)
    assert [name for name, data in events if "error" in data] == ["error_event"] * ("error" in events[-1][1])
    return ends_once([data for _, data in events if "error" not in data], events[-1][1])


def ends_once(told: list[Json], last: Json) -> Json:
    """`is_last_response` is in each, and true in the very last only; where the stream broke, it may be true in none."""
    flags = [one["is_last_response"] for one in told]
    assert all(isinstance(one["stream_token"], str) for one in told)
    assert not any(flags[:-1])
    assert flags[-1:] == [True] or "error" in last
    return last


def last_of_openai(text: str) -> Json:
    *events, end = text.split("\n\n")
    assert end == ""
    done = events[-1] == "data: [DONE]"
    told = [json.loads(event.removeprefix("data: ")) for event in (events[:-1] if done else events)]
    assert done or "error" in told[-1]
    for one in told:
        if "error" not in one:
            assert one.keys() >= {"id", "model", "created", "system_fingerprint", "choices", "usage"}
            assert one["usage"] is None
            assert all("content" in choice.get("delta", {"content": ""}) for choice in one["choices"])
    return {} if done else told[-1]


def last_of_responses(text: str) -> Json:
    events = [data for _, data in events_of(text)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    kinds = {"response.completed", "response.incomplete", "error"}
    assert [event["type"] in kinds for event in events] == [False] * (len(events) - 1) + [True]
    if events[-1]["type"] == "error":
        return events[-1]
    Response.model_validate(events[-1]["response"])
    return {}


STREAMS: dict[str, Callable[[str], Json]] = {
    "v1": last_of_v1,
    "v2": last_of_v2,
    "nlp": last_of_nlp,
    "chat": last_of_openai,
    "completions": last_of_openai,
    "responses": last_of_responses,
}
