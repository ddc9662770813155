"""What the generic APIs and NLP have in common: prompts, and what is told about an answer."""

import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from endpoints.gateway import errors
from endpoints.gateway.formats import call as calls
from endpoints.gateway.formats import chat, embedding
from endpoints.gateway.formats.call import CHAT, CHATS, COMPLETION, EMBEDDING, EMBEDS, Call, Exchange, Json
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


async def tellings(prompt: str, exchange: Exchange) -> AsyncIterator[list[Json]]:
    """The stream's objects, as many at once as came together; the very last one holds the counts."""
    texts: list[str] = []
    tool_calls = chat.ToolCalls()
    reason = ""
    async for batch in exchange.batches():
        said = [text for chunk in batch if (text := text_of(chunk))]
        texts += said
        for chunk in batch:
            tool_calls.add(chunk)
        reason = next((found for chunk in batch if (found := stop_reason(chunk))), reason)
        if said:
            yield [{"stream_token": text, "is_last_response": False} for text in said]
    last = _last("".join(texts), reason, prompt, exchange)
    yield [last | {"tool_calls": tool_calls.found} if tool_calls.found else last]


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
