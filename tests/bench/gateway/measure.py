"""Rounds over all targets in turn, and their medians: what else the machine does then meets all of them alike."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from statistics import median
from typing import TypeVar

import psutil

from tests.bench.gateway.load import Run, drive
from tests.bench.gateway.proxies import LOAD_CORE, PROXY_CORE, Proxy
from tests.bench.gateway.upstream import GAP_MS

CLIENTS = (1, 32, 128)
STREAMS = (10, 50, 100, 200)
WARM_UP_SECONDS = 0.5
HOPELESS = 0.5  # whoever gives fewer of the events due is not asked for more streams

IDEAL_SHARE = 0.95
LATEST_SECONDS = 0.025


@dataclass(frozen=True)
class Whole:
    """Answers that come as one. Times in seconds.

    Shares of a core's time: `busy` is what the proxy used of its own, `load_busy` what we used of ours, `others`
    what was taken by work that is not the benchmark's, on the core where that was more.
    """

    rate: float
    p50: float
    p99: float
    cpu: float  # per request
    busy: float
    load_busy: float
    others: float

    @property
    def capacity(self) -> float:
        """Requests per second of CPU time: the rate, if the proxy alone had set it."""
        return 1 / self.cpu if self.cpu else 0.0


@dataclass(frozen=True)
class Streamed:
    """Streams with an event each GAP_MS; `share`: of the events due."""

    rate: float
    share: float
    first: float  # time to the first event, median
    lag_p50: float
    lag_p99: float
    cpu: float  # per event
    busy: float
    load_busy: float
    others: float

    @property
    def keeps_up(self) -> bool:
        return self.share >= IDEAL_SHARE and self.lag_p99 < LATEST_SECONDS


Figures = TypeVar("Figures", Whole, Streamed)


@dataclass
class Record:
    """All that was seen of one target."""

    proxy: Proxy
    whole: dict[int, list[Whole]] = field(default_factory=dict)
    streamed: dict[int, list[Streamed]] = field(default_factory=dict)
    answers: int = 0  # warm-up included
    streams: int = 0
    bad: int = 0

    def whole_at(self, clients: int) -> Whole:
        return medians(self.whole[clients])

    def streamed_at(self, streams: int) -> Streamed | None:
        """None where it fell behind with fewer."""
        seen = self.streamed.get(streams)
        return medians(seen) if seen else None

    def is_hopeless(self) -> bool:
        return any(one.share < HOPELESS for seen in self.streamed.values() for one in seen)


def medians(seen: Sequence[Figures]) -> Figures:
    kind = type(seen[0])
    return kind(*(median(getattr(one, each.name) for one in seen) for each in fields(kind)))


def quantile(values: Sequence[float], share: float) -> float:
    """0.0 of nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


async def measure(proxies: Sequence[Proxy], *, rounds: int, seconds: float) -> list[Record]:
    records = [Record(proxy) for proxy in proxies]
    for record in records:
        await _run(record, 32, WARM_UP_SECONDS, stream=False)
        await _run(record, 4, WARM_UP_SECONDS, stream=True)
    for _ in range(rounds):
        for clients in CLIENTS:
            for record in records:
                record.whole.setdefault(clients, []).append(
                    await _whole(record, clients, seconds * record.proxy.slowness)
                )
        for streams in STREAMS:
            for record in records:
                if not record.is_hopeless() or streams in record.streamed:
                    record.streamed.setdefault(streams, []).append(await _streamed(record, streams, seconds))
    return records


async def _whole(record: Record, clients: int, seconds: float) -> Whole:
    run, cost = await _run(record, clients, seconds, stream=False)
    return Whole(
        rate=run.rate,
        p50=quantile(run.latencies, 0.50),
        p99=quantile(run.latencies, 0.99),
        cpu=cost.proxy / max(run.answers, 1),
        busy=cost.proxy / cost.elapsed,
        load_busy=cost.load / cost.elapsed,
        others=cost.others / cost.elapsed,
    )


async def _streamed(record: Record, streams: int, seconds: float) -> Streamed:
    run, cost = await _run(record, streams, seconds, stream=True)
    return Streamed(
        rate=run.rate,
        share=run.rate / (streams * 1000 / GAP_MS),
        first=quantile(run.latencies, 0.50),
        lag_p50=quantile(run.lags, 0.50),
        lag_p99=quantile(run.lags, 0.99),
        cpu=cost.proxy / max(run.events, 1),
        busy=cost.proxy / cost.elapsed,
        load_busy=cost.load / cost.elapsed,
        others=cost.others / cost.elapsed,
    )


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU, and of the clock."""

    proxy: float
    load: float
    others: float
    elapsed: float


async def _run(record: Record, clients: int, seconds: float, *, stream: bool) -> tuple[Run, Cost]:
    before = _spent(record.proxy)
    run = await drive(record.proxy.target, clients, seconds, stream=stream)
    proxy, load, proxy_core, load_core, elapsed = (
        now - then for now, then in zip(_spent(record.proxy), before, strict=True)
    )
    others = max(proxy_core - proxy, load_core - load, 0.0) if PROXY_CORE != LOAD_CORE else 0.0
    if stream:
        record.streams += run.answers
    else:
        record.answers += run.answers
    record.bad += run.bad
    return run, Cost(proxy, load, others, elapsed)


def _spent(proxy: Proxy) -> tuple[float, float, float, float, float]:
    """Until now: the proxy's CPU time, ours, all that was used of its core and of ours, and the clock."""
    cores = psutil.cpu_times(percpu=True)
    used = [sum(one[:8]) - one.idle - one.iowait for one in (cores[PROXY_CORE], cores[LOAD_CORE])]
    return proxy.cpu_seconds(), time.process_time(), used[0], used[1], time.monotonic()
