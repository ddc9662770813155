"""A client that leaves ends the work at the instance at once, in every phase."""

import asyncio

import pytest

from endpoints.usage.wire import CLIENT_GONE
from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, V1_STREAM, V2_STREAM
from tests.gateway.control import ENDPOINT
from tests.support.waiting import eventually_async

CHAT_BODY = {"messages": [{"role": "user", "content": "x"}]}
PHASES = {
    "not streamed": (fake.silent, V1, {"instances": ["x"]}),
    "several, not streamed": (fake.silent, V1, {"instances": ["x", "y"]}),
    "before the first token": (fake.silent, CHAT, CHAT_BODY | {"stream": True}),
    "in mid-stream": (fake.one_word_then_silent, CHAT, CHAT_BODY | {"stream": True}),
    "in mid-stream of v1": (fake.one_word_then_silent, V1_STREAM, {"instance": "x"}),
    "in mid-stream of v2": (
        fake.one_word_then_silent,
        V2_STREAM,
        {"items": [{"value": "x"}, {"value": "y"}]},
    ),
}


def asked_of(world):
    return [seen for instance in world.instances for seen in instance.seen]


@pytest.mark.parametrize("phase", PHASES)
async def test_the_instance_is_let_go(world, phase):
    behave, path, body = PHASES[phase]
    for instance in world.instances:
        instance.behave = behave
    count = len(body.get("instances") or body.get("items") or [1])

    begun = asyncio.Event()

    async def ask() -> None:
        async with world.post(path, body) as response:
            begun.set()
            await response.read()

    asking = asyncio.create_task(ask())
    await eventually_async(lambda: len(asked_of(world)) == count, what="the instance was asked")
    if behave is fake.one_word_then_silent:
        await begun.wait()
    asking.cancel()
    for seen in asked_of(world):
        await asyncio.wait_for(seen.gone.wait(), 1)
    fleet = world.gateway.upstreams.fleet
    await eventually_async(lambda: not fleet.under_way("a") and not fleet.under_way("b"))
    await eventually_async(lambda: [*world.gateway.meter.answers.values()] == [1])
    ((endpoint, _, status),) = world.gateway.meter.answers
    assert (endpoint, status) == (ENDPOINT, CLIENT_GONE)


async def test_a_slow_reader_slows_the_instance_down(world):
    """Nobody buffers a long answer: the instance's writes stand still until the client reads."""
    written = 0

    async def endless(seen: fake.Seen, out: fake.Out) -> None:
        nonlocal written
        await out.begin_events()
        while not seen.gone.is_set():
            await out.event(fake.chunk("x" * 10_000, chat=True))
            written += 1

    for instance in world.instances:
        instance.behave = endless
    async with world.post(CHAT, CHAT_BODY | {"stream": True}) as response:
        assert response.status == 200

        async def stands_still() -> bool:
            before = written
            await asyncio.wait([asyncio.ensure_future(asked_of(world)[0].gone.wait())], timeout=0.3)
            return written == before

        await eventually_async(stands_still, what="the instance waits")
        assert written < 3000  # at most 30 MB in all kernel buffers on the way
    await asyncio.wait_for(asked_of(world)[0].gone.wait(), 1)
