"""Whatever a client sends is read or refused; whatever an instance sends ends in an answer or a refusal."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoints.gateway import app
from endpoints.gateway.answer import Answer
from endpoints.gateway.errors import Refused
from endpoints.gateway.formats import generic_v1, generic_v2, nlp, openai, openai_embeddings, responses
from endpoints.gateway.formats.call import Asked, Call, Clock, Dialect, Json, Listener, Take, Usage
from endpoints.wire import Route
from tests.gateway import fake
from tests.gateway.well_formed import STREAMS, WELL_FORMED
from tests.support.effort import examples

ROUTES = {
    task: Route(
        endpoint="e", project="p", version=1, model="served", names=["Help"], experts=["expert"], task=task
    )
    for task in ("chat", "embedding")
}
ASK: list[Json] = [{"role": "user", "content": "Hi"}]
TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PARAMS: Json = {"select_expert": {"type": "str", "value": "Help"}, "do_sample": True, "temperature": "0.5"}
CONVERSATION = json.dumps({"messages": ASK, "tools": [TOOL]})
TEMPLATED: Json = {"params": {"process_prompt": "True"}}
OUTPUT: Json = {"type": "function_call_output", "call_id": "c", "output": "x"}


@dataclass
class Format:
    """One path, with a body that is right there for each kind of endpoint."""

    make: Callable[[], Dialect]
    chat: Json | None = None
    embedding: Json | None = None

    def body(self, task: str) -> Json | None:
        return self.chat if task == "chat" else self.embedding


def texts(body: Json, *, stream: bool = False) -> dict[str, Any]:
    return {"chat": body} if stream else {"chat": body, "embedding": body}


CHAT_BODY = {"model": "Help", "messages": ASK, "tools": [TOOL], "temperature": 1, "max_tokens": 5, "n": 2}
INPUT = [*ASK, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, OUTPUT]
FORMAT = {"format": {"type": "json_schema", "name": "n", "schema": {}}}
RESPONSE_BODY = {
    "model": "expert",
    "input": INPUT,
    "instructions": "x",
    "tools": [{"type": "function", "name": "f"}],
    "text": FORMAT,
}
EMBEDDINGS_BODY = {"input": ["a", "b"], "encoding_format": "base64"}
TWO_ITEMS = {"items": [{"value": CONVERSATION}, {"value": CONVERSATION}], **TEMPLATED}
FORMATS = {
    "chat": Format(lambda: openai.CHAT_COMPLETIONS, CHAT_BODY),
    "chat stream": Format(lambda: openai.CHAT_COMPLETIONS, CHAT_BODY | {"stream": True}),
    "completions": Format(lambda: openai.COMPLETIONS, {"prompt": ["a", "b"], "max_tokens": 5}),
    "completions stream": Format(lambda: openai.COMPLETIONS, {"prompt": "a", "stream": True}),
    "embeddings": Format(lambda: openai_embeddings.EMBEDDINGS, None, EMBEDDINGS_BODY),
    "responses": Format(responses.Responses, RESPONSE_BODY),
    "responses stream": Format(responses.Responses, RESPONSE_BODY | {"stream": True}),
    "v1": Format(lambda: generic_v1.PREDICT, **texts({"instances": ["a", "b"], "params": PARAMS})),
    "v1 chat": Format(lambda: generic_v1.PREDICT, **texts({"instances": [CONVERSATION], **TEMPLATED})),
    "v1 stream": Format(lambda: generic_v1.STREAM, **texts({"instance": CONVERSATION, **TEMPLATED}, stream=True)),
    "v2": Format(lambda: generic_v2.PREDICT, **texts({"items": [{"id": "a", "value": "x"}, {"value": "y"}]})),
    "v2 stream": Format(lambda: generic_v2.STREAM, **texts(TWO_ITEMS, stream=True)),
    "nlp": Format(lambda: nlp.PREDICT, **texts({"inputs": ["a", '{"prompt": "b"}'], "params": PARAMS})),
    "nlp stream": Format(lambda: nlp.STREAM, **texts({"inputs": CONVERSATION, **TEMPLATED}, stream=True)),
}  # fmt: skip
RIGHT = [(name, task) for name, form in FORMATS.items() for task in ROUTES if form.body(task) is not None]
CALM = settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    deadline=None,
)

PROMPT = st.text(max_size=8) | st.just(CONVERSATION)
LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | PROMPT
NAMES = st.sampled_from(
    [
        "role",
        "content",
        "id",
        "value",
        "type",
        "function",
        "name",
        "index",
        "tool_calls",
        "arguments",
        "delta",
        "message",
    ]
)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3)
    ),
)


def places(value: object, way: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The way to each value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for name, part in inside for place in places(part, (*way, name)))]


def changed(value: Any, way: tuple[Any, ...], new: object) -> Any:
    """The value with another one at a place; without that place where `new` is Ellipsis."""
    if not way:
        return None if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(way) == 1 and new is ...:
        del copy[way[0]]
    else:
        copy[way[0]] = changed(copy[way[0]], way[1:], new)
    return copy


@st.composite
def mutated(draw, value, most: int = 3):
    for _ in range(draw(st.integers(0, most))):
        way = draw(st.sampled_from(places(value)))
        value = changed(value, way, draw(st.just(...) | JSON))
    return value


def read(dialect: Dialect, body: object, route: Route) -> Asked | None:
    """None where it was refused, as a client's mistake must be."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    asked, refused = None, None
    try:
        asked = dialect.read(content, route)
    except Refused as caught:
        refused = caught
    if asked is None:
        assert refused.status in {400, 403, 404}
        assert orjson.dumps(dialect.refusal(refused))
        return None
    assert asked.calls
    assert asked.model_name in {"served", "expert"}
    for call in asked.calls:
        assert call.body["model"] == asked.model_name
        assert bool(call.body.get("stream")) == call.stream == asked.stream
        assert call.prompt_bytes >= 0
        assert call.max_tokens is None or call.max_tokens >= 0
    return asked


@pytest.mark.parametrize(("name", "task"), RIGHT)
def test_a_right_body_is_read(name, task):
    assert read(FORMATS[name].make(), FORMATS[name].body(task), ROUTES[task]) is not None


@pytest.mark.parametrize("task", ROUTES)
@pytest.mark.parametrize("name", FORMATS)
@CALM
@given(body=JSON | st.binary(max_size=20))
def test_any_body_is_read_or_refused(name, task, body):
    read(FORMATS[name].make(), body, ROUTES[task])


@pytest.mark.parametrize(("name", "task"), RIGHT)
@CALM
@given(data=st.data())
def test_a_changed_body_is_read_or_refused(name, task, data):
    body = data.draw(mutated(FORMATS[name].body(task)))
    read(FORMATS[name].make(), body, ROUTES[task])


@dataclass
class Told:
    """An exchange whose instance has sent these bytes."""

    call: Call
    parts: list[bytes]
    instance: str = "a"
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.read = Answer(self.call)
        if not self.call.stream:
            self.read.take(b"".join(self.parts))

    @property
    def answer(self) -> Json:
        return self.read.whole

    @property
    def said_usage(self) -> Json | None:
        return self.read.said_usage

    def usage(self) -> Usage:
        return self.read.usage()

    async def pour(self, take: Take, listener: Listener) -> None:
        for part in self.parts:
            batch = self.read.feed(part)
            if batch:
                take(batch)
                self.read.check()
            if self.read.done:
                break
        self.read.end()


class Reader:
    """A client that reads at once."""

    has_room = True

    def __init__(self) -> None:
        self.told = b""

    def write(self, piece: bytes) -> None:
        self.told += piece

    async def room(self) -> None:
        return


def whole_of(call: Call) -> Json:
    if call.path == "/v1/embeddings":
        count = len(call.body["input"]) if isinstance(call.body["input"], list) else 1
        return {
            "data": [{"index": at, "embedding": [0.5, 1]} for at in range(count)],
            "usage": {"prompt_tokens": 3},
        }
    tool_calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    said = {"message": {"role": "assistant", "content": "one", "tool_calls": tool_calls}, "text": "one"}
    return {"choices": [{"index": 0, "finish_reason": "stop", **said}], "usage": fake.USAGE}


def chunks_of(call: Call) -> list[Json]:
    chat = call.path.endswith("chat/completions")
    told = fake.events(chat=chat)
    return told[:-2] + (fake.tool_call(0, "f", "{", "}") if chat else []) + told[-2:]


@st.composite
def streamed(draw, call: Call):
    """The bytes of a stream, its chunks changed, lost or doubled, cut anywhere."""
    chunks = [
        draw(mutated(chunk, 1)) for chunk in draw(st.permutations(chunks_of(call)) | st.just(chunks_of(call)))
    ]
    chunks = chunks[: draw(st.integers(0, len(chunks)) | st.just(len(chunks)))]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    events = [f"data: {json.dumps(chunk)}{end}{end}" for chunk in chunks]
    whole = ("".join(events) + draw(st.sampled_from(["", f"data: [DONE]{end}{end}", "data: {"]))).encode()
    cuts = draw(st.just(range(len(whole))) | st.lists(st.integers(0, len(whole)), max_size=9))
    edges = [0, *sorted(cuts), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(("name", "task"), [pair for pair in RIGHT if "stream" not in pair[0]])
@CALM
@given(data=st.data())
def test_any_answer_of_an_instance_is_told_or_refused(name, task, data):
    asked = read(FORMATS[name].make(), FORMATS[name].body(task), ROUTES[task])
    answers = [data.draw(mutated(whole_of(call)) | JSON) for call in asked.calls]
    told, refused = None, None
    try:
        exchanges = [
            Told(call, [orjson.dumps(said)]) for call, said in zip(asked.calls, answers, strict=True)
        ]
        told = json.loads(orjson.dumps(asked.whole(exchanges)))
    except Refused as caught:
        refused = caught
    if refused is None:
        WELL_FORMED[name](told)
    else:
        assert 400 <= refused.status <= 599


@pytest.mark.parametrize("name", [name for name in FORMATS if "stream" in name])
@CALM
@given(data=st.data())
async def test_any_stream_of_an_instance_is_told_to_its_end_or_broken_aloud(name, data):
    dialect = FORMATS[name].make()
    asked = read(dialect, FORMATS[name].chat, ROUTES["chat"])
    exchanges = [Told(call, data.draw(streamed(call))) for call in asked.calls]
    reader, refused = Reader(), None
    try:
        await app.tell(asked, exchanges, reader)
    except Refused as caught:
        refused = caught
        reader.write(dialect.broken(caught))
    last = STREAMS[name.removesuffix(" stream")](reader.told.decode())
    assert ("error" in last) == (refused is not None)
