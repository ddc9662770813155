"""The NLP API of older clients: texts in, completions or embeddings out; streams are server-sent events."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import embedding, generic, params
from endpoints.gateway.formats.call import Call, Exchange, Json, Write
from endpoints.wire import Route

PROMPT_FIELDS = {"prompt", "completion"}


@dataclass(frozen=True, slots=True)
class NLP:
    name: str
    stream: bool
    media: bytes = b"text/event-stream; charset=utf-8"

    def read(self, body: bytes, route: Route) -> "Asked":
        said = calls.read_object(body)
        chosen = params.read(said.get("params"))
        prompts = _prompts(said.get("inputs"), one=self.stream)
        made = [
            generic.call_for(prompt, f"inputs[{index}]", chosen, route, stream=self.stream)
            for index, prompt in enumerate(prompts)
        ]
        return Asked(made, self.stream, prompts)

    def refusal(self, refused: errors.Refused) -> Json:
        return errors.generic_body(refused)

    def broken(self, refused: errors.Refused) -> bytes:
        return b"event: error_event\n" + _event(errors.generic_body(refused))


PREDICT = NLP("nlp", stream=False)
STREAM = NLP("nlp_stream", stream=True)


@dataclass(slots=True)
class Asked:
    calls: Sequence[Call]
    stream: bool
    prompts: list[str]

    @property
    def model_name(self) -> str:
        return calls.model_of(self.calls)

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        return {"data": [_told(*pair) for pair in zip(self.prompts, exchanges, strict=True)]}

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> generic.Telling:
        return generic.Telling(self.prompts, exchanges, write, lambda _place, value: _event(value))


def _told(prompt: str, exchange: Exchange) -> Json | embedding.Vector:
    told = generic.told_of(prompt, exchange)
    if not isinstance(told, dict):
        return told
    return {name: told[name] for name in ("completion", "tool_calls") if name in told}


def _event(value: Json) -> bytes:
    return b"data: " + calls.line_of(value) + b"\n\n"


def _prompts(said: object, *, one: bool) -> list[str]:
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not found:
        raise errors.bad("inputs", "inputs must be a string or a list of strings.")
    if one and len(found) > 1:
        raise errors.bad("inputs", "A stream answers one input.")
    if len(found) > generic.MOST_PROMPTS:
        raise errors.bad("inputs", f"At most {generic.MOST_PROMPTS} inputs in one request.")
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise errors.bad(f"inputs[{index}]", "Each input must be a string.")
    return list(map(_prompt, found))


def _prompt(text: str) -> str:
    """The oldest clients send `{"prompt": …, "completion": ""}` as a string."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if (
        not isinstance(said, dict)
        or not said.keys() <= PROMPT_FIELDS
        or not isinstance(said.get("prompt"), str)
    ):
        return text
    prompt: str = said["prompt"]
    return prompt
