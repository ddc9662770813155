"""The generic APIs v1 and v2, with their streams."""

import asyncio
import json

import pytest

from tests.gateway import fake
from tests.gateway.conftest import V1, V1_STREAM, V2, V2_STREAM
from tests.gateway.control import KEY, hello
from tests.gateway.fake import Out, Seen

WRAPPED = {
    "select_expert": {"type": "str", "value": "help-1"},
    "process_prompt": {"type": "bool", "value": "False"},
    "max_tokens_to_generate": {"type": "int", "value": "12"},
    "do_sample": {"type": "bool", "value": "True"},
    "temperature": {"type": "float", "value": "0.7"},
    "stop_sequences": {"type": "list", "value": "['a', 'b']"},
}
CONVERSATION = json.dumps(
    {
        "conversation_id": "sambaverse-conversation-id",
        "messages": [{"message_id": None, "role": "user", "content": "Count."}],
    }
)


def asked_of(world) -> list[Seen]:
    return [seen for instance in world.instances for seen in instance.seen]


async def lines_of(response) -> list[dict]:
    """Each line is JSON, none is blank."""
    text = await response.text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


async def test_v1_predict(world):
    async with world.post(V1, {"instances": ["Count."], "params": WRAPPED}) as response:
        assert response.status == 200
        answer = await response.json()
    assert answer["status"].keys() == {
        "complete", "exitCode", "elapsedTime", "message", "progress", "progressMessage", "reason",
    }  # fmt: skip
    assert answer["predictions"] == [
        {
            "completion": "one two three",
            "logprobs": {"text_offset": [], "top_logprobs": []},
            "prompt": "Count.",
            "stop_reason": "end_of_text",
            "tokens": [],
            "prompt_tokens_count": 7,
            "completion_tokens_count": 3,
            "total_tokens_count": 10,
        }
    ]
    (seen,) = asked_of(world)
    assert seen.path == "/v1/completions"
    assert seen.body == {
        "model": "served", "prompt": "Count.", "max_tokens": 12, "temperature": 0.7, "stop": ["a", "b"],
    }  # fmt: skip


async def test_process_prompt_applies_the_chat_template(world):
    params = {"process_prompt": {"type": "bool", "value": "true"}}
    async with world.post(V1, {"instances": [CONVERSATION], "params": params}) as response:
        assert (await response.json())["predictions"][0]["completion"] == "one two three"
    (seen,) = asked_of(world)
    assert seen.path == "/v1/chat/completions"
    assert seen.body["messages"] == [{"role": "user", "content": "Count."}]


async def test_no_sampling_is_greedy(world):
    async with world.post(V1, {"instances": ["x"], "params": {"temperature": 0.9, "top_k": 5}}) as response:
        assert response.status == 200
    assert asked_of(world)[0].body == {"model": "served", "prompt": "x", "temperature": 0.0}


async def test_instances_run_together_and_answer_in_order(world):
    everybody = asyncio.Barrier(3)

    async def together(seen: Seen, out: Out) -> None:
        await everybody.wait()
        await fake.echo(seen, out)

    for instance in world.instances:
        instance.behave = together
    async with world.post(V1, {"instances": ["c", "a", "b"]}) as response:
        predictions = (await response.json())["predictions"]
    assert [one["completion"] for one in predictions] == ["c", "a", "b"]


async def test_one_failed_instance_fails_the_request_with_its_status(world):
    async def picky(seen: Seen, out: Out) -> None:
        await (
            fake.answers(400, "too long")(seen, out) if seen.body["prompt"] == "b" else fake.silent(seen, out)
        )

    for instance in world.instances:
        instance.behave = picky
    async with world.post(V1, {"instances": ["a", "b"]}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"] == "too long"


async def test_v1_stream(world):
    async with world.post(V1_STREAM, {"instance": "Count.", "params": WRAPPED}) as response:
        assert response.status == 200
        lines = await lines_of(response)
    told = [line["result"]["responses"][0] for line in lines]
    assert [one["stream_token"] for one in told] == ["one", " two", " three", ""]
    assert [one["is_last_response"] for one in told] == [False, False, False, True]
    last = told[-1]
    assert (last["completion"], last["stop_reason"], last["prompt"]) == (
        "one two three",
        "end_of_text",
        "Count.",
    )
    counts = ("prompt_tokens_count", "completion_tokens_count", "total_tokens_count", "batch_size_used")
    assert [last[name] for name in counts] == [7, 3, 10, 1]
    assert last["end_time"] >= last["start_time"] > 0
    times = ("model_execution_time", "time_to_first_token", "throughput_after_first_token")
    assert all(last[name] >= 0 for name in times)


async def test_v2_predict(world):
    items = [{"id": "item0", "value": "Count."}, {"value": "Again."}]
    async with world.post(V2, {"items": items, "params": {"do_sample": False}}) as response:
        answer = await response.json()
    first, second = answer["items"]
    assert (first["id"], first["partial"], first["params"], first["status"]) == ("item0", False, {}, None)
    assert (first["value"]["completion"], first["value"]["prompt"]) == ("one two three", "Count.")
    assert (first["value"]["prompt_tokens_count"], first["value"]["completion_tokens_count"]) == (7, 3)
    assert first["value"]["model_execution_time"] > 0
    assert second["id"] == "1"


async def test_v2_stream_of_two_items(world):
    items = [{"id": "x", "value": "Count."}, {"id": "y", "value": "Again."}]
    async with world.post(V2_STREAM, {"items": items}) as response:
        lines = await lines_of(response)
    told = [item for line in lines for item in line["result"]["items"]]
    for id in ("x", "y"):
        mine = [item["value"] for item in told if item["id"] == id]
        assert "".join(one["stream_token"] for one in mine) == "one two three"
        assert [one["is_last_response"] for one in mine] == [False] * (len(mine) - 1) + [True]


async def test_v2_stream_takes_the_instance_of_old_clients(world):
    async with world.post(V2_STREAM, {"instance": "Count.", "params": {"temperature": "0.7"}}) as response:
        assert response.status == 200
        assert (await lines_of(response))[-1]["result"]["items"][0]["id"] == "0"


@pytest.mark.parametrize("path", [V1_STREAM, V2_STREAM])
async def test_tool_calls_come_together_in_the_last_line(world, path):
    calls = [*fake.tool_call(0, "weather", '{"town":', ' "Rome"}'), *fake.tool_call(1, "clock", "{}")]
    world.behave(fake.streams(*calls, fake.chunk(None, chat=True, finish="tool_calls"), "[DONE]"))
    body = {"instance": CONVERSATION, "params": {"process_prompt": True}}
    async with world.post(path, body) as response:
        (line,) = await lines_of(response)
    told = line["result"]
    last = told["responses"][0] if "responses" in told else told["items"][0]["value"]
    assert (last["is_last_response"], last["stop_reason"], last["completion"]) == (True, "tool_calls", "")
    assert last["tool_calls"] == [
        {
            "id": "call-0",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"town": "Rome"}'},
        },
        {"id": "call-1", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
    ]


@pytest.mark.parametrize("path", [V1, V2])
async def test_tool_calls_stand_in_a_whole_answer(world, path):
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}

    async def behave(seen: Seen, out: Out) -> None:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        await out.json({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]})

    world.behave(behave)
    body = {
        "instances": [CONVERSATION],
        "items": [{"value": CONVERSATION}],
        "params": {"process_prompt": True},
    }
    async with world.post(path, body) as response:
        answer = await response.json()
    told = answer["predictions"][0] if path == V1 else answer["items"][0]["value"]
    assert told["tool_calls"] == [call]


@pytest.mark.parametrize("said", ["[disable-dynamic-batch]", '["accuracy_debug"]', "", "é"])
@pytest.mark.parametrize("path", [V1_STREAM, V2_STREAM])
async def test_options_in_the_header_are_accepted(world, path, said):
    headers = {"key": KEY, "ss-sn-options": said}
    async with world.http.post(world.url + path, json={"instance": "x"}, headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_comments_and_empty_events_of_an_instance_leave_no_blank_line(world, end):
    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        for one in [*fake.events(chat=False), "[DONE]"]:
            await out.raw(f": still here{end}{end}".encode() + fake.event(one).replace(b"\n", end.encode()))
        await out.end()

    world.behave(behave)
    async with world.post(V1_STREAM, {"instance": "x"}) as response:
        tokens = [line["result"]["responses"][0]["stream_token"] for line in await lines_of(response)]
    assert tokens == ["one", " two", " three", ""]


async def test_line_ends_of_unicode_do_not_split_a_line(world):
    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        for one in fake.events(chat=False, words=["a\u2028b\u0085c\u2029d"]):
            await out.event(one)
        await out.event("[DONE]")
        await out.end()

    for instance in world.instances:
        instance.behave = behave
    async with world.post(V1_STREAM, {"instance": "x"}) as response:
        lines = (await response.text()).splitlines()
    assert json.loads(lines[0])["result"]["responses"][0]["stream_token"] == "a\u2028b\u0085c\u2029d"


async def test_an_upstream_that_sends_byte_by_byte(world):
    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        whole = b"".join(map(fake.event, [*fake.events(chat=False), "[DONE]"]))
        for at in range(len(whole)):
            await out.raw(whole[at : at + 1])
        await out.end()

    for instance in world.instances:
        instance.behave = behave
    async with world.post(V1_STREAM, {"instance": "x"}) as response:
        assert (await lines_of(response))[-1]["result"]["responses"][0]["completion"] == "one two three"


@pytest.mark.parametrize(
    ("said", "asked"), [(None, "served"), ("Help", "served"), ("number-words", "number-words")]
)
async def test_an_expert_is_asked_by_its_name_and_the_bundle_by_its_own(world, said, asked):
    upstreams = [instance.upstream for instance in world.instances]
    await world.publish(hello(world.control, *upstreams, version=2, experts=["number-words", "sentiment"]))
    params = {"select_expert": said} if said else {}
    async with world.post(V1, {"instances": ["x"], "params": params}) as response:
        assert response.status == 200
    assert asked_of(world)[0].body["model"] == asked


BROKEN = [fake.one_word_then_cut, fake.one_word_then_error, fake.one_word_then_end]


@pytest.mark.parametrize("behave", BROKEN)
@pytest.mark.parametrize("path", [V1_STREAM, V2_STREAM])
async def test_a_broken_stream_ends_with_an_error_line(world, behave, path):
    for instance in world.instances:
        instance.behave = behave
    async with world.post(path, {"instance": "x"}) as response:
        assert response.status == 200
        assert b"one" in await response.content.readline()
        asked_of(world)[0].go_on.set()
        (last,) = await lines_of(response)
    assert last["error"].keys() == {"code", "message", "details"}
