"""Every form in which an endpoint can be asked, and what a strict client makes of the answer.

Questions are asked greedily, so the same question has the same answer at every instance and in every form: what is
told is compared with what the quiet platform said, and an answer that was mixed up with another is found out.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.gateway.test_nlp import events_of
from tests.gateway.well_formed import STREAMS, WELL_FORMED, lines_of

Json = dict[str, Any]
LONG = 200  # tokens: long enough to be under way when something happens
MOST_TOKENS = (4, 12, LONG)


@dataclass(frozen=True)
class Target:
    """An endpoint and one of its keys. `embeds`: its answers are vectors."""

    project: str
    endpoint: str
    key_id: str
    key: str
    embeds: bool = False


@dataclass(frozen=True)
class Question:
    """`chat`: as a message, with the model's template around it."""

    endpoint: str
    text: str
    most_tokens: int
    chat: bool = False


@dataclass(frozen=True)
class Told:
    """What one prompt was answered; tokens are None where the form does not tell them."""

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Form:
    """`told` reads a whole answer, or the text of a complete stream; `said` what a stream said until it broke."""

    name: str
    path: str
    body: Callable[[Sequence[Question]], Json]
    told: Callable[[Any], list[Told]]
    prompts: tuple[int, int] = (1, 1)  # in one request, at least and at most
    chat: bool = False
    said: Callable[[str], list[str]] | None = None  # streams only
    embeds: bool = False

    @property
    def stream(self) -> bool:
        return self.said is not None

    def path_at(self, target: Target) -> str:
        return self.path.format(project=target.project, endpoint=target.endpoint)

    def error_in(self, text: str) -> str:
        """Asserts a well-formed stream to its end; the code of the error it ended with, "" where it is complete."""
        last = STREAMS[self.name.split()[0]](_without_usage(text))
        error = last.get("error")
        return str(error["code"]) if error else ""

    def check(self, answer: Json) -> None:
        """Asserts a well-formed whole answer."""
        WELL_FORMED[self.name](answer)


# ----- bodies ---------------------------------------------------------------------------------------------


def _params(asked: Sequence[Question]) -> Json:
    said: Json = {
        "do_sample": {"type": "bool", "value": "False"},
        "max_tokens_to_generate": {"type": "int", "value": f"{asked[0].most_tokens}"},
    }
    if asked[0].chat:
        said["process_prompt"] = {"type": "bool", "value": "True"}
    return {"params": said}


def _prompts(asked: Sequence[Question]) -> list[str]:
    return [json.dumps({"messages": _messages(one)}) if one.chat else one.text for one in asked]


def _messages(one: Question) -> list[Json]:
    return [{"role": "user", "content": one.text}]


def _items(asked: Sequence[Question]) -> Json:
    """Two; an item without an id is named by its place."""
    first, second = _prompts(asked)
    return {"items": [{"id": "a", "value": first}, {"value": second}], **_params(asked)}


def _openai(asked: Sequence[Question], **more: Any) -> Json:
    (one,) = asked
    put: Json = {"messages": _messages(one)} if one.chat else {"prompt": one.text}
    return {**put, "max_tokens": one.most_tokens, "temperature": 0, **more}


def _responses(asked: Sequence[Question], **more: Any) -> Json:
    (one,) = asked
    return {"input": one.text, "max_output_tokens": one.most_tokens, "temperature": 0, **more}


# ----- whole answers --------------------------------------------------------------------------------------


def _completion(one: Json) -> Told:
    return Told(one["completion"], one["prompt_tokens_count"], one["completion_tokens_count"])


def _openai_told(answer: Json) -> list[Told]:
    (choice,) = answer["choices"]
    return [
        _with_usage(choice["message"]["content"] if "message" in choice else choice["text"], answer["usage"])
    ]


def _with_usage(text: str, usage: Json) -> Told:
    return Told(text, usage["prompt_tokens"], usage["completion_tokens"])


def _response_told(response: Json) -> list[Told]:
    text = "".join(part["text"] for item in response["output"] for part in item["content"])
    return [Told(text, response["usage"]["input_tokens"], response["usage"]["output_tokens"])]


def _vectors(answer: Json) -> list[Told]:
    """Numbers differ a little with what an instance works on beside; how many there are does not."""
    return [Told(f"{len(base64.b64decode(one['embedding'])) // 4} numbers") for one in answer["data"]]


# ----- streams --------------------------------------------------------------------------------------------


def _v1_parts(text: str) -> list[Json]:
    return [line["result"]["responses"][0] for line in lines_of(text) if "error" not in line]


def _v2_parts(text: str) -> list[list[Json]]:
    """Those of each item."""
    lines = [line for line in lines_of(text) if "error" not in line]
    items = [item for line in lines for item in line["result"]["items"]]
    return [[item["value"] for item in items if item["id"] == id] for id in ("0", "1")]


def _nlp_parts(text: str) -> list[Json]:
    return [data for _, data in events_of(text) if "error" not in data]


def _tokens(parts: Sequence[Json]) -> str:
    return "".join(part["stream_token"] for part in parts)


def _ended(parts: Sequence[Json]) -> Told:
    assert parts[-1]["completion"] == _tokens(parts), "the tokens are not the completion"
    return _completion(parts[-1])


def _chunks(text: str) -> list[Json]:
    return [data for _, data in events_of(text.removesuffix("data: [DONE]\n\n"))]


def _without_usage(text: str) -> str:
    """Without the chunk that was asked for by `include_usage`."""
    events = text.split("\n\n")
    return "\n\n".join(event for event in events if '"choices":[]' not in event)


def _openai_said(text: str) -> list[str]:
    choices = [choice for chunk in _chunks(text) for choice in chunk.get("choices", ())]
    return [
        "".join(choice["delta"]["content"] if "delta" in choice else choice["text"] for choice in choices)
    ]


def _openai_streamed(text: str) -> list[Told]:
    (said,) = _openai_said(text)
    last = _chunks(text)[-1]
    return [_with_usage(said, last["usage"]) if last["usage"] else Told(said)]


def _response_said(text: str) -> list[str]:
    events = [data for _, data in events_of(text)]
    return ["".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")]


def _response_streamed(text: str) -> list[Told]:
    (told,) = _response_told(events_of(text)[-1][1]["response"])
    assert [told.text] == _response_said(text), "the deltas are not the output"
    return [told]


# ----- all forms ------------------------------------------------------------------------------------------

V1 = "/api/predict/generic/{project}/{endpoint}"
V1_STREAM = "/api/predict/generic/stream/{project}/{endpoint}"
V2 = "/api/v2/predict/generic/{project}/{endpoint}"
V2_STREAM = "/api/v2/predict/generic/stream/{project}/{endpoint}"
NLP = "/api/predict/nlp/{project}/{endpoint}"
NLP_STREAM = "/api/predict/nlp/stream/{project}/{endpoint}"
OPENAI = "/v1/{project}/{endpoint}/"
STREAM: Json = {"stream": True}
WITH_USAGE: Json = STREAM | {"stream_options": {"include_usage": True}}


def _v1(asked: Sequence[Question]) -> Json:
    return {"instances": _prompts(asked), **_params(asked)}


def _v1_told(answer: Json) -> list[Told]:
    return [_completion(one) for one in answer["predictions"]]


COMPLETION = Form("completions", OPENAI + "completions", _openai, _openai_told)
CHAT = Form("chat", OPENAI + "chat/completions", _openai, _openai_told, chat=True)
EMBEDDINGS = Form(
    "embeddings", OPENAI + "embeddings",
    lambda asked: {"input": [one.text for one in asked], "encoding_format": "base64"},
    _vectors, prompts=(2, 2), embeds=True,
)  # fmt: skip
FORMS = (
    Form("v1", V1, _v1, _v1_told, prompts=(1, 5)),
    Form("v1 chat", V1, _v1, _v1_told, prompts=(1, 2), chat=True),
    Form(
        "v1 stream", V1_STREAM,
        lambda asked: {"instance": _prompts(asked)[0], **_params(asked)},
        lambda text: [_ended(_v1_parts(text))], said=lambda text: [_tokens(_v1_parts(text))], chat=True,
    ),
    Form(
        "v2", V2, _items,
        lambda answer: [_completion(item["value"]) for item in answer["items"]], prompts=(2, 2),
    ),
    Form(
        "v2 stream", V2_STREAM,
        lambda asked: {"items": [{"value": text} for text in _prompts(asked)], **_params(asked)},
        lambda text: [_ended(parts) for parts in _v2_parts(text)],
        said=lambda text: list(map(_tokens, _v2_parts(text))), prompts=(2, 2),
    ),
    Form(
        "nlp", NLP,
        lambda asked: {"inputs": _prompts(asked), **_params(asked)},
        lambda answer: [Told(one["completion"]) for one in answer["data"]], prompts=(1, 3),
    ),
    Form(
        "nlp stream", NLP_STREAM,
        lambda asked: {"inputs": _prompts(asked)[0], **_params(asked)},
        lambda text: [_ended(_nlp_parts(text))], said=lambda text: [_tokens(_nlp_parts(text))], chat=True,
    ),
    CHAT,
    Form(
        "chat stream", CHAT.path, lambda asked: _openai(asked, **STREAM),
        _openai_streamed, said=_openai_said, chat=True,
    ),
    Form(
        "chat stream with usage", CHAT.path, lambda asked: _openai(asked, **WITH_USAGE),
        _openai_streamed, said=_openai_said, chat=True,
    ),
    COMPLETION,
    Form(
        "completions stream", COMPLETION.path, lambda asked: _openai(asked, **WITH_USAGE),
        _openai_streamed, said=_openai_said,
    ),
    Form("responses", OPENAI + "responses", _responses, _response_told, chat=True),
    Form(
        "responses stream", OPENAI + "responses", lambda asked: _responses(asked, **STREAM),
        _response_streamed, said=_response_said, chat=True,
    ),
    EMBEDDINGS,
)  # fmt: skip
