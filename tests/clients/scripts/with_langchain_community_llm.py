"""langchain-community, the llm SambaStudio: which derives the stream's URL from the predict URL, and back."""

from given import (
    ASKED,
    WRONG_KEY,
    WRONG_MODEL,
    chat,
    check,
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
from langchain_community.embeddings.sambanova import SambaStudioEmbeddings
from langchain_community.llms.sambanova import SambaStudio

endpoint = chat()
GENERIC = {
    "v1": endpoint.v1,
    "v1 stream": endpoint.v1.replace("generic/", "generic/stream/"),
    "v2": endpoint.v2,
    "v2 stream": endpoint.v2.replace("generic/", "generic/stream/"),
}
OPENAI = {shape: f"{base}/chat/completions" for shape, base in endpoint.bases.items()}


def llm(url: str, key: str = endpoint.key, **options) -> SambaStudio:
    """The client changes the dictionary of its parameters, so each gets its own."""
    said = {"model": endpoint.model, "temperature": 0.0, "max_tokens": 200, **options}
    return SambaStudio(sambastudio_url=url, sambastudio_api_key=key, model_kwargs=said)


plain = llm(endpoint.v1).invoke(ASKED)
talked = llm(endpoint.v1, process_prompt=True).invoke(ASKED)

for shape, url in GENERIC.items():
    with check("chat", shape):
        same(is_text(llm(url).invoke(ASKED)), plain)
        same(llm(url, do_sample=False, top_p=0.9, top_k=50, repetition_penalty=1.0).invoke(ASKED), plain)
    with check("chat", f"{shape} with process_prompt"):
        same(is_text(llm(url, process_prompt=True).invoke(ASKED)), talked)
    with check("chat", f"{shape} with stop and max_tokens"):
        cut(llm(url).invoke(ASKED, stop=[cut_at(plain)[0], "never said"]), plain)
        short = llm(url, max_tokens=4).invoke(ASKED)
        same(plain[: len(short)], short)
        assert 0 < len(short) < len(plain), short
    with check("stream", shape):
        streamed(list(llm(url).stream(ASKED)), plain)
        streamed(list(llm(url, process_prompt=True).stream(ASKED)), talked)

for shape, url in OPENAI.items():
    with check("chat", shape):
        same(is_text(llm(url).invoke(ASKED)), talked)
    with check("chat", f"{shape} with stop, which this client spells stop_sequences here too"):
        cut(llm(url).invoke(ASKED, stop=[cut_at(talked)[0]]), talked)
    with check("stream", shape):
        streamed(list(llm(url).stream(ASKED)), talked)

with check("chat", "several prompts in one batch"):
    same(llm(endpoint.v2).batch([ASKED, ASKED]), [plain, plain])

for shape, url in (GENERIC | OPENAI).items():
    unknown = 404 if shape in OPENAI else 400
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        for status, key, model in (
            (401, WRONG_KEY, endpoint.model),
            (403, other_key(), endpoint.model),
            (unknown, endpoint.key, WRONG_MODEL),
        ):
            asked = llm(url, key, model=model)
            refused(RuntimeError, lambda asked=asked: asked.invoke(ASKED), status=status)
            refused(RuntimeError, lambda asked=asked: list(asked.stream(ASKED)), status=status)

# 0.4 still has the embeddings too, though they are deprecated.
for uri in ("api/predict/generic", "api/v2/predict/generic", "api/predict/nlp"):
    with check("embeddings", uri):
        place = embedding()
        maker = SambaStudioEmbeddings(
            sambastudio_embeddings_base_url=place.v1.partition("/api/")[0],
            sambastudio_embeddings_base_uri=uri,
            sambastudio_embeddings_project_id=place.project,
            sambastudio_embeddings_endpoint_id=place.id,
            sambastudio_embeddings_api_key=place.key,
            batch_size=2,
            model_kwargs={"select_expert": place.model},
        )
        vectors = embeds(maker.embed_documents)
        same(len(maker.embed_query("a revoked key")), len(vectors[0]))

done()
