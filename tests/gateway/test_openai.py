"""The OpenAI paths, driven by the real client."""

import json

import openai
import pytest

from tests.gateway import fake
from tests.gateway.conftest import CHAT
from tests.gateway.control import ENDPOINT, KEY, PROJECT
from tests.gateway.fake import TOKEN, Out, Seen, chunk, streams

BASES = [f"/v1/{PROJECT}/{ENDPOINT}", f"/openai/v1/{PROJECT}/{ENDPOINT}", f"/v1/{ENDPOINT}"]
ASK = [{"role": "user", "content": "Count."}]


@pytest.mark.parametrize("base", BASES)
async def test_chat_on_each_base_path(world, base):
    answer = await (await world.openai(base)).chat.completions.create(model="help-1", messages=ASK)
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "help-1"
    assert answer.system_fingerprint == ""
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)


async def test_the_instance_is_asked_by_its_own_name_and_token(world):
    await (await world.openai()).chat.completions.create(
        model="Help", messages=ASK, seed=3, extra_body={"odd": [1]}
    )
    (seen,) = [seen for instance in world.instances for seen in instance.seen]
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.body["model"] == "served"
    assert (seen.body["seed"], seen.body["odd"], seen.body["messages"]) == (3, [1], ASK)


async def test_completion(world):
    answer = await (await world.openai()).completions.create(model="Help", prompt="Count.")
    assert answer.choices[0].text == "one two three"


@pytest.mark.parametrize("include_usage", [True, False])
async def test_stream(world, include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    stream = await (await world.openai()).chat.completions.create(
        model="Help", messages=ASK, stream=True, **options
    )
    chunks = [one async for one in stream]
    assert "".join(one.choices[0].delta.content for one in chunks if one.choices) == "one two three"
    assert [one.usage.completion_tokens for one in chunks if one.usage] == ([3] if include_usage else [])
    assert len([one for one in chunks if not one.choices]) == include_usage


async def test_stream_of_a_completion(world):
    stream = await (await world.openai()).completions.create(model="Help", prompt="Count.", stream=True)
    assert "".join([one.choices[0].text async for one in stream]) == "one two three"


async def test_every_chunk_is_complete_for_strict_clients(world):
    body = {"messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    async with world.post(CHAT, body) as response:
        lines = (await response.text()).split("\n\n")
    *chunks, done, rest = lines
    assert (done, rest) == ("data: [DONE]", "")
    said = [json.loads(one.removeprefix("data: ")) for one in chunks]
    for one in said:
        assert {"id", "model", "created", "system_fingerprint", "usage", "choices"} <= one.keys()
        assert all(isinstance(choice["delta"]["content"], str) for choice in one["choices"])
    assert [one["usage"] for one in said[:-1]] == [None] * (len(said) - 1)
    assert said[-1]["choices"] == []
    assert said[-1]["usage"]["total_tokens"] == 10


async def test_usage_on_content_chunks_moves_to_the_last_one(world):
    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        for text, count in (("a", 1), ("b", 2)):
            await out.event(
                chunk(text, chat=True) | {"usage": {"prompt_tokens": 5, "completion_tokens": count}}
            )
        await out.event("[DONE]")
        await out.end()

    for instance in world.instances:
        instance.behave = behave
    stream = await (await world.openai()).chat.completions.create(
        model="Help", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = [one async for one in stream]
    assert [one.usage.completion_tokens if one.usage else None for one in chunks] == [None, None, 2]


async def test_usage_is_told_even_where_the_instance_does_not_count(world):
    world.behave(
        streams(chunk("a", chat=True), chunk("b", chat=True), chunk(None, chat=True, finish="stop"), "[DONE]")
    )
    body = {"messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    async with world.post(CHAT, body) as response:
        *_, last, done, _ = (await response.text()).split("\n\n")
    assert done == "data: [DONE]"
    told = json.loads(last.removeprefix("data: "))
    assert {"id", "model", "created", "system_fingerprint"} <= told.keys()
    assert (told["choices"], told["usage"]["completion_tokens"]) == ([], 3)


@pytest.mark.parametrize("behave", [fake.one_word_then_cut, fake.one_word_then_error, fake.one_word_then_end])
async def test_a_broken_stream_ends_with_an_error_the_client_raises(world, behave):
    world.behave(behave)
    stream = await (await world.openai()).chat.completions.create(model="Help", messages=ASK, stream=True)
    assert (await anext(stream)).choices[0].delta.content == "one"
    world.asked()[0].go_on.set()
    with pytest.raises(openai.APIError, match=r"broke off|fell over"):
        [one async for one in stream]


async def test_a_stream_of_nothing_but_its_end_is_refused(world):
    world.behave(streams("[DONE]"))
    async with world.post(CHAT, {"messages": ASK, "stream": True}) as response:
        assert response.status == 502


@pytest.mark.parametrize(
    ("said", "answered"), [("Help", "sentiment"), (None, "sentiment"), ("numbers", "numbers")]
)
async def test_the_answer_of_a_bundle_names_the_expert_that_was_chosen(world, said, answered):
    async def behave(seen: Seen, out: Out) -> None:
        model = "sentiment" if seen.body["model"] == "served" else seen.body["model"]
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": "x"}}
        await out.json({"model": model, "choices": [choice]})

    await world.change(experts=["numbers", "sentiment"])
    world.behave(behave)
    async with world.post(CHAT, {"messages": ASK, "model": said}) as response:
        assert (await response.json())["model"] == answered


async def test_tool_calls_pass_through(world):
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        delta = {"role": "assistant", "content": None, "tool_calls": [call]}
        await out.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await out.event(chunk(None, chat=True, finish="tool_calls"))
        await out.event("[DONE]")
        await out.end()

    for instance in world.instances:
        instance.behave = behave
    stream = await (await world.openai()).chat.completions.create(model="Help", messages=ASK, stream=True)
    chunks = [one async for one in stream]
    assert chunks[0].choices[0].delta.tool_calls[0].function.name == "f"
    assert chunks[0].id.startswith("chatcmpl-")
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_stream_options_without_stream_are_taken_off(world):
    body = {"messages": ASK, "stream_options": {"include_usage": True}}
    async with world.post(CHAT, body) as response:
        assert response.status == 200
    (seen,) = [seen for instance in world.instances for seen in instance.seen]
    assert "stream_options" not in seen.body


async def test_models_are_listed_and_found(world):
    listed = [model.id async for model in (await world.openai()).models.list()]
    assert listed == ["Help", "help-1"]
    assert (await (await world.openai()).models.retrieve("help-1")).id == "help-1"
    with pytest.raises(openai.NotFoundError, match="help-1"):
        await (await world.openai()).models.retrieve("gpt-4")


async def test_unknown_model_is_told_the_names_that_exist(world):
    with pytest.raises(openai.NotFoundError, match=r"Help, help-1") as refusal:
        await (await world.openai()).chat.completions.create(model="gpt-4", messages=ASK)
    assert refusal.value.param == "model"


async def test_a_key_in_the_header_of_the_generic_api_works_too(world):
    async with world.post(CHAT, {"messages": ASK}, key=KEY) as response:
        assert response.status == 200
        stamps = {name.lower() for name in response.headers}
    names = {"x-request-id", "x-studio-instance"}
    assert names | {f"x-studio-{part}-ms" for part in ("queue", "upstream", "gateway")} <= stamps
