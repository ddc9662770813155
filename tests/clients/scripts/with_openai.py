"""openai: chat, completions, streams, embeddings, models and responses, plain and async, on every base path."""

import asyncio
import base64
import struct

import openai
from given import (
    A_TOOL,
    ASKED,
    ASKED_TOO,
    MESSAGES,
    SYSTEM,
    TEXTS,
    WRONG_KEY,
    WRONG_MODEL,
    alike,
    chat,
    check,
    counts,
    cut,
    cut_at,
    done,
    embedding,
    embeds,
    is_text,
    other_key,
    refused,
    same,
    streamed,
)

endpoint = chat()
MODEL = endpoint.model


def client_at(base: str, key: str = endpoint.key) -> openai.OpenAI:
    return openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=30)


client = client_at(endpoint.base)


def ask(messages=MESSAGES, **options):
    return client.chat.completions.create(model=MODEL, messages=messages, temperature=0, **options)


def counted(usage) -> None:
    counts(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def text_of(answer) -> str:
    return answer.choices[0].message.content


whole = text_of(ask())

for shape, base in endpoint.bases.items():
    with check("chat", shape):
        answer = client_at(base).chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0)
        same((answer.object, answer.model, len(answer.choices)), ("chat.completion", MODEL, 1))
        same((answer.choices[0].message.role, answer.choices[0].finish_reason), ("assistant", "stop"))
        same(is_text(text_of(answer)), whole)
        counted(answer.usage)
        assert answer.id.startswith("chatcmpl-"), answer.id
        assert answer.created > 1_700_000_000, answer.created
    with check("stream", f"{shape} with usage"):
        chunks = list(
            client_at(base).chat.completions.create(
                model=MODEL,
                messages=MESSAGES,
                temperature=0,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        *said, last = chunks
        streamed([chunk.choices[0].delta.content for chunk in said], whole)
        same({(chunk.object, chunk.model) for chunk in chunks}, {("chat.completion.chunk", MODEL)})
        same(len({chunk.id for chunk in chunks}), 1)
        same([chunk.choices[0].finish_reason for chunk in said if chunk.choices[0].finish_reason], ["stop"])
        same(said[0].choices[0].delta.role, "assistant")
        same([chunk.usage for chunk in said if chunk.usage], [])
        same(last.choices, [])
        same(last.usage.completion_tokens, ask().usage.completion_tokens)
        counted(last.usage)
    with check("models", shape):
        listed = list(client_at(base).models.list())
        assert MODEL in [model.id for model in listed], listed
        same({model.object for model in listed}, {"model"})
        same(client_at(base).models.retrieve(MODEL).id, MODEL)

with check("chat", "another question has another answer, with a system message and content in parts"):
    parts = [{"type": "text", "text": ASKED_TOO}]
    other = text_of(ask([{"role": "system", "content": SYSTEM}, {"role": "user", "content": parts}]))
    assert is_text(other) != whole, other
with check("chat", "a conversation of several turns"):
    is_text(
        text_of(
            ask([*MESSAGES, {"role": "assistant", "content": whole}, {"role": "user", "content": ASKED_TOO}])
        )
    )
with check("chat", "max_tokens, max_completion_tokens"):
    for limit in ("max_tokens", "max_completion_tokens"):
        short = ask(**{limit: 4})
        same((short.usage.completion_tokens, short.choices[0].finish_reason), (4, "length"))
        assert whole.startswith(text_of(short)), text_of(short)
with check("chat", "stop"):
    for stop in (cut_at(whole)[0], [cut_at(whole)[0]]):
        cut(text_of(ask(stop=stop)), whole)
with check("chat", "a seed repeats a sampled answer"):
    sampled = [
        client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=1.5, top_p=0.9, seed=7)
        for _ in range(2)
    ]
    same(text_of(sampled[0]), text_of(sampled[1]))
with check(
    "chat", "tools, tool_choice, response_format, logprobs and unknown fields are no reason to refuse"
):
    for options in (
        {"tools": [A_TOOL]},
        {"tools": [A_TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True, "top_logprobs": 2},
        {
            "user": "u",
            "metadata": {"a": "b"},
            "store": False,
            "service_tier": "auto",
            "reasoning_effort": "low",
        },
        {"presence_penalty": 0.1, "frequency_penalty": 0.1, "logit_bias": {}, "n": 1},
        {"extra_body": {"stream_options": {"include_usage": True}, "no_such_field": 1, "ignore_eos": False}},
    ):
        assert isinstance(text_of(ask(max_tokens=40, **options)), str), options
with check("chat", "the client's own stream helper"):
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, temperature=0) as events:
        kinds = [event.type for event in events]
        final = events.get_final_completion()
    same(final.choices[0].message.content, whole)
    assert kinds.count("content.delta") >= 5, kinds
with check("chat", "completions"):
    plain = client.completions.create(model=MODEL, prompt=ASKED, temperature=0)
    same((plain.object, plain.model), ("text_completion", MODEL))
    is_text(plain.choices[0].text)
    counted(plain.usage)
with check("stream", "completions"):
    plain = client.completions.create(model=MODEL, prompt=ASKED, temperature=0).choices[0].text
    pieces = client.completions.create(
        model=MODEL, prompt=ASKED, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    *said, last = pieces
    streamed([piece.choices[0].text for piece in said], plain)
    same(last.choices, [])
    counted(last.usage)
with check("stream", "without include_usage no chunk tells usage"):
    chunks = list(ask(stream=True))
    streamed([chunk.choices[0].delta.content for chunk in chunks], whole)
    same([chunk.usage for chunk in chunks if chunk.usage], [])
with check("stream", "closed half-way, the next request is answered"):
    for _ in range(3):
        stream = ask(stream=True)
        next(iter(stream))
        stream.close()
    same(text_of(ask()), whole)


async def at_once() -> None:
    async with openai.AsyncOpenAI(base_url=endpoint.base, api_key=endpoint.key, max_retries=0) as many:

        async def one() -> str:
            stream = await many.chat.completions.create(
                model=MODEL, messages=MESSAGES, temperature=0, stream=True
            )
            return "".join([chunk.choices[0].delta.content async for chunk in stream])

        same(await asyncio.gather(*(one() for _ in range(8))), [whole] * 8)


with check("stream", "eight at once, async"):
    asyncio.run(at_once())

# --- responses ------------------------------------------------------------------------------------------

for shape, base in endpoint.bases.items():
    with check("responses", shape):
        answer = client_at(base).responses.create(model=MODEL, input=ASKED, temperature=0)
        same((answer.object, answer.status, answer.model), ("response", "completed", MODEL))
        same(answer.output_text, whole)
        counts(answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens)
with check("responses", "instructions, messages, max_output_tokens"):
    message = {"role": "user", "content": [{"type": "input_text", "text": ASKED}]}
    answer = client.responses.create(
        model=MODEL, instructions=SYSTEM, input=[message], temperature=0, max_output_tokens=16
    )
    same((answer.usage.output_tokens, answer.status), (16, "incomplete"))
    same(answer.incomplete_details.reason, "max_output_tokens")
with check("responses", "stream"):
    events = list(client.responses.create(model=MODEL, input=ASKED, temperature=0, stream=True))
    streamed([event.delta for event in events if event.type == "response.output_text.delta"], whole)
    same((events[0].type, events[-1].type), ("response.created", "response.completed"))
    same([event.sequence_number for event in events], list(range(len(events))))
    same(events[-1].response.output_text, whole)
    used = events[-1].response.usage
    counts(used.input_tokens, used.output_tokens, used.total_tokens)
with (
    check("responses", "the client's own stream helper"),
    client.responses.stream(model=MODEL, input=ASKED, temperature=0) as events,
):
    same(events.get_final_response().output_text, whole)

with check("responses", "an unknown model"):
    create = client.responses.create
    refused(openai.NotFoundError, lambda: create(model=WRONG_MODEL, input=ASKED), says=MODEL)

# --- embeddings -----------------------------------------------------------------------------------------


def embed(base: str, texts, **options):
    place = embedding()
    return client_at(base, place.key).embeddings.create(model=place.model, input=texts, **options)


with check("embeddings", "every base path, base64 and float"):
    for base in embedding().bases.values():
        packed = embeds(lambda texts, base=base: [one.embedding for one in embed(base, texts).data])
        plain = embed(base, TEXTS, encoding_format="float")
        same([one.index for one in plain.data], [0, 1, 2])
        for one, other in zip(plain.data, packed, strict=True):
            alike(one.embedding, other)
with check("embeddings", "base64 is base64 of little-endian floats on the wire"):
    (one,) = embed(embedding().base, TEXTS[0], encoding_format="base64").data
    raw = base64.b64decode(one.embedding)
    (floats,) = embed(embedding().base, TEXTS[0], encoding_format="float").data
    same(
        struct.unpack(f"<{len(raw) // 4}f", raw),
        tuple(struct.unpack("f", struct.pack("f", x))[0] for x in floats.embedding),
    )
with check("embeddings", "model and usage"):
    answer = embed(embedding().base, TEXTS)
    same((answer.model, answer.object), (embedding().model, "list"))
    same(answer.usage.total_tokens, answer.usage.prompt_tokens)
    assert answer.usage.prompt_tokens >= len(TEXTS), answer.usage
with check("embeddings", "models"):
    assert embedding().model in [one.id for one in client_at(embedding().base, embedding().key).models.list()]
with check("embeddings", "a wrong key, an unknown model"):
    place = embedding()
    create = client_at(place.base, WRONG_KEY).embeddings.create
    refused(openai.AuthenticationError, lambda: create(model=place.model, input=TEXTS))
    create = client_at(place.base, place.key).embeddings.create
    refused(openai.NotFoundError, lambda: create(model=WRONG_MODEL, input=TEXTS), says=place.model)
with check("embeddings", "an embedding model refuses a chat, a chat model refuses to embed"):
    place = embedding()
    chats = client_at(place.base, place.key).chat.completions
    refused(openai.BadRequestError, lambda: chats.create(model=place.model, messages=MESSAGES))
    refused(openai.BadRequestError, lambda: client.embeddings.create(model=MODEL, input=TEXTS))

# --- errors ---------------------------------------------------------------------------------------------

for shape, base in endpoint.bases.items():
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        for kind, key, model in (
            (openai.AuthenticationError, WRONG_KEY, MODEL),
            (openai.PermissionDeniedError, other_key(), MODEL),
            (openai.NotFoundError, endpoint.key, WRONG_MODEL),
        ):
            create = client_at(base, key).chat.completions.create
            refused(kind, lambda create=create, model=model: create(model=model, messages=MESSAGES))
            refused(
                kind, lambda create=create, model=model: create(model=model, messages=MESSAGES, stream=True)
            )
        refused(openai.AuthenticationError, lambda base=base: client_at(base, WRONG_KEY).models.list())
with check("errors", "an unknown model is told the names that exist, as code, type and param"):
    create = client.chat.completions.create
    refusal = refused(openai.NotFoundError, lambda: create(model=WRONG_MODEL, messages=MESSAGES), says=MODEL)
    same((refusal.code, refusal.type, refusal.param), ("model_not_found", "not_found_error", "model"))
    assert refusal.request_id, "no x-request-id"
with check("errors", "a bad parameter"):
    refused(openai.BadRequestError, lambda: ask(messages=[]), says="messages")
    create = client.chat.completions.create
    refused(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=MESSAGES, temperature=3),
        says="temperature",
    )
with check("errors", "an unknown endpoint"):
    nowhere = client_at(endpoint.base.replace(endpoint.id, WRONG_KEY))
    refused(openai.NotFoundError, lambda: nowhere.chat.completions.create(model=MODEL, messages=MESSAGES))

done()
