"""What the generic APIs and NLP have in common: prompts, and what is told about an answer."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import chat, embedding
from endpoints.gateway.formats.call import (
    CHAT,
    CHATS,
    COMPLETION,
    EMBEDDING,
    EMBEDS,
    Call,
    Exchange,
    Json,
    Write,
)
from endpoints.gateway.formats.params import Params
from endpoints.wire import Route

MEDIA = b"application/x-ndjson; charset=utf-8"
MOST_PROMPTS = 1024
STOP_REASONS = {"stop": "end_of_text", "length": "max_len_reached"}
MESSAGE_FIELDS_OF_OURS = {"message_id"}


def line(value: Any) -> bytes:
    return calls.line_of(value) + b"\n"


def call_for(prompt: str, where: str, params: Params, route: Route, *, stream: bool) -> Call:
    """The call for one prompt; `where` names it in a refusal. Raises 400."""
    if stream:
        calls.need(route, CHATS)
    model = calls.upstream_model(route, params.select_expert)
    if model is None:
        raise errors.no_expert(str(params.select_expert), calls.known_names(route))
    if route.task == EMBEDS:
        return embedding.call_for(model, prompt, where)
    said = _conversation(prompt, where) if params.process_prompt else {"prompt": prompt}
    body: Json = {"model": model, **params.sampling(), **said}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    path = CHAT if params.process_prompt else COMPLETION
    return Call(path, body, stream)


def text_of(part: Json) -> str:
    """The text of an answer or a chunk: what its first choice says."""
    choices = part.get("choices")
    if not choices:
        return ""
    said = choices[0].get("message") or choices[0].get("delta") or {}
    text = said.get("content") or choices[0].get("text")
    return text if isinstance(text, str) else ""


def stop_reason(part: Json) -> str | None:
    choices = part.get("choices")
    reason = choices[0].get("finish_reason") if choices else None
    return STOP_REASONS.get(reason, reason) if reason else None


def told_of(prompt: str, exchange: Exchange) -> Json | embedding.Vector:
    """A whole answer as v1 tells it: an embedding, or the fields of a completion."""
    if exchange.call.path == EMBEDDING:
        return embedding.vector(exchange)
    return completion(prompt, exchange)


def completion(prompt: str, exchange: Exchange) -> Json:
    """The fields of a whole completion that v1 and v2 share."""
    usage = exchange.usage()
    told: Json = {
        "completion": text_of(exchange.answer),
        "logprobs": {"text_offset": [], "top_logprobs": []},
        "prompt": prompt,
        "stop_reason": stop_reason(exchange.answer) or "",
        "tokens": [],
        "prompt_tokens_count": usage.prompt,
        "completion_tokens_count": usage.completion,
        "total_tokens_count": usage.total,
    }
    tool_calls = chat.tool_calls_in(exchange.answer)
    return told | {"tool_calls": tool_calls} if tool_calls else told


class Telling:
    """The streams' objects, each written as `form` puts it; the very last one of a call holds the counts.

    `form`: the place of the call among the request's and an object → the line or event.
    """

    def __init__(
        self,
        prompts: Sequence[str],
        exchanges: Sequence[Exchange],
        write: Write,
        form: Callable[[int, Json], bytes],
    ) -> None:
        self._told = [_Told(*pair) for pair in zip(prompts, exchanges, strict=True)]
        self._write = write
        self._form = form

    def go_on(self, place: int, batch: list[Json]) -> None:
        said = self._told[place].hear(batch)
        if said:
            lines = [self._form(place, {"stream_token": text, "is_last_response": False}) for text in said]
            self._write(b"".join(lines))

    def end(self, place: int) -> None:
        self._write(self._form(place, self._told[place].last()))


class _Told:
    """What one call's answer has said so far."""

    def __init__(self, prompt: str, exchange: Exchange) -> None:
        self._prompt = prompt
        self._exchange = exchange
        self._texts: list[str] = []
        self._tool_calls = chat.ToolCalls()
        self._reason = ""

    def hear(self, batch: list[Json]) -> list[str]:
        """The texts in it."""
        said = [text for chunk in batch if (text := text_of(chunk))]
        self._texts += said
        for chunk in batch:
            self._tool_calls.add(chunk)
            self._reason = stop_reason(chunk) or self._reason
        return said

    def last(self) -> Json:
        last = _last("".join(self._texts), self._reason, self._prompt, self._exchange)
        return last | {"tool_calls": self._tool_calls.found} if self._tool_calls.found else last


def _last(text: str, reason: str, prompt: str, exchange: Exchange) -> Json:
    usage, clock = exchange.usage(), exchange.clock
    after = clock.after_first()
    return {
        "stream_token": "",
        "is_last_response": True,
        "completion": text,
        "stop_reason": reason,
        "prompt": prompt,
        "prompt_tokens_count": usage.prompt,
        "completion_tokens_count": usage.completion,
        "total_tokens_count": usage.total,
        "start_time": clock.start,
        "end_time": clock.end or time.time(),
        "model_execution_time": clock.whole(),
        "time_to_first_token": clock.until_first(),
        "throughput_after_first_token": max(usage.completion - 1, 0) / after if after else 0.0,
        "batch_size_used": 1,
    }


def _conversation(prompt: str, where: str) -> Json:
    """The messages, and the tools, of a prompt that is JSON in a string. Raises 400."""
    wanted = f'with process_prompt, {where} must be a string holding JSON like {{"messages": [...]}}'
    try:
        said = orjson.loads(prompt)
    except orjson.JSONDecodeError as error:
        raise errors.bad(where, f"{wanted}: {error}.") from None
    if not isinstance(said, dict):
        raise errors.bad(where, f"{wanted}.")
    messages = chat.messages(said.get("messages"), f"{where}.messages")
    tools = chat.tools(said.get("tools"), f"{where}.tools")
    kept = [{k: v for k, v in message.items() if k not in MESSAGE_FIELDS_OF_OURS} for message in messages]
    return {"messages": kept, "tools": tools} if tools else {"messages": kept}
