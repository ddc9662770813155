"""litellm: its `sambanova/` and its `openai/` provider, pointed at an OpenAI base URL.

It lists models at the host's root, whatever base URL it has, so there is nothing to ask it about them.
"""

import asyncio
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices

import litellm
from given import (
    A_TOOL,
    ASKED,
    MESSAGES,
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

litellm.telemetry = False
litellm.suppress_debug_info = True
endpoint = chat()


def ask(provider="sambanova", base=endpoint.base, key=endpoint.key, model=endpoint.model, **options):
    said = {"messages": MESSAGES, "temperature": 0, "max_retries": 0, **options}
    return litellm.completion(model=f"{provider}/{model}", api_base=base, api_key=key, **said)


def counted(usage) -> None:
    counts(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def text_of(answer) -> str:
    return answer.choices[0].message.content


whole = text_of(ask())

for provider in ("sambanova", "openai"):
    for shape, base in endpoint.bases.items():
        with check("chat", f"{provider}, {shape}"):
            answer = ask(provider, base)
            same(is_text(text_of(answer)), whole)
            same(answer.choices[0].finish_reason, "stop")
            counted(answer.usage)
        with check("stream", f"{provider}, {shape}"):
            chunks = list(ask(provider, base, stream=True, stream_options={"include_usage": True}))
            said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
            streamed(said, whole)
            used = [chunk.usage for chunk in chunks if getattr(chunk, "usage", None)]
            same(len(used), 1)
            counted(used[0])
    with check("chat", f"{provider}: stop, max_tokens"):
        cut(text_of(ask(provider, stop=[cut_at(whole)[0]])), whole)
        short = ask(provider, max_tokens=4)
        same((short.usage.completion_tokens, short.choices[0].finish_reason), (4, "length"))
    with check("chat", f"{provider}: tools and response_format are no reason to refuse"):
        for options in ({"tools": [A_TOOL]}, {"response_format": {"type": "json_object"}}):
            answer = ask(provider, max_tokens=40, drop_params=True, **options)
            assert isinstance(text_of(answer), str), options
    with check("errors", f"{provider}: a wrong key, another endpoint's key, an unknown model"):
        refused(litellm.AuthenticationError, lambda p=provider: ask(p, key=WRONG_KEY))
        refused(litellm.AuthenticationError, lambda p=provider: ask(p, key=WRONG_KEY, stream=True))
        refused(litellm.NotFoundError, lambda p=provider: ask(p, model=WRONG_MODEL))
        # 403 has no class of its own here.
        refused(litellm.APIError, lambda p=provider: ask(p, key=other_key()), status=403)


async def pieces() -> list[str]:
    said = {"messages": MESSAGES, "temperature": 0, "stream": True}
    model = f"openai/{endpoint.model}"
    stream = await litellm.acompletion(model=model, api_base=endpoint.base, api_key=endpoint.key, **said)
    return [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]


with check("stream", "async"):
    streamed(asyncio.run(pieces()), whole)
with check("chat", "completions"):
    answer = litellm.text_completion(
        model=f"text-completion-openai/{endpoint.model}",
        api_base=endpoint.base,
        api_key=endpoint.key,
        prompt=ASKED,
        temperature=0,
    )
    is_text(answer.choices[0].text)
with check("responses", "through the openai provider"):
    answer = litellm.responses(
        model=f"openai/{endpoint.model}",
        api_base=endpoint.base,
        api_key=endpoint.key,
        input=ASKED,
        temperature=0,
    )
    same(answer.output[0].content[0].text, whole)
    counts(answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens)
for provider in ("sambanova", "openai"):
    for shape in endpoint.bases:
        with check("embeddings", f"{provider}, {shape}"):
            place = embedding()

            def embed(texts, place=place, provider=provider, shape=shape, **options):
                answer = litellm.embedding(
                    model=f"{provider}/{place.model}",
                    input=texts,
                    api_base=place.bases[shape],
                    api_key=place.key,
                    drop_params=True,
                    **options,
                )
                same([one["index"] for one in answer.data], list(range(len(texts))))
                return [one["embedding"] for one in answer.data]

            vectors = embeds(embed)
            for vector, plain in zip(vectors, embed(TEXTS, encoding_format="float"), strict=True):
                alike(vector, plain)

done()
