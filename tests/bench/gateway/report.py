"""The figures as tables in Markdown, and beside the goals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from statistics import median
from typing import Any

from tests.bench.gateway.measure import CLIENTS, STREAMS, Record, Streamed, Whole
from tests.bench.gateway.own import ENDPOINTS, KEYS_EACH, Audit, Own
from tests.bench.gateway.upstream import GAP_MS

BUSY = 0.9  # of its core: from here on it is the proxy that sets the rate
QUIET = 0.1  # of a core: more than this taken by others, and rates and times say little
COMPARED = 32  # clients


@dataclass(frozen=True)
class Result:
    records: Sequence[Record]
    owns: Sequence[Own]
    audits: Sequence[Audit]
    missing: Mapping[str, str]
    cores: int
    served: int  # by the model server, whoever asked

    def record(self, name: str) -> Record | None:
        return next((one for one in self.records if one.proxy.name == name), None)

    def gateways(self) -> list[Record]:
        names = {proxy.name for own in self.owns for proxy in (own.open, own.limited)}
        return [one for one in self.records if one.proxy.name in names]


@dataclass(frozen=True)
class Measure:
    """One line beside its goal; `met` is None where the goal belongs to a target that did not run."""

    what: str
    value: str
    goal: str
    met: bool | None = None
    note: str = ""


def text(result: Result) -> str:
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    if result.cores < 2:
        yield "Only one core: proxy and load share it, and no figure says much.\n"
    for name, reason in result.missing.items():
        yield f"{name} left out: {reason}.\n"
    yield from _quiet(result)
    yield from _whole_table(result)
    yield ""
    yield from _stream_table(result)
    yield ""
    yield from _starts(result)
    yield ""
    yield from _goals(result)


def _quiet(result: Result) -> Iterator[str]:
    proxies = [record for record in result.records if record.proxy.process is not None]
    shares = [one.others for record in proxies for seen in record.whole.values() for one in seen]
    if not shares:
        return
    others, most = median(shares), max(shares)
    yield f"Other work on the two cores: {others:.0%} of one in the median, {most:.0%} at most."
    if others > QUIET:
        yield "So rates and times are provisional; CPU per request suffers less."
    yield ""


def _whole_table(result: Result) -> Iterator[str]:
    yield from _head(
        f"requests/s at {_of(CLIENTS)} clients",
        "p50 / p99 at 1, ms",
        f"p50 / p99 at {COMPARED}, ms",
        f"CPU µs/request at {COMPARED}",
        f"core busy at {_of(CLIENTS)}",
        f"load's core busy at {COMPARED}",
        "bad",
    )
    for record in result.records:
        one, many = record.whole_at(1), record.whole_at(COMPARED)
        every = [record.whole_at(clients) for clients in CLIENTS]
        yield _row(
            record.proxy.name,
            " / ".join(f"{each.rate:,.0f}" for each in every),
            f"{one.p50 * 1e3:.2f} / {one.p99 * 1e3:.1f}",
            f"{many.p50 * 1e3:.1f} / {many.p99 * 1e3:.1f}",
            f"{many.cpu * 1e6:,.0f}",
            " / ".join(f"{each.busy:.2f}" for each in every),
            f"{many.load_busy:.2f}",
            str(record.bad),
        )


def _stream_table(result: Result) -> Iterator[str]:
    yield from _head(*(f"{count} streams" for count in STREAMS))
    for record in result.records:
        yield _row(record.proxy.name, *(_streams(record.streamed_at(count)) for count in STREAMS))
    yield ""
    yield (
        "(Share of the events due · time to the first · lag p50/p99 · CPU per event; * does not keep up: "
        "95 % of the events, p99 below 25 ms.)"
    )


def _streams(seen: Streamed | None) -> str:
    if seen is None:
        return "–"
    mark = "" if seen.keeps_up else " *"
    lag = f"{seen.lag_p50 * 1e3:.1f}/{seen.lag_p99 * 1e3:.1f} ms"
    return f"{seen.share:.0%} · {seen.first * 1e3:.1f} ms · {lag} · {seen.cpu * 1e6:.0f} µs{mark}"


def _starts(result: Result) -> Iterator[str]:
    for own, audit in zip(result.owns, result.audits, strict=True):
        due, counted = audit.due, audit.counted
        yield (
            f"{own.open.name}: {own.megabytes:.0f} MB with {ENDPOINTS:,} endpoints and {ENDPOINTS * KEYS_EACH:,} keys, "
            f"{audit.megabytes:.0f} MB after {due.requests:,} requests; listened after {own.listening_seconds:.1f} s, "
            f"complete table after {own.complete_seconds:.1f} s"
        )
        yield (
            f"{own.open.name}, audit: {counted.requests - due.requests:+,} requests, {counted.prompt - due.prompt:+,} "
            f"prompt and {counted.completion - due.completion:+,} completion tokens against {due.requests:,}, "
            f"{due.prompt:,} and {due.completion:,}"
        )
    asked = sum(record.answers + record.streams for record in result.records)
    yield f"the model server answered {result.served:,} times, the clients were answered {asked:,} times"


def _goals(result: Result) -> Iterator[str]:
    for measure in measures(result):
        verdict = {None: "", True: "met", False: "missed"}[measure.met]
        note = f"  ({measure.note})" if measure.note else ""
        yield f"{measure.what:68} {measure.value:>16}  {measure.goal:>10}  {verdict}{note}".rstrip()


def measures(result: Result) -> Iterator[Measure]:
    """The goals of the gateway on ASGI ("step A"), for each way it was asked."""
    direct = result.records[0]
    for record in result.gateways():
        for name, goal in (("nginx", 0.07), ("litellm", 40.0)):
            peer = result.record(name)
            if peer is not None:
                yield from _against(record, peer, goal)
        if (nginx := result.record("nginx")) is not None:
            added, peers = (_added(one, direct) for one in (record, nginx))
            yield Measure(
                f"{record.proxy.name}: added p50 at 1 client, against nginx ({peers * 1e3:.2f} ms)",
                f"{added * 1e3:.2f} ms",
                "<= 5 x",
                added <= 5 * peers,
            )
            yield from _events_against(record, nginx)
        yield from _delays(record, direct)
        ratio = record.whole_at(128).rate / record.whole_at(COMPARED).rate
        yield Measure(f"{record.proxy.name}: requests/s at 128 clients, against 32", f"{ratio:.2f} x", "")
        kept = _kept_up(record)
        what = f"{record.proxy.name}: streams with {GAP_MS} ms gaps that keep up"
        yield Measure(what, str(kept), ">= 100", kept >= 100)
    for own in result.owns:
        yield Measure(
            f"{own.open.name}: memory with {ENDPOINTS * KEYS_EACH:,} keys routed",
            f"{own.megabytes:.0f} MB",
            "<= 150 MB",
            own.megabytes <= 150,
        )


def _kept_up(record: Record) -> int:
    """The most streams that were kept up with, and all smaller numbers too."""
    seen = ((count, record.streamed_at(count)) for count in STREAMS)
    kept = takewhile(lambda pair: pair[1] is not None and pair[1].keeps_up, seen)
    return max((count for count, _ in kept), default=0)


def _against(record: Record, peer: Record, goal: float) -> Iterator[Measure]:
    """By the rate, and by the CPU time: the second stands where our load could not keep the peer busy."""
    own, other = record.whole_at(COMPARED), peer.whole_at(COMPARED)
    bound = _bound(peer, other)
    names = f"{record.proxy.name} against {peer.proxy.name}, {COMPARED} clients"
    rates, capacities = own.rate / other.rate, own.capacity / other.capacity
    yield Measure(f"{names}: requests/s", f"{rates:.3f} x", f">= {goal:g} x", rates >= goal, bound)
    yield Measure(
        f"{names}: requests per CPU second", f"{capacities:.3f} x", f">= {goal:g} x", capacities >= goal
    )


def _bound(peer: Record, seen: Whole) -> str:
    """Why the peer's rate is not the peer's own; empty where it is."""
    if seen.busy >= BUSY:
        return ""
    by = "the load generator" if seen.load_busy + seen.others >= BUSY else "waiting"
    by = "other work on the machine" if seen.others > QUIET else by
    return f"bound by {by}: {peer.proxy.name} used {seen.busy:.0%} of its core, so the next line counts"


def _added(record: Record, direct: Record) -> float:
    return record.whole_at(1).p50 - direct.whole_at(1).p50


def _events_against(record: Record, nginx: Record) -> Iterator[Measure]:
    own, other = record.streamed_at(100), nginx.streamed_at(100)
    if own is not None and other is not None and other.cpu:
        yield Measure(
            f"{record.proxy.name}: CPU per event at 100 streams, against nginx",
            f"{own.cpu / other.cpu:.1f} x",
            "",
        )


def _delays(record: Record, direct: Record) -> Iterator[Measure]:
    own, least = record.streamed_at(100), direct.streamed_at(100)
    if own is not None and least is not None:
        first, late = (own.first - least.first) * 1e3, own.lag_p99 * 1e3
        yield Measure(
            f"{record.proxy.name}: added time to the first event / lag p99 at 100 streams",
            f"{first:.1f} / {late:.1f} ms",
            "",
        )


def figures(result: Result) -> dict[str, Any]:
    return {
        "cores": result.cores,
        "missing": dict(result.missing),
        "targets": {record.proxy.name: _figures_of(record) for record in result.records},
        "gateways": [
            {
                "name": own.open.name,
                "megabytes_at_start": own.megabytes,
                "listening_seconds": own.listening_seconds,
                "complete_seconds": own.complete_seconds,
                "audit": asdict(audit),
            }
            for own, audit in zip(result.owns, result.audits, strict=True)
        ],
        "served": result.served,
        "goals": [asdict(measure) for measure in measures(result)],
    }


def _figures_of(record: Record) -> dict[str, Any]:
    return {
        "whole": {count: asdict(record.whole_at(count)) for count in record.whole},
        "streamed": {
            count: {**asdict(seen), "keeps_up": seen.keeps_up}
            for count in record.streamed
            if (seen := record.streamed_at(count)) is not None
        },
        "answers": record.answers,
        "streams": record.streams,
        "bad": record.bad,
    }


def _of(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


def _head(*names: str) -> Iterator[str]:
    yield _row("target", *names)
    yield _row(*["---"] * (len(names) + 1))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
