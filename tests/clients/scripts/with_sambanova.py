"""sambanova: the provider's own package, made for the cloud, pointed at an OpenAI base URL."""

import asyncio

import sambanova
from given import (
    A_TOOL,
    ASKED,
    MESSAGES,
    SYSTEM,
    TEXTS,
    WRONG_KEY,
    WRONG_MODEL,
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


def client_at(base: str, key: str = endpoint.key) -> sambanova.SambaNova:
    return sambanova.SambaNova(base_url=base, api_key=key, max_retries=0, timeout=30)


client = client_at(endpoint.base)


def ask(base: str = endpoint.base, **options):
    said = {"model": MODEL, "messages": MESSAGES, "temperature": 0, **options}
    return client_at(base).chat.completions.create(**said)


def counted(usage) -> None:
    counts(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def text_of(answer) -> str:
    return answer.choices[0].message.content


whole = text_of(ask())

for shape, base in endpoint.bases.items():
    with check("chat", shape):
        answer = ask(base)
        same((answer.object, answer.model), ("chat.completion", MODEL))
        same((answer.choices[0].message.role, answer.choices[0].finish_reason), ("assistant", "stop"))
        same(is_text(text_of(answer)), whole)
        assert isinstance(answer.system_fingerprint, str), answer.system_fingerprint
        counted(answer.usage)
    with check("stream", shape):
        *said, last = ask(base, stream=True, stream_options={"include_usage": True})
        streamed([chunk.choices[0].delta.content for chunk in said], whole)
        same([chunk.usage for chunk in said if chunk.usage], [])
        same(last.choices, [])
        counted(last.usage)
        same({type(chunk.system_fingerprint) for chunk in said}, {str})
    with check("models", shape):
        listed = client_at(base).models.list()
        assert MODEL in [model.id for model in listed.data], listed
        same(client_at(base).models.retrieve(MODEL).id, MODEL)
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        for kind, key, model in (
            (sambanova.AuthenticationError, WRONG_KEY, MODEL),
            (sambanova.PermissionDeniedError, other_key(), MODEL),
            (sambanova.NotFoundError, endpoint.key, WRONG_MODEL),
        ):
            create = client_at(base, key).chat.completions.create
            refused(kind, lambda create=create, model=model: create(model=model, messages=MESSAGES))
            refused(
                kind, lambda create=create, model=model: create(model=model, messages=MESSAGES, stream=True)
            )

with check("chat", "stop, max_tokens, top_k"):
    cut(text_of(ask(stop=[cut_at(whole)[0]], top_k=50)), whole)
    short = ask(max_tokens=4)
    same((short.usage.completion_tokens, short.choices[0].finish_reason), (4, "length"))
with check("chat", "tools, response_format and the cloud's own fields are no reason to refuse"):
    for options in (
        {"tools": [A_TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
        {"response_format": {"type": "json_object"}},
        {"do_sample": False, "chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "low"},
        {"logprobs": True, "top_logprobs": 2, "n": 1, "seed": 7},
    ):
        assert isinstance(text_of(ask(max_tokens=40, **options)), str), options
with check("chat", "completions"):
    plain = client.completions.create(model=MODEL, prompt=ASKED, temperature=0)
    is_text(plain.choices[0].text)
    counted(plain.usage)
with check("stream", "completions"):
    plain = client.completions.create(model=MODEL, prompt=ASKED, temperature=0).choices[0].text
    pieces = list(client.completions.create(model=MODEL, prompt=ASKED, temperature=0, stream=True))
    streamed([piece.choices[0].text for piece in pieces if piece.choices], plain)


async def pieces_of_it() -> list[str]:
    async with sambanova.AsyncSambaNova(base_url=endpoint.base, api_key=endpoint.key) as many:
        stream = await many.chat.completions.create(
            model=MODEL, messages=MESSAGES, temperature=0, stream=True
        )
        return [chunk.choices[0].delta.content async for chunk in stream]


with check("stream", "async"):
    streamed(asyncio.run(pieces_of_it()), whole)

for shape, base in endpoint.bases.items():
    with check("responses", shape):
        answer = client_at(base).responses.create(model=MODEL, input=ASKED, temperature=0)
        same((answer.object, answer.status, answer.model), ("response", "completed", MODEL))
        same(answer.output[0].content[0].text, whole)
        same((answer.tools, answer.tool_choice, type(answer.parallel_tool_calls)), ([], "auto", bool))
        counts(answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens)
with check("responses", "stream, with instructions"):
    events = list(client.responses.create(model=MODEL, input=ASKED, temperature=0, stream=True))
    streamed([event.delta for event in events if event.type == "response.output_text.delta"], whole)
    same((events[0].type, events[-1].type), ("response.created", "response.completed"))
    told = client.responses.create(model=MODEL, input=ASKED, instructions=SYSTEM, max_output_tokens=8)
    same(told.usage.output_tokens, 8)

for shape in endpoint.bases:
    with check("embeddings", shape):
        place = embedding()
        maker = client_at(place.bases[shape], place.key).embeddings
        for options in ({}, {"encoding_format": "float"}):

            def embed(texts, maker=maker, model=place.model, options=options):
                answer = maker.create(model=model, input=texts, **options)
                same([one.index for one in answer.data], list(range(len(texts))))
                assert answer.usage.prompt_tokens >= len(texts), answer.usage
                return [one.embedding for one in answer.data]

            embeds(embed)
        same(len(maker.create(model=place.model, input=TEXTS[0]).data), 1)

done()
