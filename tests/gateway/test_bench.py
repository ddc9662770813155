"""The benchmark's own parts: what they count is what was sent."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.gateway import upstream
from tests.bench.gateway.load import Run, StreamClient, Target, WholeClient, drive
from tests.bench.gateway.measure import Record, quantile
from tests.bench.gateway.own import Audit, Variant, gateway, routed
from tests.bench.gateway.upstream import EVENTS, ModelServer, stamped

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"


async def test_both_sides_count_the_same_answers():
    async with ModelServer.started() as server:
        run = await drive(Target(server.port), 8, 0.3)
    assert run.answers == server.answers > run.within > 0
    assert (run.bad, len(run.latencies)) == (0, run.within)


async def test_both_sides_count_the_same_streams_and_every_event():
    async with ModelServer.started() as server:
        run = await drive(Target(server.port), 8, 0.3, stream=True)
    assert run.answers == server.streams >= 8
    assert (run.events, run.bad) == (run.answers * EVENTS, 0)
    assert len(run.lags) == run.within > 0
    assert min(run.lags) >= 0


async def test_the_gateway_counts_what_the_clients_were_answered():
    async with ModelServer.started() as server:
        with routed(server.port, endpoints=3) as (broker, control), gateway_of(broker, control) as own:
            open_, limited = Record(own.open), Record(own.limited)
            for record in (open_, limited):
                record.answers = (await drive(record.proxy.target, 4, 0.2)).answers
            open_.streams = (await drive(own.open.target, 2, 0.1, stream=True)).answers
            audit = await Audit.of(own, [open_, limited])
        assert audit.counted == audit.due
        assert audit.due.requests == server.answers + server.streams > 0


def gateway_of(broker, control):
    return gateway(Variant(), broker, control)


class Silent(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def write(self, data: bytes) -> None:
        self.sent += 1


def told(kind, whole: bytes, cuts: set[int], *, seconds: float) -> tuple[Run, Silent]:
    """A client that hears these bytes in pieces."""
    loop = asyncio.new_event_loop()
    run = Run(kind is StreamClient, seconds, until=seconds * 1e18)
    client, transport = kind(run, b"?", loop.create_future()), Silent()
    loop.close()
    client.connection_made(transport)
    client.ask()
    ends = sorted({cut for cut in cuts if cut < len(whole)} | {len(whole)})
    for begin, end in zip([0, *ends], ends, strict=False):
        if begin < end:
            client.data_received(whole[begin:end])
    return run, transport


CUTS = st.sets(st.integers(1, 25_000), max_size=60)


@given(cuts=CUTS)
def test_an_answer_counts_once_however_it_is_cut(cuts):
    run, transport = told(WholeClient, upstream.ANSWER, {cut % 600 for cut in cuts}, seconds=1)
    assert (run.answers, run.within, run.bad, transport.sent) == (1, 1, 0, 2)


@given(cuts=CUTS)
def test_a_stream_has_all_its_events_however_it_is_cut(cuts):
    whole = upstream.STREAM_HEAD + stamped() * EVENTS + upstream.STREAM_END
    run, _ = told(StreamClient, whole, cuts, seconds=1)
    assert (run.answers, run.events, run.bad) == (1, EVENTS, 0)


@pytest.mark.parametrize(
    ("kind", "whole"),
    [
        (WholeClient, NOT_FOUND),
        (StreamClient, NOT_FOUND),
        (StreamClient, upstream.STREAM_HEAD + stamped() * (EVENTS - 1) + upstream.STREAM_END),
        (StreamClient, upstream.STREAM_HEAD + stamped() * EVENTS + b"0\r\n\r\n"),
    ],
    ids=["another status", "another status of a stream", "an event short", "no last word"],
)
def test_a_bad_answer_is_counted_as_one(kind, whole):
    run, _ = told(kind, whole, set(), seconds=1)
    assert (run.answers, run.bad) == (1, 1)


def test_a_variant_has_arguments_and_an_environment():
    variant = Variant.read("second:--fast STUDIO_X=1 --depth=2")
    assert (variant.name, variant.arguments) == ("second", ("--fast", "--depth=2"))
    assert variant.environment == {"STUDIO_X": "1"}
    with pytest.raises(ValueError, match="a variant is"):
        Variant.read("second")


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.99, 5), (1.0, 5)])
def test_quantiles_are_values_that_were_seen(share, value):
    assert quantile([5, 1, 4, 2, 3], share) == value
    assert quantile([], share) == 0
