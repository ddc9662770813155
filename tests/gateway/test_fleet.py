"""Which instance gets the next call, who waits for whom, and who is left out."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.gateway.affinity import BLOCK, Affinity, beginnings
from endpoints.gateway.errors import Refused
from endpoints.gateway.fleet import FAILURES_IN_A_ROW, SLOW_START_SECONDS, Fleet
from endpoints.gateway.formats.call import CHAT, COMPLETION, Call
from endpoints.gateway.routes import RouteTable
from endpoints.wire import Route, Upstream
from tests.support.effort import examples
from tests.support.waiting import eventually_async

E = "endpoint"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A table with one endpoint, a fleet beside it, and a word on whether probes succeed."""

    def __init__(self, *, queue_limit: int = 10) -> None:
        self.clock = Clock()
        self.table = RouteTable(self.clock)
        self.answers = False
        self.probed: list[str] = []
        self.fleet = Fleet(self.table, self._probe, queue_limit, self.clock)
        self._version = 0

    async def _probe(self, upstream: Upstream) -> bool:
        self.probed.append(upstream.id)
        return self.answers

    def route(self, names: Iterable[str], *, slots: int = 0, spares: Iterable[str] = ()) -> None:
        self._version += 1
        upstreams = [Upstream(name, "host", 1, "token", name in spares, slots) for name in [*names, *spares]]
        self.table.take(Route(endpoint=E, project="p", version=self._version, upstreams=upstreams))

    async def take(self, *, tried: Iterable[str] = (), preferred: str | None = None) -> str | None:
        upstream = await self.fleet.take(E, set(tried), preferred)
        return upstream.id if upstream else None

    async def queued(self, **how: object) -> asyncio.Task[str | None]:
        """A call that has joined the queue."""
        before = self.fleet.waiting(E)
        task = asyncio.create_task(self.take(**how))
        await eventually_async(lambda: self.fleet.waiting(E) == before + 1, every=0)
        return task


async def test_the_least_busy_gets_the_call():
    world = World()
    world.route("ab")
    first = await world.take()
    second = await world.take()
    assert {first, second} == {"a", "b"}
    world.fleet.give_back("a")
    assert await world.take() == "a"
    assert [world.fleet.under_way(name) for name in "ab"] == [1, 1]


async def test_a_spare_and_one_that_is_away_are_asked_only_when_no_other_is():
    world = World()
    world.route("ab", spares="s")
    assert "s" not in {await world.take() for _ in range(6)}
    for name in "ab":
        world.fleet.failed(name, "refuses connections", refuses=True)
    assert await world.take() == "s"
    assert await world.take(tried={"s"}) in {"a", "b"}
    assert await world.take(tried={"s", "a", "b"}) is None
    await world.fleet.close()


async def test_a_fresh_instance_gets_few_calls_at_first_and_its_share_later():
    world = World()
    world.route("a")
    world.route("ab")
    young = [await world.take() for _ in range(9)].count("b")
    world.clock.now += SLOW_START_SECONDS / 2
    for _ in range(9):
        await world.take()
    half = world.fleet.under_way("b")
    world.clock.now += SLOW_START_SECONDS
    for _ in range(18):
        await world.take()
    assert young == 0
    assert half < 9
    assert abs(world.fleet.under_way("a") - world.fleet.under_way("b")) <= 1


async def test_the_instances_a_gateway_finds_at_its_start_are_not_fresh():
    world = World()
    world.route("ab")
    assert sorted([await world.take(), await world.take()]) == ["a", "b"]


async def test_a_full_instance_is_asked_when_a_call_ends_in_order_of_arrival():
    world = World()
    world.route("a", slots=2)
    assert [await world.take(), await world.take()] == ["a", "a"]
    first, second = await world.queued(), await world.queued()
    world.fleet.give_back("a")
    assert await first == "a"
    assert not second.done()
    world.fleet.give_back("a")
    assert await second == "a"
    assert world.fleet.under_way("a") == 2


async def test_nobody_overtakes_the_queue():
    world = World()
    world.route("a", slots=1)
    await world.take()
    first = await world.queued()
    world.fleet.give_back("a")
    late = asyncio.create_task(world.take())
    assert await first == "a"
    await eventually_async(lambda: world.fleet.waiting(E) == 1)
    late.cancel()


async def test_a_full_queue_is_429_and_names_the_number_that_waits():
    world = World(queue_limit=1)
    world.route("a", slots=1)
    await world.take()
    waiting = await world.queued()
    with pytest.raises(Refused) as refused:
        await world.take()
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    assert refused.value.details == {"limit": "queue", "waiting": 1}
    waiting.cancel()


async def test_a_new_instance_serves_the_queue():
    world = World()
    world.route("a", slots=1)
    await world.take()
    waiting = await world.queued()
    world.route("ab", slots=1)
    assert await waiting == "b"


async def test_who_waits_for_an_endpoint_that_is_stopped_hears_so_at_once():
    world = World()
    world.route("a", slots=1)
    await world.take()
    waiting = await world.queued()
    world.route("")
    assert await waiting is None


async def test_gateways_share_the_slots():
    world = World()
    world.fleet.gateways = 3
    world.route("a", slots=4)
    assert [await world.take(), await world.take()] == ["a", "a"]
    (await world.queued()).cancel()


async def test_who_leaves_the_queue_as_its_turn_comes_takes_no_slot():
    world = World()
    world.route("a", slots=1)
    await world.take()
    waiting = await world.queued()
    world.fleet.give_back("a")
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert world.fleet.under_way("a") == 0
    assert world.fleet.waiting(E) == 0


async def test_failures_in_a_row_make_an_instance_away_until_a_probe_succeeds():
    world = World()
    world.route("ab")
    while await world.take() != "a":
        pass
    for _ in range(FAILURES_IN_A_ROW - 1):
        world.fleet.failed("a", "502", refuses=False)
    world.fleet.succeeded("a")
    for _ in range(FAILURES_IN_A_ROW - 1):
        world.fleet.failed("a", "502", refuses=False)
    assert not world.fleet.is_away("a")
    world.fleet.failed("a", "502", refuses=False)
    assert world.fleet.is_away("a")
    world.answers = True
    await eventually_async(lambda: not world.fleet.is_away("a"))
    assert world.probed == ["a"]


async def test_no_probe_goes_on_for_an_instance_that_left_the_route():
    world = World()
    world.route("ab")
    while await world.take() != "a":
        pass
    world.fleet.failed("a", "gone", refuses=True)
    world.route("b")
    await eventually_async(lambda: not world.fleet.is_away("a"))


class Call_:
    """A call under way, as the fleet sees it."""

    def __init__(self, since: float | None, *, begun: bool) -> None:
        self.waits_since, self.begun, self.abandoned = since, begun, False

    def abandon(self) -> None:
        self.abandoned = True


async def test_calls_at_a_silent_instance_go_elsewhere_and_its_streams_are_given_up_later():
    world = World()
    world.route("ab")
    taken: set[str | None] = set()
    while taken != {"a", "b"}:
        taken.add(await world.take())
    upstream = world.table.route(E).upstreams[0]
    waits, stream = Call_(world.clock.now, begun=False), Call_(world.clock.now, begun=True)
    reads_slowly = Call_(None, begun=True)
    for call in (waits, stream, reads_slowly):
        world.fleet.began(upstream, call)
    world.fleet.start()
    world.clock.now += 5
    await eventually_async(lambda: waits.abandoned)
    assert world.fleet.is_away("a")
    assert not stream.abandoned
    world.clock.now += 10
    await eventually_async(lambda: stream.abandoned)
    assert not reads_slowly.abandoned
    await world.fleet.close()


async def test_an_instance_that_works_hard_and_answers_its_probes_is_left_alone():
    world = World()
    world.answers = True
    world.route("a")
    await world.take()
    call = Call_(world.clock.now, begun=False)
    world.fleet.began(world.table.route(E).upstreams[0], call)
    world.fleet.start()
    world.clock.now += 100
    await eventually_async(lambda: world.probed)
    assert not world.fleet.is_away("a")
    assert not call.abandoned
    await world.fleet.close()


# ----- beginnings that an instance saw --------------------------------------------------------------------


async def test_a_seen_beginning_is_preferred_while_the_imbalance_is_small():
    world = World()
    world.route("ab")
    assert [await world.take(preferred="a") for _ in range(3)] == ["a"] * 3
    assert await world.take(preferred="a") == "b"


async def test_a_preferred_instance_that_is_full_is_not_waited_for():
    world = World()
    world.route("ab", slots=1)
    assert await world.take(preferred="a") == "a"
    assert await world.take(preferred="a") == "b"


def prompt(text: str) -> Call:
    return Call(COMPLETION, {"prompt": text}, False)


def chat(*texts: str) -> Call:
    messages = [{"role": "user", "content": text} for text in texts]
    return Call(CHAT, {"messages": messages}, False)


def test_the_longest_beginning_counts():
    affinity = Affinity()
    system = "s" * BLOCK
    affinity.note(beginnings(E, prompt(system + "x" * BLOCK)), "a")
    affinity.note(beginnings(E, prompt(system + "y" * BLOCK)), "b")
    assert affinity.preferred(beginnings(E, prompt(system + "x" * BLOCK + "more"))) == "a"
    assert affinity.preferred(beginnings(E, prompt(system + "y" * BLOCK * 3))) == "b"
    assert affinity.preferred(beginnings(E, prompt(system + "z" * BLOCK))) == "b"  # who saw it last
    assert affinity.preferred(beginnings(E, prompt("t" * BLOCK))) is None
    assert affinity.preferred(beginnings("another", prompt(system + "x" * BLOCK))) is None
    assert affinity.preferred(beginnings(E, prompt("short"))) is None


def test_the_next_turn_of_a_conversation_prefers_the_same_instance():
    affinity = Affinity()
    affinity.note(beginnings(E, chat("q" * 300)), "a")
    assert affinity.preferred(beginnings(E, chat("q" * 300, "answer", "next"))) == "a"


def test_what_is_remembered_is_bounded():
    affinity = Affinity(most=10)
    for number in range(50):
        affinity.note(beginnings(E, prompt(f"{number:03}" * BLOCK)), "a")
    assert len(affinity) == 10


@settings(max_examples=examples(100), deadline=None)
@given(
    slots=st.integers(1, 3),
    steps=st.lists(st.sampled_from(["take", "end", "leave", "add", "drop"]), max_size=60),
)
async def test_however_calls_come_and_go_no_instance_is_over_its_slots_and_nobody_waits_beside_a_free_one(
    slots, steps
):
    world = World(queue_limit=1000)
    names = ["a", "b"]
    world.route(names, slots=slots)
    open_calls: list[str] = []
    queue: list[asyncio.Task[str | None]] = []

    async def settle() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        for task in [task for task in queue if task.done()]:
            queue.remove(task)
            chosen = task.result()
            if chosen is not None:
                open_calls.append(chosen)

    for step in steps:
        if step == "take":
            queue.append(asyncio.create_task(world.take()))
        elif step == "end" and open_calls:
            world.fleet.give_back(open_calls.pop(0))
        elif step == "leave" and queue:
            queue.pop().cancel()
        elif step == "add" and len(names) < 5:
            names.append("abcde"[len(names)])
            world.route(names, slots=slots)
        elif step == "drop" and len(names) > 1:
            names.pop()
            world.route(names, slots=slots)
        await settle()
        busy = {name: open_calls.count(name) for name in names}
        assert all(count <= slots for count in busy.values())
        assert busy == {name: world.fleet.under_way(name) for name in names}
        assert not queue or all(count == slots for count in busy.values())
    for task in queue:
        task.cancel()
