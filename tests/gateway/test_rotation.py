"""A key whose value was replaced: the old one is taken until its end, by the gateway's own clock, and no longer."""

import time

from endpoints.gateway.routes import RouteTable
from studio import seal
from tests.gateway.conftest import CHAT, V1
from tests.gateway.control import ENDPOINT, KEY, hello
from tests.support.waiting import eventually_async

OLD = "the-value-before"


def rotated(control, *, until: float):
    return control.key(KEY, old_digest=seal.digest(control.pepper, OLD), old_until=until)


async def status(world, key: str) -> int:
    async with world.post(V1, {"instances": ["x"]}, key=key) as response:
        return response.status


async def test_both_values_work_until_the_old_one_ends_without_a_further_word(world):
    end = time.time() + 1.5
    await world.change(keys=[rotated(world.control, until=end)])
    assert await status(world, OLD) == 200
    version = world.gateway.table.version(ENDPOINT)
    taken_at = begun = time.time()
    while (await status(world, OLD)) == 200:
        taken_at, begun = begun, time.time()
    assert taken_at < end, "the last one that was taken had begun before the end"
    assert time.time() < end + 1
    assert await status(world, KEY) == 200
    assert world.gateway.table.version(ENDPOINT) == version, "nobody told the gateway anything"


async def test_the_refusal_says_why(world):
    await world.change(keys=[rotated(world.control, until=time.time() - 1)])
    async with world.post(V1, {"instances": ["x"]}, key=OLD) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (401, "replaced_key")
    assert "new one" in error["message"]
    body = {"model": "help", "messages": [{"role": "user", "content": "x"}]}
    async with world.post(CHAT, body, key=OLD) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, "replaced_key")


async def test_without_a_grace_time_the_old_value_is_unknown_within_a_second(world):
    await world.change(keys=[world.control.key(OLD)])
    assert await status(world, OLD) == 200
    begun = time.monotonic()
    await world.change(keys=[world.control.key(KEY)])
    assert time.monotonic() - begun < 1
    assert [await status(world, OLD), await status(world, KEY)] == [401, 200]


async def test_a_key_may_be_known_by_a_connection_that_goes_on(world):
    """What a connection keeps of a key is its digest, not what it may."""
    end = time.time() + 1
    await world.change(keys=[rotated(world.control, until=end)])
    assert await status(world, OLD) == 200
    await eventually_async(lambda: time.time() > end, timeout=5)
    assert await status(world, OLD) == 401


def test_a_route_takes_its_old_values_along(control):
    table, old = RouteTable(), seal.digest(control.pepper, OLD)
    table.take(hello(control, version=1, keys=[rotated(control, until=2e9)]))
    assert table.holder([old]).until == 2e9
    assert table.holder([seal.digest(control.pepper, KEY)]).until == 0
    table.take(hello(control, version=2))
    assert table.holder([old]) is None
    table.take(hello(control, version=3, keys=[rotated(control, until=2e9)]))
    table.keep_only(set())
    assert table.holder([old]) is None
