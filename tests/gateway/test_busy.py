"""A gateway that is too busy to listen blames no instance for it."""

import asyncio
import time

import pytest

from endpoints.gateway import background, fleet, upstream
from tests.gateway import fake
from tests.gateway.conftest import V1
from tests.support.waiting import eventually_async

BODY = {"instances": ["x"]}


@pytest.fixture
def soon_silent(monkeypatch):
    monkeypatch.setattr(fleet, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(fleet, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(background, "LATE", 0.05)
    monkeypatch.setattr(upstream, "PROBE_SECONDS", 0.1)


def stand_still(seconds: float) -> None:
    """As large bodies make the loop do."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_what_an_instance_said_while_the_gateway_was_busy_is_not_its_silence(world, soon_silent):
    known = world.gateway.upstreams.fleet
    going = asyncio.Event()

    async def slow(seen: fake.Seen, out: fake.Out) -> None:
        await going.wait()
        await fake.polite(seen, out)

    world.behave(slow)
    heard: list[bool] = []
    ask = known._probe

    async def probe_of_a_busy_gateway(upstream) -> bool:
        asyncio.get_running_loop().call_soon(stand_still, 0.3)
        heard.append(await ask(upstream))
        return heard[-1]

    known._probe = probe_of_a_busy_gateway
    asking = asyncio.create_task(_status(world))
    await eventually_async(lambda: heard.count(False) >= 3, what="no answer was heard")
    assert not asking.done()
    assert not any(known.is_away(instance.id) for instance in world.instances)
    going.set()
    assert await asking == 200


async def _status(world) -> int:
    async with world.post(V1, BODY) as response:
        return response.status
