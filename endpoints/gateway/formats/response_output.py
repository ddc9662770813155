"""The output items of a response as they grow, and the events that tell it.

One item is open at a time: a text that goes on after a tool call is a message of its own.
"""

from collections.abc import Iterator
from typing import Any

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import chat
from endpoints.gateway.formats.call import Json


def event(numbers: Iterator[int], kind: str, /, **fields: Any) -> bytes:
    told = {"type": kind, "sequence_number": next(numbers), **fields}
    return b"event: " + kind.encode() + b"\ndata: " + calls.line_of(told) + b"\n\n"


class Output:
    """`take` what the model says, then `close`; both return the events. `failure` is there once it makes no sense."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self.items: list[Json] = []
        self.failure: errors.Refused | None = None
        self._numbers = numbers
        self._open: Json | None = None
        self._texts: list[str] = []  # of the open item
        self._call = -1  # the open tool call's index, or the last one's

    def take(self, text: str, tool_calls: list[Json]) -> bytes:
        events = [self._text(text)] if text else []
        for place, said in enumerate(tool_calls):
            index = said.get("index")
            events.append(self._tool_call(place if index is None else index, said))
        return b"".join(events)

    def close(self, *, complete: bool) -> bytes:
        """An answer without a word is an empty message."""
        opening = b"" if self.items else self._begin_message()
        return opening + self._end_open("completed" if complete else "incomplete")

    def _text(self, text: str) -> bytes:
        opening = b""
        if not self._is_open("message"):
            opening = self._end_open() + self._begin_message()
        self._texts.append(text)
        return opening + self._event("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def _tool_call(self, index: int, said: Json) -> bytes:
        function = said.get("function") or {}
        opening = b""
        if index < self._call or (index == self._call and not self._is_open("function_call")):
            self.failure = errors.broken("its tool calls are mixed up")
            return b""
        if index > self._call:
            self._call = index
            opening = self._end_open() + self._begin_call(said, function)
        arguments = chat.arguments_of(function)
        if not arguments:
            return opening
        self._texts.append(arguments)
        return opening + self._event("response.function_call_arguments.delta", delta=arguments)

    def _is_open(self, kind: str) -> bool:
        return self._open is not None and self._open["type"] == kind

    def _begin_message(self) -> bytes:
        item: Json = {
            "type": "message",
            "id": _id("msg"),
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        opening = self._begin(item)
        return opening + self._event("response.content_part.added", content_index=0, part=_part(""))

    def _begin_call(self, said: Json, function: Json) -> bytes:
        return self._begin(
            {
                "type": "function_call",
                "id": _id("fc"),
                "call_id": said.get("id") or _id("call"),
                "name": function.get("name") or "",
                "arguments": "",
                "status": "in_progress",
            }
        )

    def _begin(self, item: Json) -> bytes:
        self._open = item
        self._texts = []
        self.items.append(item)
        return event(self._numbers, "response.output_item.added", output_index=len(self.items) - 1, item=item)

    def _end_open(self, status: str = "completed") -> bytes:
        item = self._open
        if item is None:
            return b""
        whole = "".join(self._texts)
        if item["type"] == "message":
            events = self._event("response.output_text.done", content_index=0, text=whole, logprobs=[])
            item["content"] = [_part(whole)]
            events += self._event("response.content_part.done", content_index=0, part=_part(whole))
        else:
            item["arguments"] = whole
            events = self._event("response.function_call_arguments.done", arguments=whole)
        item["status"] = status
        self._open = None
        place = len(self.items) - 1
        return events + event(self._numbers, "response.output_item.done", output_index=place, item=item)

    def _event(self, kind: str, **fields: Any) -> bytes:
        """About the open item."""
        assert self._open is not None
        place = {"item_id": self._open["id"], "output_index": len(self.items) - 1}
        return event(self._numbers, kind, **place, **fields)


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _id(kind: str) -> str:
    return f"{kind}_{calls.new_id()}"
