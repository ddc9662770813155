"""langchain-sambanova 1: ChatSambaNova and SambaNovaEmbeddings, made for the cloud, pointed at an OpenAI base URL."""

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
from langchain_sambanova import ChatSambaNova, SambaNovaEmbeddings
from sambanova import AuthenticationError, NotFoundError, PermissionDeniedError

endpoint = chat()
TURNS = [SystemMessage(SYSTEM), HumanMessage(ASKED), AIMessage("In its menu."), HumanMessage(ASKED_TOO)]


def model(base: str = endpoint.base, key: str = endpoint.key, **options) -> ChatSambaNova:
    said = {"model": endpoint.model, "temperature": 0.0, "max_tokens": 200, "max_retries": 0, **options}
    return ChatSambaNova(base_url=base, api_key=key, **said)


def counted(usage) -> None:
    counts(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


whole = model().invoke(ASKED).content

for shape, base in endpoint.bases.items():
    with check("chat", shape):
        answer = model(base).invoke(ASKED)
        same(is_text(answer.content), whole)
        counted(answer.usage_metadata)
        is_text(model(base).invoke(TURNS).content)
    with check("stream", shape):
        chunks = list(model(base).stream(ASKED, stream_options={"include_usage": True}))
        streamed([chunk.content for chunk in chunks], whole)
        counted(sum(chunks[1:], chunks[0]).usage_metadata)
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        for kind, key, name in (
            (AuthenticationError, WRONG_KEY, endpoint.model),
            (PermissionDeniedError, other_key(), endpoint.model),
            (NotFoundError, endpoint.key, WRONG_MODEL),
        ):
            asked = model(base, key, model=name)
            refused(kind, lambda asked=asked: asked.invoke(ASKED))
            refused(kind, lambda asked=asked: list(asked.stream(ASKED)))

with check("chat", "stop"):
    cut(model().invoke(ASKED, stop=[cut_at(whole)[0]]).content, whole)
with check("chat", "bound tools and structured output are no reason to refuse"):
    assert isinstance(model(max_tokens=40).bind_tools([A_TOOL]).invoke(ASKED).content, str)
    schema = {"title": "Answer", "description": "An answer.", "type": "object", "properties": {}}
    for method in ("json_mode", "json_schema", "function_calling"):
        structured = model(max_tokens=60).with_structured_output(schema, method=method, include_raw=True)
        assert isinstance(structured.invoke(ASKED)["raw"].content, str), method


async def pieces() -> list[str]:
    return [chunk.content async for chunk in model().astream(ASKED)]


with check("stream", "async"):
    streamed(asyncio.run(pieces()), whole)
    same(asyncio.run(model().ainvoke(ASKED)).content, whole)

for shape in endpoint.bases:
    with check("embeddings", shape):
        place = embedding()
        maker = SambaNovaEmbeddings(base_url=place.bases[shape], api_key=place.key, model=place.model)
        vectors = embeds(maker.embed_documents)
        alike(maker.embed_query(TEXTS[0]), vectors[0])

done()
