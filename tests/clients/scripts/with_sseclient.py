"""requests and sseclient-py, as scripts of old speak the NLP API: answers as `data`, streams as server-sent events."""

import json

import requests
import sseclient
from given import (
    ASKED,
    ASKED_TOO,
    TEXTS,
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
    same,
    streamed,
)

endpoint = chat()
STREAM = endpoint.nlp.replace("nlp/", "nlp/stream/")
LEGACY = json.dumps({"prompt": ASKED, "completion": ""})
PARAMS = {
    "max_tokens_to_generate": {"type": "int", "value": "200"},
    "do_sample": {"type": "bool", "value": "False"},
}


def post(url: str, inputs: list[str], key: str = endpoint.key, **params) -> requests.Response:
    body = {"inputs": inputs, "params": PARAMS | params}
    return requests.post(url, headers={"key": key}, json=body, stream="/stream/" in url, timeout=30)


def completions(inputs: list[str], **params) -> list[str]:
    response = post(endpoint.nlp, inputs, **params)
    same(response.status_code, 200)
    return [one["completion"] for one in response.json()["data"]]


def events(inputs: list[str], **params) -> list[dict]:
    response = post(STREAM, inputs, **params)
    same(response.status_code, 200)
    assert response.headers["content-type"].startswith("text/event-stream"), response.headers
    found = list(sseclient.SSEClient(response).events())
    same({event.event for event in found}, {"message"})
    return [json.loads(event.data) for event in found]


whole = ""
with check("chat", "nlp"):
    (whole,) = completions([ASKED])
    is_text(whole)
with check("chat", "nlp: several inputs are answered in order"):
    both = completions([ASKED, ASKED_TOO])
    same(both[0], whole)
    same(completions([ASKED_TOO, ASKED]), both[::-1])
    assert both[0] != both[1], both
with check("chat", "nlp: the documented spelling, JSON in a string"):
    same(completions([LEGACY]), [whole])
with check("chat", "nlp: stop_sequences and select_expert"):
    stop = {"type": "list", "value": repr([cut_at(whole)[0]])}
    expert = {"type": "str", "value": endpoint.model}
    cut(completions([ASKED], stop_sequences=stop, select_expert=expert)[0], whole)
with check("stream", "nlp"):
    streamed([event["stream_token"] for event in events([ASKED])], whole)
with check("errors", "nlp: a wrong key, another endpoint's key, an unknown expert"):
    for url in (endpoint.nlp, STREAM):
        unknown = {"select_expert": {"type": "str", "value": WRONG_MODEL}}
        for status, key, params in (
            (401, WRONG_KEY, {}),
            (403, other_key(), {}),
            (400, endpoint.key, unknown),
        ):
            response = post(url, [ASKED], key, **params)
            same(response.status_code, status)
            same(set(response.json()["error"]), {"code", "message", "details"})
with check("embeddings", "nlp"):
    place = embedding()

    def embed(texts: list[str]) -> list[list[float]]:
        body = {"inputs": texts, "params": {}}
        response = requests.post(place.nlp, headers={"key": place.key}, json=body, timeout=30)
        same(response.status_code, 200)
        return response.json()["data"]

    same(len(embeds(embed)), len(TEXTS))

done()
