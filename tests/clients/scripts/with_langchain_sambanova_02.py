"""langchain-sambanova 0.2, the last with a real ChatSambaStudio and SambaStudioEmbeddings."""

import warnings

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

warnings.simplefilter("ignore", DeprecationWarning)

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage  # noqa: E402
from langchain_sambanova import ChatSambaStudio, SambaStudioEmbeddings  # noqa: E402

endpoint = chat()
GENERIC = {
    "v1": endpoint.v1,
    "v1 stream": endpoint.v1.replace("generic/", "generic/stream/"),
    "v2": endpoint.v2,
    "v2 stream": endpoint.v2.replace("generic/", "generic/stream/"),
}
# The client takes the words chat/completions out of what it is given and puts them back behind a slash more.
OPENAI = endpoint.bases | {
    "/v1/P/E/": f"{endpoint.base}/",
    "/v1/P/E/chat/completions": f"{endpoint.base}/chat/completions",
}
TURNS = [
    SystemMessage(SYSTEM),
    HumanMessage(ASKED),
    AIMessage("In its menu.", id="a1"),
    HumanMessage(ASKED_TOO),
]


def model(url: str, key: str = endpoint.key, **options) -> ChatSambaStudio:
    said = {"model": endpoint.model, "temperature": 0.0, "max_tokens": 200, **options}
    return ChatSambaStudio(sambastudio_url=url, sambastudio_api_key=key, **said)


def counted(usage) -> None:
    counts(usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


whole = model(endpoint.v1).invoke(ASKED).content
turned = model(endpoint.v1).invoke(TURNS).content

for shape, url in (GENERIC | OPENAI).items():
    with check("chat", shape):
        same(is_text(model(url).invoke(ASKED).content), whole)
        same(is_text(model(url).invoke(TURNS).content), turned)
    with check("chat", f"{shape}: usage"):
        counted(model(url).invoke(ASKED).usage_metadata)
    with check("stream", shape):
        chunks = list(model(url).stream(ASKED))
        streamed([chunk.content for chunk in chunks], whole)
        used = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        same(len(used), 1)
        counted(used[0])
        same(model(url, streaming=True).invoke(ASKED).content, whole)
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        unknown = 404 if shape in OPENAI else 400
        for status, key, name in (
            (401, WRONG_KEY, endpoint.model),
            (403, other_key(), endpoint.model),
            (unknown, endpoint.key, WRONG_MODEL),
        ):
            asked = model(url, key, model=name)
            refused(RuntimeError, lambda asked=asked: asked.invoke(ASKED), status=status)
            refused(RuntimeError, lambda asked=asked: list(asked.stream(ASKED)), status=status)

for shape, url in GENERIC.items():
    with check("chat", f"{shape}: sampled, every parameter, stop_sequences"):
        more = {"top_k": 50, "repetition_penalty": 1.1}
        sampled = model(url, do_sample=True, temperature=0.7, top_p=0.9, model_kwargs=more)
        assert isinstance(sampled.invoke(ASKED).content, str)
        stopping = model(url, model_kwargs={"stop_sequences": [cut_at(whole)[0]]})
        cut(stopping.invoke(ASKED).content, whole)

for shape, url in {"v2": endpoint.v2, **OPENAI}.items():
    with check("chat", f"{shape}: bound tools and structured output are no reason to refuse"):
        bound = model(url, max_tokens=40).bind_tools([A_TOOL])
        assert isinstance(bound.invoke(ASKED).content, str)
        assert list(bound.stream(ASKED))
with check("chat", "stop, OpenAI"):
    cut(model(endpoint.base).invoke(ASKED, stop=[cut_at(whole)[0]]).content, whole)
with check("chat", "json_mode is asked for and answered"):
    schema = {"title": "Answer", "description": "An answer.", "type": "object", "properties": {}}
    structured = model(endpoint.base, max_tokens=60).with_structured_output(
        schema, method="json_mode", include_raw=True
    )
    assert isinstance(structured.invoke(ASKED)["raw"].content, str)


def maker(url: str, **options) -> SambaStudioEmbeddings:
    place = embedding()
    said = {"sambastudio_api_key": place.key, "model": place.model, "batch_size": 2, **options}
    return SambaStudioEmbeddings(sambastudio_url=url, **said)


SHAPES = ["v1", "v2", *OPENAI]


def place_of(shape: str) -> str:
    place = embedding()
    urls = {"v1": place.v1, "v2": place.v2, **place.bases}
    return urls.get(shape) or OPENAI[shape].replace(endpoint.tail, place.tail)


for shape in SHAPES:
    with check("embeddings", shape):
        made = maker(place_of(shape))
        vectors = embeds(made.embed_documents)
        alike(made.embed_query(TEXTS[0]), vectors[0])
    with check("embeddings", f"{shape}: a wrong key"):
        made = maker(place_of(shape), sambastudio_api_key=WRONG_KEY)
        refused(RuntimeError, lambda made=made: made.embed_documents(TEXTS), status=401)

done()
