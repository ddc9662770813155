"""llama-index, the llm SambaStudio: its streams tell the whole text so far in every piece."""

import asyncio

from given import (
    ASKED,
    ASKED_TOO,
    SYSTEM,
    WRONG_KEY,
    WRONG_MODEL,
    chat,
    check,
    counts,
    cut,
    cut_at,
    done,
    is_text,
    other_key,
    refused,
    same,
    streamed,
)
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.llms.sambanovasystems import SambaStudio

endpoint = chat()
GENERIC = {"v1": endpoint.v1, "v2": endpoint.v2}
OPENAI = {shape: f"{base}/chat/completions" for shape, base in endpoint.bases.items()}
MESSAGES = [ChatMessage(role=MessageRole.USER, content=ASKED)]
TURNS = [
    ChatMessage(role=MessageRole.SYSTEM, content=SYSTEM),
    *MESSAGES,
    ChatMessage(role=MessageRole.ASSISTANT, content="In its menu."),
    ChatMessage(role=MessageRole.USER, content=ASKED_TOO),
]


def llm(url: str, key: str = endpoint.key, **options) -> SambaStudio:
    """Without `base_url` this client posts to an empty URL whenever it does not stream; with `process_prompt`
    off it breaks before it asks.
    """
    said = {"model": endpoint.model, "temperature": 0.0, "max_tokens": 200, **options}
    return SambaStudio(sambastudio_url=url, base_url=url, sambastudio_api_key=key, **said)


def pieces(texts) -> list[str]:
    """What each piece adds to the one before."""
    found, before = [], ""
    for text in texts:
        assert text.startswith(before), f"{text!r} does not go on from {before!r}"
        found.append(text[len(before) :])
        before = text
    return found


def counted(usage) -> None:
    suffix = "_count" if "total_tokens_count" in usage else ""
    counts(*(usage[f"{name}_tokens{suffix}"] for name in ("prompt", "completion", "total")))


whole = llm(endpoint.v1).chat(MESSAGES).message.content
turned = llm(endpoint.v1).chat(TURNS).message.content

for shape, url in (GENERIC | OPENAI).items():
    with check("chat", shape):
        answer = llm(url).chat(MESSAGES)
        same(is_text(answer.message.content), whole)
        same(is_text(llm(url).chat(TURNS).message.content), turned)
        same(llm(url).complete(ASKED).text, whole)
        told = answer.message.additional_kwargs
        if shape != "v1":
            counted(told["usage"] if shape in OPENAI else told["value"])
    with check("chat", f"{shape}: async"):
        same(asyncio.run(llm(url).achat(MESSAGES)).message.content, whole)
        same(asyncio.run(llm(url).acomplete(ASKED)).text, whole)
    with check("stream", shape):
        chunks = list(llm(url).stream_chat(MESSAGES))
        streamed(pieces(chunk.message.content for chunk in chunks), whole)
        counted(chunks[-1].message.additional_kwargs["usage"])
        streamed(pieces(chunk.text for chunk in llm(url).stream_complete(ASKED)), whole)
    with check("errors", f"{shape}: a wrong key, another endpoint's key, an unknown model"):
        unknown = 404 if shape in OPENAI else 400
        for status, key, name in (
            (401, WRONG_KEY, endpoint.model),
            (403, other_key(), endpoint.model),
            (unknown, endpoint.key, WRONG_MODEL),
        ):
            asked = llm(url, key, model=name)
            refused(RuntimeError, lambda asked=asked: asked.chat(MESSAGES), status=status)
            refused(RuntimeError, lambda asked=asked: list(asked.stream_chat(MESSAGES)), status=status)
            refused(RuntimeError, lambda asked=asked: asyncio.run(asked.achat(MESSAGES)), status=status)

for shape, url in GENERIC.items():
    with check("chat", f"{shape}: sampled, every parameter, stop_sequences"):
        more = {"repetition_penalty": 1.1, "stop_sequences": [cut_at(whole)[0]]}
        sampled = llm(url, do_sample=True, temperature=0.7, top_p=0.9, top_k=50, model_kwargs=more)
        assert isinstance(sampled.chat(MESSAGES).message.content, str)
        cut(llm(url, model_kwargs=more).chat(MESSAGES).message.content, whole)
with check("chat", "stop, OpenAI"):
    cut(llm(OPENAI["/v1/P/E"]).chat(MESSAGES, stop=[cut_at(whole)[0]]).message.content, whole)

done()
