"""Embeddings by every API, and an endpoint that is asked for what it does not do."""

import base64
import json
import struct

import openai
import pytest

from tests.gateway import fake
from tests.gateway.conftest import CHAT, EMBEDDINGS, NLP, NLP_STREAM, RESPONSES, V1, V1_STREAM, V2, V2_STREAM
from tests.gateway.fake import Out, Seen, vector
from tests.gateway.test_openai import BASES

ASK = [{"role": "user", "content": "x"}]
COMPLETIONS = CHAT.replace("chat/completions", "completions")


@pytest.mark.parametrize("base", BASES)
async def test_the_real_client_gets_them_in_order(embedder, base):
    answer = await (await embedder.openai(base)).embeddings.create(model="help-1", input=["a", "bb", "ccc"])
    assert [one.embedding for one in answer.data] == [vector("a"), vector("bb"), vector("ccc")]
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert (answer.model, answer.object) == ("help-1", "list")
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (6, 6)
    (seen,) = embedder.asked()
    assert seen.path == "/v1/embeddings"
    assert seen.body == {"model": "served", "input": ["a", "bb", "ccc"], "encoding_format": "float"}


@pytest.mark.parametrize(
    ("said", "vectors"),
    [
        ("text", [vector("text")]),
        (["text"], [vector("text")]),
        ([5, 6, 7], [vector([5, 6, 7])]),
        ([[5], [6, 7]], [vector([5]), vector([6, 7])]),
    ],
    ids=["text", "texts", "tokens", "lists of tokens"],
)
async def test_each_kind_of_input_in_both_encodings(embedder, said, vectors):
    async with embedder.post(EMBEDDINGS, {"input": said}) as response:
        assert [one["embedding"] for one in (await response.json())["data"]] == vectors
    async with embedder.post(EMBEDDINGS, {"input": said, "encoding_format": "base64"}) as response:
        data = (await response.json())["data"]
    assert [list(struct.unpack("<3f", base64.b64decode(one["embedding"]))) for one in data] == vectors


async def test_dimensions_may_be_asked_for_as_they_are(embedder):
    client = await embedder.openai()
    assert (await client.embeddings.create(model="Help", input="x", dimensions=3)).data
    with pytest.raises(openai.BadRequestError, match="3 dimensions") as refusal:
        await client.embeddings.create(model="Help", input="x", dimensions=2)
    assert refusal.value.param == "dimensions"
    assert all("dimensions" not in seen.body for seen in embedder.asked())


WRONG = [
    ({}, "input"), ({"input": []}, "input"), ({"input": ""}, "input"), ({"input": ["a", ""]}, "input"),
    ({"input": [[]]}, "input"), ({"input": ["a", [1]]}, "input"), ({"input": [1, "a"]}, "input"),
    ({"input": [True]}, "input"), ({"input": [-1]}, "input"), ({"input": {"a": 1}}, "input"),
    ({"input": ["x"] * 2049}, "input"), ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
    ({"input": "x", "dimensions": 0}, "dimensions"), ({"input": "x", "dimensions": True}, "dimensions"),
]  # fmt: skip


async def test_wrong_inputs_are_named(embedder, subtests):
    for body, param in WRONG:
        with subtests.test(json.dumps(body)[:60]):
            async with embedder.post(EMBEDDINGS, body) as response:
                assert response.status == 400
                assert (await response.json())["error"]["param"] == param
    async with embedder.post(EMBEDDINGS, {"input": ["x"] * 2048}) as response:
        assert response.status == 200
    async with embedder.post(EMBEDDINGS, {"input": "x", "model": "gpt-4"}) as response:
        assert response.status == 404


async def test_the_generic_apis_and_nlp_give_lists_of_floats(embedder):
    params = {"select_expert": {"type": "str", "value": "Help"}}
    async with embedder.post(V1, {"instances": ["a", "bb"], "params": params}) as response:
        assert (await response.json())["predictions"] == [vector("a"), vector("bb")]
    items = [{"id": "item0", "value": "a"}, {"id": "item1", "value": "bb"}]
    async with embedder.post(V2, {"items": items, "params": {"process_prompt": True}}) as response:
        told = {item["id"]: item["value"] for item in (await response.json())["items"]}
    assert told == {"item0": vector("a"), "item1": vector("bb")}
    async with embedder.post(NLP, {"inputs": ["a", "bb"]}) as response:
        assert await response.json() == {"data": [vector("a"), vector("bb")]}
    assert {seen.path for seen in embedder.asked()} == {"/v1/embeddings"}


async def test_an_empty_text_is_named(embedder):
    async with embedder.post(V1, {"instances": ["a", ""]}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["details"]["param"] == "instances[1]"


async def test_what_embeds_does_not_write(embedder, subtests):
    bodies = {
        CHAT: {"messages": ASK}, COMPLETIONS: {"prompt": "x"}, RESPONSES: {"input": "x"},
        V1_STREAM: {"instance": "x"}, V2_STREAM: {"instance": "x"}, NLP_STREAM: {"inputs": "x"},
    }  # fmt: skip
    for path, body in bodies.items():
        with subtests.test(path):
            async with embedder.post(path, body) as response:
                assert response.status == 400
                error = (await response.json())["error"]
            assert (error["code"], error["details"]) == ("wrong_task", {"task": "embedding"})
            assert "served" in error["message"]
            assert "embeddings" in error["message"]


async def test_what_writes_does_not_embed(world):
    with pytest.raises(openai.BadRequestError, match="chat and completions") as refusal:
        await (await world.openai()).embeddings.create(model="Help", input="x")
    assert refusal.value.code == "wrong_task"
    assert not world.asked()


def data(*embeddings: object, first: int = 0) -> dict:
    return {"data": [{"index": at, "embedding": one} for at, one in enumerate(embeddings, first)]}


NONSENSE = [
    {}, {"data": 7}, {"data": []}, data([1.0], [2.0]), data([]), data(["x"]), data([None]), data([[1.0]]), data("x"),
    {"data": ["x"]}, data([1.0], first=1), {"data": [{"index": "0", "embedding": [1.0]}]}, data([1e300]),
    {"error": {"message": "no"}},
]  # fmt: skip


async def test_nonsense_of_an_instance_is_a_502(embedder, subtests):
    said: object = None

    async def behave(seen: Seen, out: Out) -> None:
        await out.json(said)

    embedder.behave(behave)
    for said in NONSENSE:
        with subtests.test(json.dumps(said)[:60]):
            for path, body in ((EMBEDDINGS, {"input": "x"}), (V1, {"instances": ["x"]})):
                async with embedder.post(path, body) as response:
                    assert response.status == 502


async def test_without_indexes_the_order_is_that_of_the_answer(embedder):
    async def behave(seen: Seen, out: Out) -> None:
        await out.json({"data": [{"embedding": vector(text)} for text in seen.body["input"]]})

    embedder.behave(behave)
    answer = await (await embedder.openai()).embeddings.create(model="Help", input=["a", "bb"])
    assert [one.embedding for one in answer.data] == [vector("a"), vector("bb")]
    assert answer.usage.prompt_tokens == 0


async def test_an_instance_of_its_own_mind_passes_its_refusal_on(embedder):
    embedder.behave(fake.answers(400, "input is too long"))
    async with embedder.post(NLP, {"inputs": ["x"]}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"] == "input is too long"
