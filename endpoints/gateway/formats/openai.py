"""The OpenAI API: the model server's own words passed on, but checked, and corrected where clients are strict.

`model` is one of the endpoint's names (none at all means the endpoint's own model) and is echoed as said;
every chunk carries `id`, `model`, `created`, `system_fingerprint`, `delta.content` and a null `usage`,
except for the one with `choices: []` that a client asks for by `stream_options.include_usage`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import chat
from endpoints.gateway.formats.call import CHAT, CHATS, COMPLETION, Call, Exchange, Json, Write, new_id
from endpoints.wire import Route

MEDIA = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class Name(msgspec.Struct, frozen=True):
    """`said` by the client, `model` at the server; `experts` where a bundle's own router chooses among them."""

    said: str
    model: str
    experts: Sequence[str] = ()

    def in_answer(self, answer: Json) -> str:
        """As the client said it, or the expert that was chosen."""
        chosen = answer.get("model")
        return chosen if isinstance(chosen, str) and chosen in self.experts else self.said


@dataclass(frozen=True, slots=True)
class OpenAI:
    """`chat/completions` or `completions`."""

    name: str
    path: str
    media: bytes = MEDIA

    def read(self, body: bytes, route: Route) -> "Asked":
        calls.need(route, CHATS)
        said = calls.read_object(body)
        name = named(said, route)
        _check(said, self.path)
        stream = said.get("stream") is True
        wants_usage = _prepare_stream(said, stream)
        said["model"] = name.model
        if "repetition_penalty" in said:
            said.setdefault("repeat_penalty", said["repetition_penalty"])  # llama.cpp's word for it
        if "stop_sequences" in said:
            said.setdefault("stop", said["stop_sequences"])  # as some clients of the generic APIs spell it
        call = Call(self.path, said, stream)
        return Asked([call], stream, name, wants_usage, self.path == CHAT)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.openai_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        return event(errors.openai_body(refused))


CHAT_COMPLETIONS = OpenAI("openai_chat", CHAT)
COMPLETIONS = OpenAI("openai_completions", COMPLETION)
MODELS = OpenAI("openai_models", "/v1/models")  # lists; it is never read


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    stream: bool
    name: Name
    wants_usage: bool
    is_chat: bool
    id: str = ""  # where the instance gives none
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def model_name(self) -> str:
        return self.name.model

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        (exchange,) = exchanges
        answer = self.headed(exchange.answer, chunk=False)
        for choice in answer.get("choices") or []:
            part = choice.setdefault("message", {}) if self.is_chat else choice
            _never_null(part, "content" if self.is_chat else "text")
        answer["usage"] = _usage(exchange)
        return answer

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> "Telling":
        (exchange,) = exchanges
        return Telling(self, exchange, write)

    def corrected(self, chunk: Json) -> Json:
        self.headed(chunk, chunk=True)
        chunk["usage"] = None
        for choice in chunk["choices"]:
            if self.is_chat:
                if not isinstance(choice.get("delta"), dict):
                    choice["delta"] = {}
                _never_null(choice["delta"], "content")
            else:
                _never_null(choice, "text")
        return chunk

    def headed(self, answer: Json, *, chunk: bool) -> Json:
        is_chat = self.is_chat
        answer["model"] = self.name.in_answer(answer)
        if not answer.get("id"):
            self.id = self.id or ("chatcmpl-" if is_chat else "cmpl-") + new_id()
            answer["id"] = self.id
        if not answer.get("created"):
            answer["created"] = self.created
        if not answer.get("object"):
            answer["object"] = (
                ("chat.completion.chunk" if chunk else "chat.completion") if is_chat else "text_completion"
            )
        _never_null(answer, "system_fingerprint")
        return answer


@dataclass(slots=True)
class Telling:
    asked: Asked
    exchange: Exchange
    write: Write
    last: Json = field(default_factory=dict)

    def go_on(self, place: int, batch: list[Json]) -> None:
        shown = b"".join([event(self.asked.corrected(chunk)) for chunk in batch if chunk.get("choices")])
        if shown:
            self.write(shown)
        self.last = batch[-1]

    def end(self, place: int) -> None:
        if self.asked.wants_usage:
            counted = {"choices": [], "usage": _usage(self.exchange)}
            self.write(event(self.asked.headed(self.last, chunk=True) | counted))
        self.write(DONE)


def event(value: Any) -> bytes:
    return b"data: %b\n\n" % calls.line_of(value)


def listing(names: Sequence[str], model: str) -> Json:
    """All models, or the one named. Raises 404 with the names that exist."""
    if not model:
        return {"object": "list", "data": [_model_card(name) for name in names]}
    if model not in names:
        raise errors.no_model(model, names)
    return _model_card(model)


def _model_card(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "studio"}


def named(said: Json, route: Route) -> Name:
    """The model of a request's body. Raises 400, and 404 with the names that exist."""
    model = said.get("model")
    if model is not None and not isinstance(model, str):
        raise errors.bad("model", "model must be a string.")
    asked = calls.upstream_model(route, model or None)
    if asked is None:
        raise errors.no_model(str(model), calls.known_names(route))
    return Name(model or route.model, asked, route.experts if asked == route.model else ())


def _check(said: Json, path: str) -> None:
    """Only what every model server needs; the rest is the instance's to judge."""
    if path == CHAT:
        chat.messages(said.get("messages"), "messages")
        chat.tools(said.get("tools"), "tools")
    elif not _is_prompt(said.get("prompt")):
        wanted = "a string, a list of strings, a list of tokens or a list of such lists"
        raise errors.bad("prompt", f"prompt must be {wanted}.")
    temperature = said.get("temperature")
    if temperature is not None and not (is_number(temperature) and 0 <= temperature <= 2):
        raise errors.bad("temperature", "temperature must be a number between 0 and 2.")
    for name, is_right, wanted in SAMPLED:
        value = said.get(name)
        if value is not None and not is_right(value):
            raise errors.bad(name, f"{name} must be {wanted}.")
    options = said.get("stream_options")
    if options is not None and not isinstance(options.get("include_usage"), bool | None):
        raise errors.bad("stream_options", "stream_options.include_usage must be true or false.")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return is_number(value) and value == int(value)  # type: ignore[call-overload]


def _is_prompt(value: object) -> bool:
    if not isinstance(value, list):
        return isinstance(value, str)
    return _is_stop(value) or _are_tokens(value) or all(map(_are_tokens, value))


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and all(type(token) is int for token in value)


def _is_stop(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(text, str) for text in value)
    )


# Fields that model servers take for granted, so that they answer 500 to one of another kind.
SAMPLED: Sequence[tuple[str, Callable[[Any], bool], str]] = (
    ("top_p", is_number, "a number"),
    ("max_tokens", _is_whole, "a whole number"),
    ("max_completion_tokens", _is_whole, "a whole number"),
    ("n", _is_whole, "a whole number"),
    ("seed", _is_whole, "a whole number"),
    ("stop", _is_stop, "a string or a list of strings"),
    ("response_format", lambda value: isinstance(value, dict), "an object"),
    ("stream", lambda value: isinstance(value, bool), "true or false"),
    ("stream_options", lambda value: isinstance(value, dict), "an object"),
)


def _prepare_stream(said: Json, stream: bool) -> bool:
    """Asks the instance for its usage in any case; true if the client wants to see it."""
    options = said.pop("stream_options", None)
    if not stream:
        return False
    options = options or {}
    said["stream_options"] = {**options, "include_usage": True}
    return options.get("include_usage") is True


def _usage(exchange: Exchange) -> Json:
    """In the instance's own words, where it has said it."""
    usage = exchange.usage()
    return exchange.said_usage or {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }


def _never_null(part: Json, name: str) -> None:
    if part.get(name) is None:
        part[name] = ""
