"""OpenAI's `responses`, driven by the real client and held against its types."""

import json

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.gateway import fake
from tests.gateway.conftest import RESPONSES
from tests.gateway.fake import Out, Seen, chunk, tool_call
from tests.gateway.test_nlp import events_of
from tests.gateway.test_openai import BASES

EVENT = TypeAdapter(ResponseStreamEvent)
WEATHER = {
    "type": "function", "name": "weather", "description": "Of a town.", "strict": True,
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
}  # fmt: skip
CLOCK = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
COUNTED = {"choices": [], "usage": fake.USAGE | {"prompt_tokens_details": {"cached_tokens": 4}}}
TEXT_EVENTS = [
    "response.created", "response.in_progress",
    "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.delta", "response.output_text.delta",
    "response.output_text.done", "response.content_part.done", "response.output_item.done",
    "response.completed",
]  # fmt: skip


def part(text: str) -> dict:
    return {"type": "input_text", "text": text}


class Answer(BaseModel):
    town: str


@pytest.mark.parametrize("base", BASES)
async def test_a_text_on_each_base_path(world, base):
    response = await (await world.openai(base)).responses.create(
        model="help-1", input="Count.", instructions="Be brief.", max_output_tokens=16, temperature=0.5, top_p=0.9,
        metadata={"a": "b"}, store=True,
    )  # fmt: skip
    assert response.output_text == "one two three"
    assert (response.status, response.model, response.object) == ("completed", "help-1", "response")
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (
        7,
        3,
        10,
    )
    assert (response.instructions, response.max_output_tokens, response.temperature) == ("Be brief.", 16, 0.5)
    assert (response.metadata, response.to_dict()["store"]) == ({"a": "b"}, False)
    (seen,) = world.asked()
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "served",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Count."}],
        "max_tokens": 16,
        "temperature": 0.5,
        "top_p": 0.9,
    }


async def test_the_answer_has_every_field_of_the_clients_type(world):
    async with world.post(RESPONSES, {"input": "Count.", "tools": [WEATHER]}) as response:
        assert response.status == 200
        Response.model_validate(await response.json(), strict=True)


async def test_a_conversation_with_tools_becomes_a_chat(world):
    await (await world.openai()).responses.create(
        model="Help",
        input=[
            {"role": "developer", "content": "Use tools."},
            {"role": "user", "content": [part("How is "), part("Rome?")]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
             "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"town": "Rome"}'},
            {"type": "function_call", "call_id": "c2", "name": "clock", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "Sunny."},
            {"type": "function_call_output", "call_id": "c2", "output": [part("Noon.")]},
        ],
        tools=[WEATHER, CLOCK],
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "report", "schema": {"type": "object"}, "strict": True}},
    )  # fmt: skip
    (seen,) = world.asked()
    assert seen.body["messages"] == [
        {"role": "system", "content": "Use tools."},
        {"role": "user", "content": "How is Rome?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Rome"}'}},
            {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny."},
        {"role": "tool", "tool_call_id": "c2", "content": "Noon."},
    ]  # fmt: skip
    wanted = {name: WEATHER[name] for name in ("name", "description", "parameters", "strict")}
    assert seen.body["tools"][0] == {"type": "function", "function": wanted}
    assert (seen.body["tool_choice"], seen.body["parallel_tool_calls"]) == ("auto", False)
    assert seen.body["response_format"] == {
        "type": "json_schema", "json_schema": {"name": "report", "schema": {"type": "object"}, "strict": True},
    }  # fmt: skip


async def test_the_choice_of_one_function_leaves_the_others_out(world):
    body = {"input": "x", "tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "name": "clock"}}
    async with world.post(RESPONSES, body) as response:
        assert (await response.json())["tool_choice"] == body["tool_choice"]
    (seen,) = world.asked()
    assert seen.body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in seen.body["tools"]] == ["clock"]


async def test_tool_calls_are_items_of_the_output(world):
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": {"zone": "utc"}}}

    async def behave(seen: Seen, out: Out) -> None:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        await out.json({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]})

    world.behave(behave)
    response = await (await world.openai()).responses.create(model="Help", input="x", tools=[CLOCK])
    (item,) = response.output
    assert (item.type, item.call_id, item.name) == ("function_call", "c1", "clock")
    assert json.loads(item.arguments) == {"zone": "utc"}
    assert response.output_text == ""


async def test_what_was_cut_off_is_incomplete(world):
    async def behave(seen: Seen, out: Out) -> None:
        await out.json({"choices": [{"index": 0, "finish_reason": "length", "message": {"content": "one"}}]})

    world.behave(behave)
    response = await (await world.openai()).responses.create(model="Help", input="x")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (response.output[0].status, response.completed_at) == ("incomplete", None)


async def told(world, **more: object) -> list[dict]:
    """The stream's events, each one as the client's types want it, numbered and named."""
    async with world.post(RESPONSES, {"input": "x", "stream": True, **more}) as response:
        assert response.content_type == "text/event-stream"
        named = events_of(await response.text())
    events = [event for _, event in named]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for name, event in named:
        assert name == event["type"]
        EVENT.validate_python(event, strict=True)
    return events


async def test_a_stream_has_the_events_of_a_text_in_order(world):
    events = await told(world)
    assert [event["type"] for event in events] == TEXT_EVENTS
    last = events[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == "one two three"
    assert (last["status"], last["usage"]["total_tokens"]) == ("completed", 10)
    ids = {event["item_id"] for event in events if "item_id" in event}
    assert ids == {last["output"][0]["id"]}
    assert {event["response"]["id"] for event in events if "response" in event} == {last["id"]}


async def test_the_clients_own_helper_puts_the_stream_together(world):
    client = await world.openai()
    async with client.responses.stream(model="Help", input="Count.") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert deltas == ["one", " two", " three"]
    assert final.output_text == "one two three"
    assert [
        event.type async for event in await client.responses.create(model="Help", input="x", stream=True)
    ] == TEXT_EVENTS


async def test_the_helper_parses_what_has_a_schema(world):
    text = chunk('{"town": "Rome"}', chat=True)
    world.behave(fake.streams(text, chunk(None, chat=True, finish="stop"), COUNTED, "[DONE]"))
    async with (await world.openai()).responses.stream(model="Help", input="x", text_format=Answer) as stream:
        final = await stream.get_final_response()
    assert final.output_parsed == Answer(town="Rome")
    assert final.usage.input_tokens_details.cached_tokens == 4
    assert world.asked()[0].body["response_format"]["json_schema"]["schema"]["required"] == ["town"]


async def test_a_stream_of_text_and_two_tool_calls(world):
    calls = [*tool_call(0, "weather", '{"town":', ' "Rome"}'), *tool_call(1, "clock", "{}")]
    finish = chunk(None, chat=True, finish="tool_calls")
    world.behave(fake.streams(chunk("Let me see.", chat=True), *calls, finish, COUNTED, "[DONE]"))
    kinds = [event["type"].removeprefix("response.") for event in await told(world)]
    assert kinds == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    async with (await world.openai()).responses.stream(
        model="Help", input="x", tools=[WEATHER, CLOCK]
    ) as stream:
        final = await stream.get_final_response()
    text, weather, clock = final.output
    assert text.content[0].text == "Let me see."
    assert (weather.call_id, weather.arguments, weather.status) == ("call-0", '{"town": "Rome"}', "completed")
    assert (clock.name, clock.arguments) == ("clock", "{}")


async def test_a_stream_that_is_cut_off_ends_incomplete(world):
    world.behave(fake.streams(chunk("one", chat=True), chunk(None, chat=True, finish="length"), "[DONE]"))
    last = (await told(world))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


async def test_a_stream_without_a_word_has_an_empty_message(world):
    world.behave(fake.streams(chunk(None, chat=True, finish="stop"), "[DONE]"))
    last = (await told(world))[-1]
    assert last["response"]["output"][0]["content"][0]["text"] == ""


@pytest.mark.parametrize("behave", [fake.one_word_then_cut, fake.one_word_then_error, fake.one_word_then_end])
async def test_a_broken_stream_ends_with_an_error_that_the_client_raises(world, behave):
    world.behave(behave)
    async with world.post(RESPONSES, {"input": "x", "stream": True}) as response:
        assert b"response.created" in await response.content.readline()
        world.asked()[0].go_on.set()
        events = events_of("event: response.created\n" + await response.text())
    name, last = events[-1]
    assert (name, last["type"], last["sequence_number"]) == ("error", "error", len(events) - 1)
    EVENT.validate_python(last)
    assert last["message"] == last["error"]["message"]

    stream = await (await world.openai()).responses.create(model="Help", input="x", stream=True)
    for seen in world.asked():
        seen.go_on.set()
    with pytest.raises(openai.APIError, match=r"broke off|fell over"):
        [event async for event in stream]


MIXED_UP = [
    [tool_call(1, "a")[0], tool_call(0, "b")[0]],
    [tool_call(0, "a")[0], chunk("text", chat=True), tool_call(0, "a", "{}")[1]],
]


@pytest.mark.parametrize("mixed_up", MIXED_UP, ids=["order", "interrupted"])
async def test_mixed_up_tool_calls_are_an_error(world, mixed_up):
    world.behave(fake.streams(*mixed_up, chunk(None, chat=True, finish="stop"), "[DONE]"))
    async with world.post(RESPONSES, {"input": "x", "stream": True}) as response:
        name, last = events_of(await response.text())[-1]
    assert (name, "mixed up" in last["message"]) == ("error", True)


WRONG = [
    ({}, "input"),
    ({"input": []}, "input"),
    ({"input": ["x"]}, "input[0]"),
    ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    ({"input": [{"type": ["x"]}]}, "input[0].type"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ({"input": [{"role": "system", "content": "x"}]}, "input"),
    ({"input": "x", "instructions": 7}, "instructions"),
    ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
    ({"input": "x", "conversation": "conv_1"}, "conversation"),
    ({"input": "x", "background": True}, "background"),
    ({"input": "x", "prompt": {"id": "p"}}, "prompt"),
    ({"input": "x", "stream": "yes"}, "stream"),
    ({"input": "x", "temperature": 3}, "temperature"),
    ({"input": "x", "top_p": True}, "top_p"),
    ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ({"input": "x", "tools": {}}, "tools"),
    ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0]"),
    ({"input": "x", "tools": [CLOCK], "tool_choice": "perhaps"}, "tool_choice"),
    ({"input": "x", "tools": [CLOCK], "tool_choice": {"type": "function", "name": "no"}}, "tool_choice"),
    ({"input": "x", "tools": [CLOCK | {"strict": "yes"}]}, "tools[0]"),
    ({"input": "x", "tool_choice": "required"}, "tool_choice"),
    ({"input": "x", "text": {"format": {"name": "n", "schema": {}}}}, "text.format"),
    ({"input": "x", "text": {"format": {"type": "json_schema", "name": 7, "schema": {}}}}, "text.format"),
    ({"input": "x", "text": 7}, "text"),
    ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format"),
]  # fmt: skip


async def test_what_cannot_be_done_is_refused_by_name(world, subtests):
    for body, param in WRONG:
        with subtests.test(json.dumps(body)):
            async with world.post(RESPONSES, body) as response:
                assert response.status == 400
                assert (await response.json())["error"]["param"] == param
    assert not world.asked()


async def test_what_is_not_known_here_is_ignored(world):
    body = {
        "input": "x", "previous_response_id": None, "background": False, "reasoning": {"effort": "low"}, "include": [],
        "truncation": "auto", "text": {"verbosity": "low"}, "tool_choice": "auto", "stream_options": None, "odd": [1],
    }  # fmt: skip
    async with world.post(RESPONSES, body) as response:
        assert response.status == 200
        Response.model_validate(await response.json(), strict=True)
    assert world.asked()[0].body == {"model": "served", "messages": [{"role": "user", "content": "x"}]}
