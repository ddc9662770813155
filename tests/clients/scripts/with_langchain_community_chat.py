"""langchain-community 0.3, ChatSambaStudio and SambaStudioEmbeddings: the strictest readers of the generic streams."""

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
    done,
    embedding,
    embeds,
    is_text,
    other_key,
    refused,
    same,
    streamed,
)
from langchain_community.chat_models.sambanova import ChatSambaStudio
from langchain_community.embeddings.sambanova import SambaStudioEmbeddings
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

endpoint = chat()
GENERIC = {
    "v1": endpoint.v1,
    "v1 stream": endpoint.v1.replace("generic/", "generic/stream/"),
    "v2": endpoint.v2,
    "v2 stream": endpoint.v2.replace("generic/", "generic/stream/"),
}
OPENAI = {shape: f"{base}/chat/completions" for shape, base in endpoint.bases.items()}
TURNS = [
    SystemMessage(SYSTEM),
    HumanMessage(ASKED),
    AIMessage("In its menu.", id="a1"),
    HumanMessage(ASKED_TOO),
]


def model(url: str, key: str = endpoint.key, **options) -> ChatSambaStudio:
    said = {"model": endpoint.model, "temperature": 0.0, "max_tokens": 200, **options}
    return ChatSambaStudio(sambastudio_url=url, sambastudio_api_key=key, **said)


def merged(chunks):
    """The last of the chunks' metadata: the client leaves it empty on all others."""
    told = [chunk.response_metadata for chunk in chunks if chunk.response_metadata.get("usage")]
    same(len(told), 1)
    return told[0]


whole = model(endpoint.v1).invoke(ASKED).content
turned = model(endpoint.v1).invoke(TURNS).content

for shape, url in (GENERIC | OPENAI).items():
    with check("chat", shape):
        answer = model(url).invoke(ASKED)
        same(is_text(answer.content), whole)
        told = answer.response_metadata
        if shape in OPENAI:
            used = told["usage"]
            counts(used["prompt_tokens"], used["completion_tokens"], used["total_tokens"])
            same((told["model_name"], told["finish_reason"]), (endpoint.model, "stop"))
        elif "v2" in shape:
            used = told["value"]
            counts(used["prompt_tokens_count"], used["completion_tokens_count"], used["total_tokens_count"])
            same((told["id"], used["stop_reason"]), ("item0", "end_of_text"))
        else:
            same((told["status"]["complete"], told["status"]["exitCode"]), (True, 0))
            same(told["predictions"][0]["stop_reason"], "end_of_text")
    with check("chat", f"{shape}: a conversation of several turns"):
        same(is_text(model(url).invoke(TURNS).content), turned)
    with check("stream", shape):
        chunks = list(model(url).stream(ASKED))
        streamed([chunk.content for chunk in chunks], whole)
        used = merged(chunks)["usage"]
        if shape in OPENAI:
            counts(used["prompt_tokens"], used["completion_tokens"], used["total_tokens"])
        else:
            counts(used["prompt_tokens_count"], used["completion_tokens_count"], used["total_tokens_count"])
            assert used["end_time"] >= used["start_time"] > 1_700_000_000, used
            assert 0 <= used["time_to_first_token"] <= used["model_execution_time"], used
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
    with check("chat", f"{shape}: sampled, every parameter, templated by the client, an option header"):
        sampled = model(url, do_sample=True, temperature=0.7, top_p=0.9, top_k=50)
        assert isinstance(sampled.invoke(ASKED).content, str)
        templated = model(
            url, process_prompt=False, additional_headers={"ss-sn-options": '["accuracy_debug"]'}
        )
        assert isinstance(templated.invoke(ASKED).content, str)
        limited = model(url, max_tokens=4).invoke(ASKED).content
        same(whole[: len(limited)], limited)
        assert 0 < len(limited) < len(whole), limited

for shape, url in {"v2": endpoint.v2, **OPENAI}.items():
    with check("chat", f"{shape}: bound tools are no reason to refuse"):
        bound = model(url, max_tokens=40).bind_tools([A_TOOL])
        assert isinstance(bound.invoke(ASKED).content, str)
        assert list(bound.stream(ASKED))

for uri in ("api/predict/generic", "api/v2/predict/generic", "api/predict/nlp"):
    for kwargs in ({}, {"select_expert": True}):
        with check("embeddings", f"{uri}{' with select_expert' if kwargs else ''}"):
            place = embedding()
            maker = SambaStudioEmbeddings(
                sambastudio_embeddings_base_url=place.v1.partition("/api/")[0],
                sambastudio_embeddings_base_uri=uri,
                sambastudio_embeddings_project_id=place.project,
                sambastudio_embeddings_endpoint_id=place.id,
                sambastudio_embeddings_api_key=place.key,
                batch_size=2,
                model_kwargs=dict.fromkeys(kwargs, place.model),
            )
            vectors = embeds(maker.embed_documents)
            alike(maker.embed_query(TEXTS[0]), vectors[0])
    with check("embeddings", f"{uri}: a wrong key"):
        place = embedding()
        maker = SambaStudioEmbeddings(
            sambastudio_embeddings_base_url=place.v1.partition("/api/")[0],
            sambastudio_embeddings_base_uri=uri,
            sambastudio_embeddings_project_id=place.project,
            sambastudio_embeddings_endpoint_id=place.id,
            sambastudio_embeddings_api_key=WRONG_KEY,
        )
        refused(RuntimeError, lambda maker=maker: maker.embed_documents(TEXTS), status=401)

done()
