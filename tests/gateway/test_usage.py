"""Usage: kept until control has it, handed over once, whoever dies."""

import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.gateway import journal as journals
from endpoints.gateway.background import broker_client
from endpoints.gateway.journal import Journal, coarsened
from endpoints.gateway.meter import Meter
from endpoints.gateway.reporter import Reporter
from endpoints.usage import wire
from endpoints.usage.wire import Row, Times
from studio import seal
from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, V1_STREAM, V2
from tests.gateway.control import ENDPOINT, KEY, STOPPED, STOPPED_KEY
from tests.support.effort import examples

SEAL = seal.ring(seal.new_key())[0]


def row(key: str = "k", minute: int = 100, requests: int = 1) -> Row:
    made = Row("e", key, minute, requests=requests)
    made.response.note(0.2)
    return made


def counted(batches) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in batches:
        for one in batch.rows:
            found[one.key] += one.requests
    return found


# ----- the journal ----------------------------------------------------------------------------------------


def test_a_batch_stays_the_same_until_it_is_taken(tmp_path):
    journal = Journal.begun("g", tmp_path)
    journal.append([row(requests=2)])
    first = journal.next_batch()
    journal.append([row(requests=3)])
    assert journal.next_batch() is first
    journal.taken(1)
    second = journal.next_batch()
    assert (first.number, counted([first])) == (1, {"k": 2})
    assert (second.number, counted([second])) == (2, {"k": 3})
    journal.taken(2)
    assert journal.is_empty
    journal.close()
    assert not list(tmp_path.iterdir())


def test_the_next_gateway_takes_over_what_a_dead_one_left(tmp_path):
    dead = Journal.begun("dead", tmp_path)
    dead.append([row("a")])
    first = dead.next_batch()
    dead.append([row("b")])
    dead.append([row("b"), row("c")])
    assert not Journal.left_behind(tmp_path), "it runs"
    _die(dead)
    (left,) = Journal.left_behind(tmp_path)
    assert left.next_batch() == first
    left.taken(1)
    assert (left.next_batch().number, counted([left.next_batch()])) == (2, {"b": 2, "c": 1})
    left.taken(2)
    left.close()
    assert not list(tmp_path.iterdir())


def test_two_gateways_never_take_over_the_same_run(tmp_path):
    _die(_filled("dead", tmp_path))
    one, other = Journal.left_behind(tmp_path), Journal.left_behind(tmp_path)
    assert ([left.gateway for left in one], other) == (["dead"], [])


@pytest.mark.parametrize("cut", [1, 3, 4, 20])
def test_a_frame_that_was_not_finished_is_left_out(tmp_path, cut):
    _die(_filled("dead", tmp_path, rounds=2))
    file = tmp_path / "dead" / "1.rows"
    file.write_bytes(file.read_bytes()[:-cut])
    (left,) = Journal.left_behind(tmp_path)
    assert counted([left.next_batch()]) == {"k": 1}


def test_a_spool_that_cannot_be_written_costs_nothing_but_its_safety(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    journal = Journal.begun("g", blocked)
    journal.append([row()])
    assert counted([journal.next_batch()]) == {"k": 1}


def test_what_a_full_disk_refused_is_written_with_the_next_round(tmp_path):
    journal = Journal.begun("g", tmp_path)
    journal.append([row("a")])
    (tmp_path / "g" / "1.rows").unlink()
    (tmp_path / "g" / "1.rows").mkdir()  # nothing can be appended to it
    journal.append([row("b")])
    (tmp_path / "g" / "1.rows").rmdir()
    journal.append([row("c")])
    _die(journal)
    (left,) = Journal.left_behind(tmp_path)
    assert counted([left.next_batch()]) == {"a": 1, "b": 1, "c": 1}


def test_a_long_outage_is_kept_in_few_rows_with_the_same_sums(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "MOST_ROWS", 100)
    monkeypatch.setattr(journals, "MOST_BYTES", 20_000)
    journal = Journal.begun("g", tmp_path)
    for minute in range(1000):
        journal.append([row(minute=minute)])
    assert (tmp_path / "g" / "1.rows").stat().st_size < 50_000
    _die(journal)
    (left,) = Journal.left_behind(tmp_path)
    batch = left.next_batch()
    assert len(batch.rows) <= 100
    assert counted([batch]) == {"k": 1000}


rows = st.builds(row, st.sampled_from("ab"), st.integers(0, 400), st.integers(0, 5))


@given(st.lists(rows, min_size=1, max_size=60))
def test_coarser_rows_have_the_same_sums(given_rows):
    before = counted([wire.Batch("g", 1, given_rows)])
    newest = max(one.minute for one in given_rows)
    found = coarsened(given_rows)
    assert counted([wire.Batch("g", 1, list(found.values()))]) == before
    assert all(one.minute > newest - 60 or one.minute % 60 == 0 for one in found.values())


@settings(max_examples=examples(60), deadline=None)
@given(steps=st.lists(st.sampled_from(["count", "hand over", "die", "lose the answer"]), max_size=40))
def test_whatever_dies_when_nothing_written_is_lost_or_counted_twice(tmp_path_factory, steps):
    """Control is a number per run and a sum: it takes each batch once, in order."""
    spool = tmp_path_factory.mktemp("spool")
    runs = 0
    taken: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    written = 0
    mine = Journal.begun("g0", spool)
    others: list[Journal] = []
    for step in [*steps, "die", *["hand over"] * (len(steps) + 2)]:
        if step == "count":
            mine.append([row()])
            written += 1
        elif step == "die":
            for journal in (mine, *others):
                _die(journal)
            runs += 1
            others = Journal.left_behind(spool)
            mine = Journal.begun(f"g{runs}", spool)
        else:
            for journal in (mine, *others):
                if (batch := journal.next_batch()) is not None:
                    if batch.number == taken[batch.gateway] + 1:
                        taken[batch.gateway] = batch.number
                        sums += counted([batch])
                    assert batch.number <= taken[batch.gateway]
                    if step == "hand over":
                        journal.taken(batch.number)
    assert sums["k"] == written


def _filled(gateway: str, spool: Path, rounds: int = 1) -> Journal:
    journal = Journal.begun(gateway, spool)
    for _ in range(rounds):
        journal.append([row()])
    return journal


def _die(journal: Journal) -> None:
    """As a kill does: the lock is free, and nothing else is done."""
    import os

    os.close(journal._handle)
    journal._handle = None


# ----- handing over ---------------------------------------------------------------------------------------


class Control:
    """The far side: takes each batch once, and says so."""

    def __init__(self, broker) -> None:
        self.broker = broker
        self.numbers: Counter[str] = Counter()
        self.requests = 0

    def take(self) -> None:
        found = [wire.unpack(raw, [SEAL]) for raw in self.broker.hvals(wire.BATCHES)]
        for batch in sorted(found, key=lambda batch: batch.number):
            if batch.number == self.numbers[batch.gateway] + 1:
                self.numbers[batch.gateway] = batch.number
                self.requests += sum(one.requests for one in batch.rows)
            self.broker.hset(wire.TAKEN, batch.gateway, self.numbers[batch.gateway])
            self.broker.hdel(wire.BATCHES, wire.batch_field(batch.gateway, batch.number))


def count(meter: Meter, number: int) -> None:
    for _ in range(number):
        meter._row("e", "k").requests += 1


@contextlib.asynccontextmanager
async def reporting(broker, spool: Path, gateway: str = "g"):
    present: list[int] = []
    async with broker_client(broker.url) as client:
        meter = Meter()
        yield meter, Reporter(client, meter, gateway, spool, lambda: SEAL, present.append), present


async def test_what_is_counted_arrives_once_though_control_is_slow_and_the_broker_forgets(
    broker, broker_client, tmp_path
):
    control = Control(broker_client)
    async with reporting(broker, tmp_path) as (meter, reporter, _):
        for round in range(30):
            count(meter, 1)
            await reporter.report()
            if round % 7 == 3:
                control.take()
            if round % 10 == 9:
                broker_client.flushall()
                reporter._said.clear()  # as after SAY_AGAIN seconds
        for _ in range(4):
            await reporter.report()
            control.take()
    assert control.requests == 30


async def test_the_usage_of_a_killed_gateway_is_handed_over_by_the_next_one(broker, broker_client, tmp_path):
    control = Control(broker_client)
    async with reporting(broker, tmp_path, "killed") as (meter, reporter, _):
        count(meter, 5)
        await reporter.report()
        count(meter, 4)
        await reporter.report()
        control.take()  # number 1, and nobody heard the answer
        _die(reporter._own)
    async with reporting(broker, tmp_path, "next") as (_, reporter, _):
        for _ in range(4):
            await reporter.report()
            control.take()
    assert control.requests == 9
    assert [path.name for path in tmp_path.iterdir()] == ["next"]


async def test_a_gateway_that_stops_leaves_everything_in_the_broker(broker, broker_client, tmp_path):
    control = Control(broker_client)
    async with reporting(broker, tmp_path) as (meter, reporter, _):
        count(meter, 2)
        await reporter.report()
        count(meter, 3)
        await reporter.stop()
    control.take()
    assert control.requests == 5


async def test_an_outage_of_the_broker_loses_nothing(broker, broker_client, tmp_path, monkeypatch):
    control = Control(broker_client)
    async with reporting(broker, tmp_path) as (meter, reporter, _):
        working = reporter._broker
        reporter._broker = redis_away(tmp_path)
        for _ in range(3):
            count(meter, 1)
            await reporter.report()
        reporter._broker = working
        for _ in range(3):
            await reporter.report()
            control.take()
    assert control.requests == 3


def redis_away(tmp_path: Path):
    return broker_client(f"unix://{tmp_path}/nobody.sock")


async def test_gateways_know_how_many_they_are(broker, broker_client, tmp_path):
    async with (
        reporting(broker, tmp_path, "a") as (_, first, seen),
        reporting(broker, tmp_path, "b") as (_, second, _),
    ):
        await first.report()
        await second.report()
        first._present_at = float("-inf")
        await first.report()
        await second.stop()
        first._present_at = float("-inf")
        await first.report()
    assert seen == [1, 2, 1]


# ----- what is counted ------------------------------------------------------------------------------------


async def breaks_off(seen: fake.Seen, out: fake.Out) -> None:
    await out.begin_events()
    await out.event(fake.chunk("one", chat=True))
    await out.end()


async def test_every_way_to_end_is_counted_in_its_class(world):
    meter = world.gateway.meter
    found: Counter[str] = Counter()
    meter.take_rows()
    meter.take_rows = list  # the reporter's turn is ours

    async def ask(path: str, body: object, key: str = KEY) -> int:
        async with world.post(path, body, key=key) as response:
            await response.read()
            return response.status

    chat = {"messages": [{"role": "user", "content": "x"}]}
    assert await ask(V1, {"instances": ["x", "y"]}) == 200
    assert await ask(V2, {"items": [{"value": "x"}]}) == 200
    assert await ask(V1_STREAM, {"instance": "x"}) == 200
    assert await ask(V1, {"instances": 3}) == 400
    assert await ask(V1, {"instances": ["x"]}, key="nobody's") == 401
    assert await ask(V1.replace(ENDPOINT, STOPPED), {"instances": ["x"]}, key=STOPPED_KEY) == 503
    for instance in world.instances:
        instance.behave = breaks_off
    assert await ask(CHAT, chat | {"stream": True}) == 200
    for one in meter._rows.values():
        for name, number in zip(wire.ERRORS, one.errors, strict=True):
            found[f"{one.endpoint[0]} {name}"] += number
        found[f"{one.endpoint[0]} requests"] += one.requests
        found[f"{one.endpoint[0]} prompt"] += one.prompt_tokens
        found[f"{one.endpoint[0]} streams"] += one.first_token.count
        found[f"{one.endpoint[0]} executions"] += one.execution.count
    hello, stopped = ENDPOINT[0], STOPPED[0]
    assert found[f"{hello} requests"] == 5
    assert found[f"{hello} client"] == 1
    assert found[f"{hello} failed"] == 1
    assert found[f"{hello} prompt"] == 4 * fake.USAGE["prompt_tokens"]
    assert found[f"{hello} streams"] == 2
    assert found[f"{hello} executions"] == 4
    assert (found[f"{stopped} requests"], found[f"{stopped} unavailable"]) == (1, 1)


@given(st.lists(st.floats(0, 1000), max_size=50))
def test_every_time_is_in_one_bucket_and_below_its_bound(seconds):
    times = Times()
    for each in seconds:
        times.note(each)
    assert sum(times.buckets) == times.count == len(seconds)
    for index, bound in enumerate(wire.SECONDS):
        assert sum(times.buckets[: index + 1]) == sum(each <= bound for each in seconds)


def test_a_batch_is_what_it_was_after_its_way_over_the_wire():
    batch = wire.Batch("g", 7, [row(requests=random.randint(1, 9))])
    assert wire.unpack(wire.pack(batch, SEAL), [SEAL]) == batch
    with pytest.raises(seal.Unsealable):
        wire.unpack(wire.pack(batch, SEAL), [seal.ring(seal.new_key())[0]])
