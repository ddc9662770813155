"""Instances that refuse, break and hang: retried before the first byte, never hidden after it."""

import asyncio
import json

import msgspec
import pytest

from endpoints.gateway import fleet, upstream
from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, V1_STREAM, V2_STREAM
from tests.gateway.control import ENDPOINT, hello
from tests.support.waiting import eventually_async

ASK = {"messages": [{"role": "user", "content": "x"}]}
STREAM = ASK | {"stream": True}
V1_BODY = {"instances": ["x"]}


async def only(world, *instances: fake.Instance, version: int = 2, **changes: object) -> None:
    """Routes the endpoint to these instances."""
    await world.publish(
        hello(world.control, *(one.upstream for one in instances), version=version, **changes)
    )


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "behave", [fake.reset, fake.answers(502), fake.answers(503), fake.answers(504), fake.answers(401)],
    ids=["reset", "502", "503", "504", "a foreign 401"],
)  # fmt: skip
async def test_another_instance_is_asked(world, behave, body):
    a, b = world.instances
    a.behave = behave
    await only(world, a, b)
    while not a.seen:
        async with world.post(CHAT, body) as response:
            assert response.status == 200
            assert "one" in await response.text()
            assert response.headers["x-studio-instance"] == "b"


async def test_a_killed_instance_is_left_out_until_it_answers_a_probe(world):
    a, _b = world.instances
    known = world.gateway.upstreams.fleet
    await a.stop()
    while not known.is_away("a"):
        async with world.post(V1, V1_BODY) as response:
            assert response.status == 200
    await a.start()
    await eventually_async(lambda: not known.is_away("a"), what="the probe succeeds")
    await only(world, a)
    async with world.post(V1, V1_BODY) as response:
        assert response.status == 200


async def test_an_instance_killed_before_its_first_byte_loses_nothing(world):
    a, b = world.instances
    for instance in world.instances:
        instance.behave = fake.silent
    asking = asyncio.create_task(_answer(world, CHAT, STREAM))
    await eventually_async(lambda: a.seen or b.seen)
    asked, other = (a, b) if a.seen else (b, a)
    other.behave = fake.polite
    await asked.stop()
    status, text = await asking
    assert status == 200
    assert "three" in text
    assert "[DONE]" in text


async def test_a_single_instance_that_closed_its_idle_connection_is_asked_again(world):
    a, _ = world.instances
    await only(world, a)
    tries = 0

    async def first_resets(seen: fake.Seen, out: fake.Out) -> None:
        nonlocal tries
        tries += 1
        await (fake.reset if tries == 1 else fake.polite)(seen, out)

    a.behave = first_resets
    assert (await _answer(world, V1, V1_BODY))[0] == 200


async def test_one_that_only_closed_a_connection_is_asked_again_after_another_refused(world):
    a, b = world.instances
    tries = 0

    async def first_resets(seen: fake.Seen, out: fake.Out) -> None:
        nonlocal tries
        tries += 1
        await (fake.reset if tries == 1 else fake.polite)(seen, out)

    async def only_b_is_left(seen: fake.Seen, out: fake.Out) -> None:
        await (fake.answers(503) if tries else fake.reset)(seen, out)

    a.behave, b.behave = first_resets, only_b_is_left
    await only(world, a, b)
    for _ in range(20):  # whichever comes first
        tries = 0
        async with world.post(V1, V1_BODY) as response:
            assert response.status == 200


async def test_connections_are_kept_for_the_next_call(world):
    a, _ = world.instances
    await only(world, a)
    for _ in range(3):
        assert (await _answer(world, V1, V1_BODY))[0] == 200
    assert (len(a.seen), a.connections) == (3, 1)


async def test_when_none_answers_it_is_503_with_retry_after(world):
    for instance in world.instances:
        await instance.stop()
    async with world.post(V1, V1_BODY) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert (await response.json())["error"]["code"] == "no_instance_answers"


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
async def test_an_instances_own_refusal_keeps_its_status_and_is_not_retried(world, body):
    for instance in world.instances:
        instance.behave = fake.answers(400, "the request exceeds the context")
    status, text = await _answer(world, CHAT, body)
    assert status == 400
    assert "exceeds the context" in text
    assert sum(len(instance.seen) for instance in world.instances) == 1


async def test_an_error_as_the_first_event_keeps_its_status(world):
    async def behave(seen: fake.Seen, out: fake.Out) -> None:
        await out.begin_events()
        await out.event({"error": {"message": "no room", "code": 429}})
        await out.end()

    for instance in world.instances:
        instance.behave = behave
    status, text = await _answer(world, CHAT, STREAM)
    assert (status, json.loads(text)["error"]["message"]) == (429, "no room")


BROKEN = [fake.one_word_then_cut, fake.one_word_then_error, fake.one_word_then_end]


@pytest.mark.parametrize("behave", BROKEN)
async def test_a_broken_openai_stream_ends_with_an_error_object(world, behave):
    for instance in world.instances:
        instance.behave = behave
    async with world.post(CHAT, STREAM) as response:
        assert response.status == 200
        assert b"one" in await response.content.readuntil(b"\n\n")
        next(seen for instance in world.instances for seen in instance.seen).go_on.set()
        *_, last, rest = (await response.text()).split("\n\n")
    assert rest == ""
    assert json.loads(last.removeprefix("data: "))["error"].keys() >= {"message", "code", "type", "param"}


@pytest.mark.parametrize("path", [V1, V1_STREAM])
async def test_the_deadline_is_504(world, path):
    for instance in world.instances:
        instance.behave = fake.silent
    await only(world, *world.instances, deadline_seconds=1)
    status, text = await _answer(world, path, V1_BODY)
    assert status == 504
    assert "within 1 s" in text


async def test_the_deadline_in_mid_stream_is_said_in_the_stream(world):
    for instance in world.instances:
        instance.behave = fake.one_word_then_silent
    await only(world, *world.instances, deadline_seconds=1)
    status, text = await _answer(world, V1_STREAM, {"instance": "x"})
    assert status == 200
    assert json.loads(text.strip().split("\n")[-1])["error"]["code"] == "deadline"


async def test_a_spare_is_asked_only_when_no_other_answers(world):
    a, b = world.instances
    spare = msgspec.structs.replace(a.upstream, spare=True)
    await world.publish(hello(world.control, spare, b.upstream, version=2))
    for _ in range(5):
        assert (await _answer(world, V1, V1_BODY))[0] == 200
    assert not a.seen
    await b.stop()
    assert (await _answer(world, V1, V1_BODY))[0] == 200
    assert a.seen


async def test_more_items_than_slots_are_streamed_one_after_the_other(world):
    a, _ = world.instances
    limited = msgspec.structs.replace(a.upstream, slots=2)
    await world.publish(hello(world.control, limited, version=2))
    items = [{"id": f"n{number}", "value": "x"} for number in range(9)]
    status, text = await _answer(world, V2_STREAM, {"items": items})
    assert status == 200
    last = [
        item["id"]
        for line in text.splitlines()
        for item in json.loads(line)["result"]["items"]
        if item["value"]["is_last_response"]
    ]
    assert sorted(last) == sorted(item["id"] for item in items)


async def test_more_instances_than_slots_are_answered_in_one_request(world):
    a, _ = world.instances
    limited = msgspec.structs.replace(a.upstream, slots=2)
    await world.publish(hello(world.control, limited, version=2))
    status, text = await asyncio.wait_for(_answer(world, V1, {"instances": ["x"] * 9}), 10)
    assert status == 200
    assert len(json.loads(text)["predictions"]) == 9


async def test_more_items_than_slots_are_streamed_in_one_request(world):
    a, _ = world.instances
    limited = msgspec.structs.replace(a.upstream, slots=1)
    await world.publish(hello(world.control, limited, version=2))
    items = [{"id": f"{number}", "value": "x"} for number in range(5)]
    status, text = await asyncio.wait_for(_answer(world, V2_STREAM, {"items": items}), 10)
    assert status == 200
    said = [item for line in text.splitlines() for item in json.loads(line)["result"]["items"]]
    ended = [item["id"] for item in said if item["value"]["is_last_response"]]
    assert sorted(ended) == [item["id"] for item in items]


async def test_a_call_waits_for_a_free_slot_and_says_how_long(world):
    a, _ = world.instances
    limited = msgspec.structs.replace(a.upstream, slots=1)
    await world.publish(hello(world.control, limited, version=2))
    a.behave = fake.one_word_then_silent
    async with world.post(CHAT, STREAM) as first:
        await first.content.readline()
        a.behave = fake.polite
        second = asyncio.create_task(_headers(world, V1, V1_BODY))
        await eventually_async(lambda: world.gateway.upstreams.fleet.waiting(ENDPOINT) == 1)
        assert not second.done()
    headers = await second
    assert float(headers["x-studio-queue-ms"]) > 0


@pytest.fixture
def soon_lost(monkeypatch):
    monkeypatch.setattr(fleet, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(fleet, "LOST_SECONDS", 0.5)
    monkeypatch.setattr(fleet, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(upstream, "PROBE_SECONDS", 0.1)


@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
async def test_what_a_frozen_instance_was_asked_is_answered_by_another(world, soon_lost, body):
    a, b = world.instances
    a.behave, a.frozen = fake.silent, True
    await only(world, a)
    asking = asyncio.create_task(_answer(world, CHAT, body))
    await eventually_async(lambda: a.seen)
    await only(world, a, b, version=3)
    status, text = await asking
    assert status == 200
    assert "one" in text


async def test_a_stream_of_a_frozen_instance_ends_with_an_error_object(world, soon_lost):
    a, _ = world.instances
    a.behave = fake.one_word_then_silent
    await only(world, a)
    async with world.post(V1_STREAM, {"instance": "x"}) as response:
        await response.content.readline()
        a.frozen = True
        *_, last = (await response.text()).splitlines()
    assert json.loads(last)["error"]["code"] == "instance_failed"


async def _headers(world, path: str, body: object):
    async with world.post(path, body) as response:
        assert response.status == 200
        return response.headers


async def _answer(world, path: str, body: object) -> tuple[int, str]:
    async with world.post(path, body) as response:
        return response.status, await response.text()
