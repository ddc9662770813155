"""langchain-openai: ChatOpenAI (chat and responses), the plain OpenAI llm, OpenAIEmbeddings."""

import asyncio

from given import (
    A_TOOL,
    ASKED,
    ASKED_TOO,
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
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from openai import AuthenticationError, NotFoundError, PermissionDeniedError

endpoint = chat()
TURNS = [SystemMessage(SYSTEM), HumanMessage(ASKED), AIMessage("In its menu."), HumanMessage(ASKED_TOO)]


def model(base: str = endpoint.base, key: str = endpoint.key, **options) -> ChatOpenAI:
    said = {"model": endpoint.model, "temperature": 0.0, "max_retries": 0, "timeout": 30, **options}
    return ChatOpenAI(base_url=base, api_key=key, **said)


def counted(usage) -> None:
    counts(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


whole = model().invoke(ASKED).content

for shape, base in endpoint.bases.items():
    with check("chat", shape):
        answer = model(base).invoke(ASKED)
        same(is_text(answer.content), whole)
        counted(answer.usage_metadata)
        same(answer.response_metadata["model_name"], endpoint.model)
        same(answer.response_metadata["finish_reason"], "stop")
        is_text(model(base).invoke(TURNS).content)
    with check("stream", shape):
        chunks = list(model(base, stream_usage=True).stream(ASKED))
        streamed([chunk.content for chunk in chunks], whole)
        counted(sum(chunks[1:], chunks[0]).usage_metadata)
    with check("responses", shape):
        answer = model(base, use_responses_api=True).invoke(ASKED)
        same(answer.text, whole)
        counted(answer.usage_metadata)
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        for kind, key, name in (
            (AuthenticationError, WRONG_KEY, endpoint.model),
            (PermissionDeniedError, other_key(), endpoint.model),
        ):
            asked = model(base, key, model=name)
            refused(kind, lambda asked=asked: asked.invoke(ASKED))
            refused(kind, lambda asked=asked: list(asked.stream(ASKED)))
        unknown = model(base, model=WRONG_MODEL)
        refused(NotFoundError, lambda unknown=unknown: unknown.invoke(ASKED))

with check("responses", "stream"):
    chunks = list(model(use_responses_api=True).stream(ASKED))
    streamed([chunk.text for chunk in chunks], whole)
    counted(sum(chunks[1:], chunks[0]).usage_metadata)
with check("chat", "stop and max_tokens"):
    cut(model().invoke(ASKED, stop=[cut_at(whole)[0]]).content, whole)
    short = model(max_tokens=4).invoke(ASKED)
    same((short.usage_metadata["output_tokens"], short.response_metadata["finish_reason"]), (4, "length"))
with check("chat", "bound tools and structured output are no reason to refuse"):
    assert isinstance(model(max_tokens=40).bind_tools([A_TOOL]).invoke(ASKED).content, str)
    schema = {"title": "Answer", "description": "An answer.", "type": "object", "properties": {}}
    for method in ("json_mode", "function_calling"):
        structured = model(max_tokens=60).with_structured_output(schema, method=method, include_raw=True)
        assert isinstance(structured.invoke(ASKED)["raw"].content, str), method
with check("chat", "a batch"):
    same([answer.content for answer in model().batch([ASKED] * 4)], [whole] * 4)


async def pieces() -> list[str]:
    return [chunk.content async for chunk in model().astream(ASKED)]


with check("stream", "async"):
    streamed(asyncio.run(pieces()), whole)
with check("chat", "completions, whole and streamed"):
    plain = OpenAI(
        base_url=endpoint.base, api_key=endpoint.key, model=endpoint.model, temperature=0, max_retries=0
    )
    streamed(list(plain.stream(ASKED)), plain.invoke(ASKED))

for shape in endpoint.bases:
    with check("embeddings", shape):
        place = embedding()
        # Without check_embedding_ctx_length it would send tokens of a tokenizer that it downloads.
        maker = OpenAIEmbeddings(
            base_url=place.bases[shape],
            api_key=place.key,
            model=place.model,
            check_embedding_ctx_length=False,
            max_retries=0,
        )
        vectors = embeds(maker.embed_documents)
        alike(maker.embed_query(TEXTS[0]), vectors[0])

done()
