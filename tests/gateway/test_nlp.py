"""The NLP API of older clients, with its streams."""

import json

import pytest

from tests.gateway import fake
from tests.gateway.conftest import NLP, NLP_STREAM

GREETING = [{"role": "user", "content": "Hello"}]


def events_of(text: str) -> list[tuple[str, dict]]:
    """Name and data of each event."""
    assert text.endswith("\n\n")
    found = []
    for block in text[:-2].split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(
    "said",
    ["Count.", '{"prompt": "Count.", "completion": ""}', ' {"prompt": "Count."}'],
    ids=["text", "old", "blank"],
)
async def test_predict(world, said):
    async with world.post(NLP, {"inputs": [said], "params": {"max_tokens_to_generate": 5}}) as response:
        assert response.status == 200
        assert await response.json() == {"data": [{"completion": "one two three"}]}
    (seen,) = world.asked()
    assert (seen.body["prompt"], seen.body["max_tokens"]) == ("Count.", 5)


@pytest.mark.parametrize("said", ['{"prompt": 7}', '{"prompt": "x", "more": 1}', '{"prompt": ', "{}"])
async def test_text_that_only_looks_like_an_old_prompt_is_text(world, said):
    async with world.post(NLP, {"inputs": said}) as response:
        assert response.status == 200
    assert world.asked()[0].body["prompt"] == said


async def test_inputs_answer_in_order(world):
    world.behave(fake.echo)
    async with world.post(NLP, {"inputs": ["c", "a", "b"]}) as response:
        assert [one["completion"] for one in (await response.json())["data"]] == ["c", "a", "b"]


async def test_process_prompt_takes_a_conversation(world):
    body = {"inputs": [json.dumps({"messages": GREETING})], "params": {"process_prompt": "True"}}
    async with world.post(NLP, body) as response:
        assert (await response.json())["data"][0]["completion"] == "one two three"
    assert world.asked()[0].body["messages"] == GREETING


@pytest.mark.parametrize("inputs", ["Count.", ["Count."]])
async def test_stream(world, inputs):
    async with world.post(NLP_STREAM, {"inputs": inputs}) as response:
        assert response.content_type == "text/event-stream"
        events = events_of(await response.text())
    assert {name for name, _ in events} == {"message"}
    assert [data["stream_token"] for _, data in events] == ["one", " two", " three", ""]
    assert [data["is_last_response"] for _, data in events] == [False, False, False, True]
    assert (events[-1][1]["completion"], events[-1][1]["total_tokens_count"]) == ("one two three", 10)


@pytest.mark.parametrize("behave", [fake.one_word_then_cut, fake.one_word_then_error, fake.one_word_then_end])
async def test_a_broken_stream_ends_with_an_error_event(world, behave):
    world.behave(behave)
    async with world.post(NLP_STREAM, {"inputs": "x"}) as response:
        assert response.status == 200
        assert b"one" in await response.content.readline()
        world.asked()[0].go_on.set()
        rest = events_of((await response.text()).removeprefix("\n"))
    name, data = rest[-1]
    assert name == "error_event"
    assert data["error"].keys() == {"code", "message", "details"}


async def test_a_refusal_before_the_stream_is_an_answer_of_its_own(world):
    for body, param in (({}, "inputs"), ({"inputs": ["a", "b"]}, "inputs"), ({"inputs": [7]}, "inputs[0]")):
        async with world.post(NLP_STREAM, body) as response:
            assert response.status == 400
            assert (await response.json())["error"]["details"] == {"param": param}
