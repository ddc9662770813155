"""OpenAI's `responses`, without a memory: a chat in other words. `store` is ignored, and answers say so."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import chat, generic, openai, response_input
from endpoints.gateway.formats.call import CHAT, CHATS, Call, Exchange, Json, Write
from endpoints.gateway.formats.response_output import Output, event
from endpoints.wire import Route

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(slots=True)
class Responses:
    """One request's own, as even the word that a stream is broken carries the number that follows."""

    name: str = "openai_responses"
    media: bytes = openai.MEDIA
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def read(self, body: bytes, route: Route) -> "Asked":
        calls.need(route, CHATS)
        said = calls.read_object(body)
        name = openai.named(said, route)
        stream = said.get("stream")
        if not isinstance(stream, bool | None):
            raise errors.bad("stream", "stream must be true or false.")
        made = {"model": name.model, **response_input.chat_body(said)}
        if stream:
            made |= {"stream": True, "stream_options": {"include_usage": True}}
        call = Call(CHAT, made, bool(stream))
        return Asked([call], bool(stream), name, _echo(said), self.numbers)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.openai_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        """In the fields of the event, and in `error`, without which the clients would go on as if nothing were."""
        error = errors.openai_body(refused)["error"]
        told = {name: error[name] for name in ("code", "message", "param")}
        return event(self.numbers, "error", **told, error=error)


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    stream: bool
    name: openai.Name
    echo: Json
    numbers: Iterator[int]
    id: str = field(default_factory=lambda: f"resp_{calls.new_id()}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def model_name(self) -> str:
        return self.name.model

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        (exchange,) = exchanges
        output = Output(self.numbers)
        tool_calls = [call | {"index": at} for at, call in enumerate(chat.tool_calls_in(exchange.answer))]
        output.take(generic.text_of(exchange.answer), tool_calls)
        reason = _finish_reason(exchange.answer)
        output.close(complete=reason not in INCOMPLETE)
        return self.ended(output, reason, exchange, exchange.answer)

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> "Telling":
        (exchange,) = exchanges
        write(self._begun())
        return Telling(self, exchange, write, Output(self.numbers))

    def _begun(self) -> bytes:
        response = self._response({}, "in_progress", [])
        return b"".join(
            event(self.numbers, kind, response=response)
            for kind in ("response.created", "response.in_progress")
        )

    def ended(self, output: Output, reason: str, exchange: Exchange, said: Json) -> Json:
        cut_off = INCOMPLETE.get(reason)
        response = self._response(said, "incomplete" if cut_off else "completed", output.items)
        return response | {
            "completed_at": None if cut_off else int(time.time()),
            "incomplete_details": {"reason": cut_off} if cut_off else None,
            "usage": _usage(exchange),
        }

    def _response(self, said: Json, status: str, output: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": None,
            "status": status,
            "model": self.name.in_answer(said),
            "output": output,
            "error": None,
            "incomplete_details": None,
            "usage": None,
            "background": False,
            "previous_response_id": None,
            "store": False,
            **self.echo,
        }


@dataclass(slots=True)
class Telling:
    asked: Asked
    exchange: Exchange
    write: Write
    output: Output
    reason: str = ""
    last: Json = field(default_factory=dict)

    def go_on(self, place: int, batch: list[Json]) -> None:
        events = [self.output.take(generic.text_of(chunk), chat.tool_calls_in(chunk)) for chunk in batch]
        if piece := b"".join(events):
            self.write(piece)
        if self.output.failure is not None:
            raise self.output.failure
        self.reason = next(filter(None, map(_finish_reason, batch)), self.reason)
        self.last = batch[-1]

    def end(self, place: int) -> None:
        closing = self.output.close(complete=self.reason not in INCOMPLETE)
        ended = self.asked.ended(self.output, self.reason, self.exchange, self.last)
        self.write(closing + event(self.asked.numbers, f"response.{ended['status']}", response=ended))


def _finish_reason(part: Json) -> str:
    choices = part.get("choices")
    return (choices[0].get("finish_reason") or "") if choices else ""


def _usage(exchange: Exchange) -> Json:
    usage, said = exchange.usage(), exchange.said_usage or {}
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": _detail(said, "prompt_tokens_details", "cached_tokens"),
            "cache_write_tokens": 0,
        },
        "output_tokens": usage.completion,
        "output_tokens_details": {
            "reasoning_tokens": _detail(said, "completion_tokens_details", "reasoning_tokens")
        },
        "total_tokens": usage.total,
    }


def _detail(usage: Json, part: str, name: str) -> int:
    details = usage.get(part)
    count = details.get(name) if isinstance(details, dict) else None
    return count if type(count) is int and count >= 0 else 0


def _echo(said: Json) -> Json:
    """What an answer repeats of its request, with the defaults."""
    metadata = said.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return {
        "instructions": said.get("instructions"),
        "max_output_tokens": said.get("max_output_tokens"),
        "metadata": {name: value for name, value in metadata.items() if isinstance(value, str)},
        "parallel_tool_calls": said.get("parallel_tool_calls") is not False,
        "temperature": said.get("temperature"),
        "text": {"format": response_input.text_format(said)},
        "tool_choice": said.get("tool_choice") or "auto",
        "tools": said.get("tools") or [],
        "top_p": said.get("top_p"),
        "truncation": "disabled",
    }
