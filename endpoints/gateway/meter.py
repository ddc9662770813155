"""What is counted of each prediction: for usage per endpoint, key and minute, and for Prometheus.

`account` is called exactly once per prediction that reached an endpoint, also when it failed or its client
left. It adds to the minute's row and to one count per answer's status; everything else is made of these when
somebody asks, so that a prediction pays for it once.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from endpoints.gateway.formats.call import Exchange, Usage
from endpoints.gateway.limits import UNLIMITED, Ticket
from endpoints.usage.wire import ERRORS, SECONDS, Row, Times, error_class

log = structlog.get_logger()

BOUNDS = [*(f"{bound:g}" for bound in SECONDS), "+Inf"]
STAMPS = (
    b"x-request-id: %b\r\nx-studio-instance: %b\r\n"
    b"x-studio-queue-ms: %.1f\r\nx-studio-upstream-ms: %.1f\r\nx-studio-gateway-ms: %.1f\r\n"
)
ERROR_AT = {name: index for index, name in enumerate(ERRORS)}


@dataclass(slots=True)
class Prediction:
    """One request's way through the gateway. Times are in seconds."""

    request_id: str
    format: str = ""
    endpoint: str = ""
    key: str = ""
    status: int = 0
    began: float = field(default_factory=time.perf_counter)
    asked: bool = False  # whether instances were, or would have been as soon as one was free
    queue: float = 0.0
    upstream: float = 0.0  # until the answer's first byte, or all of it when it is not streamed
    exchanges: Sequence[Exchange] = ()
    ticket: Ticket = UNLIMITED
    prompt_bytes: int = 0  # where its key has limits

    def stamps(self) -> bytes:
        """The header lines that every answer carries; the gateway's share is what is left of the time until now."""
        own = time.perf_counter() - self.began - self.queue - self.upstream
        said = (
            self.request_id.encode(),
            self._instances().encode(),
            self.queue * 1000,
            self.upstream * 1000,
            max(own, 0.0) * 1000,
        )
        return STAMPS % said + self.ticket.header_lines()

    def _instances(self) -> str:
        if len(self.exchanges) == 1:
            return self.exchanges[0].instance
        return ",".join(dict.fromkeys(filter(None, (each.instance for each in self.exchanges))))

    def usage(self) -> Usage:
        if len(self.exchanges) == 1:
            return self.exchanges[0].usage()
        return sum((exchange.usage() for exchange in self.exchanges), Usage())


class Totals:
    """Of one endpoint, since the start."""

    def __init__(self) -> None:
        self.prompt = self.completion = 0
        self.response, self.first_token, self.queue = Times(), Times(), Times()

    def copy(self) -> "Totals":
        return deepcopy(self)

    def add(self, row: Row) -> None:
        self.prompt += row.prompt_tokens
        self.completion += row.completion_tokens
        self.response.add(row.response)
        self.first_token.add(row.first_token)
        self.queue.add(row.queue)


class Meter(Collector):
    """`gauges`: name → (what it says, how it is read), beside what predictions count."""

    def __init__(self, log_share: float = 0.0) -> None:
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._log_share = log_share
        self._rows: dict[tuple[str, str, int], Row] = {}
        self.answers: Counter[tuple[str, str, int]] = Counter()  # endpoint, format, status
        self._totals: dict[str, Totals] = {}

    def account(self, prediction: Prediction) -> None:
        usage = prediction.usage()
        status = prediction.status
        self.answers[prediction.endpoint, prediction.format, status] += 1
        row = self._row(prediction.endpoint, prediction.key)
        row.requests += 1
        row.prompt_tokens += usage.prompt
        row.completion_tokens += usage.completion
        if status != 200:
            row.errors[ERROR_AT[error_class(status) or "failed"]] += 1
        row.response.note(time.perf_counter() - prediction.began)
        if prediction.asked:
            row.queue.note(prediction.queue)
        if prediction.exchanges:
            row.execution.note(max(exchange.clock.whole() for exchange in prediction.exchanges))
            if prediction.exchanges[0].call.stream:
                row.first_token.note(prediction.queue + prediction.exchanges[0].clock.until_first())
        if self._log_share and random.random() < self._log_share:
            _log(prediction, usage)

    def _row(self, endpoint: str, key: str) -> Row:
        minute = int(time.time()) // 60
        row = self._rows.get((endpoint, key, minute))
        if row is None:
            row = self._rows[endpoint, key, minute] = Row(endpoint, key, minute)
        return row

    def take_rows(self) -> list[Row]:
        """What was counted since the last call; the caller's from now on."""
        rows, self._rows = list(self._rows.values()), {}
        for row in rows:
            self._totals.setdefault(row.endpoint, Totals()).add(row)
        return rows

    def forget(self, endpoint: str) -> None:
        """An endpoint that is no more has no series either: they would only grow."""
        self._totals.pop(endpoint, None)
        for key in [key for key in self.answers if key[0] == endpoint]:
            del self.answers[key]

    def collect(self) -> Iterator[Metric]:
        """For Prometheus, which asks from a thread of its own: everything is copied before it is read."""
        requests = CounterMetricFamily(
            "studio_gateway_requests", "Predictions answered", labels=["endpoint", "format", "status"]
        )
        for (endpoint, format, status), count in list(self.answers.items()):
            requests.add_metric([endpoint, format, str(status)], count)
        yield requests
        totals = self._summed()
        tokens = CounterMetricFamily(
            "studio_gateway_tokens", "Tokens, as the instances count them", labels=["endpoint", "kind"]
        )
        for endpoint, total in totals:
            tokens.add_metric([endpoint, "prompt"], total.prompt)
            tokens.add_metric([endpoint, "completion"], total.completion)
        yield tokens
        yield _histogram("seconds", "Time until the end of the answer", totals, lambda one: one.response)
        yield _histogram(
            "first_token_seconds",
            "Time until the first token of a stream",
            totals,
            lambda one: one.first_token,
        )
        yield _histogram("queue_seconds", "Time waited for a free instance", totals, lambda one: one.queue)
        for name, (says, read) in self.gauges.items():
            yield GaugeMetricFamily(f"studio_gateway_{name}", says, value=float(read()))

    def _summed(self) -> list[tuple[str, Totals]]:
        """The totals with what was counted since `take_rows`."""
        summed: dict[str, Totals] = {}
        for endpoint, total in list(self._totals.items()):
            summed[endpoint] = total.copy()
        for row in list(self._rows.values()):
            summed.setdefault(row.endpoint, Totals()).add(row)
        return list(summed.items())


def _histogram(
    name: str, says: str, totals: list[tuple[str, Totals]], which: Callable[[Totals], Times]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"studio_gateway_{name}", says, labels=["endpoint"])
    for endpoint, total in totals:
        times = which(total)
        below, buckets = 0, []
        for bound, count in zip(BOUNDS, times.buckets, strict=True):
            below += count
            buckets.append((bound, below))
        family.add_metric([endpoint], buckets, times.total)
    return family


def _log(prediction: Prediction, usage: Usage) -> None:
    log.info(
        "prediction",
        request_id=prediction.request_id,
        endpoint=prediction.endpoint,
        key=prediction.key,
        format=prediction.format,
        status=prediction.status,
        seconds=round(time.perf_counter() - prediction.began, 4),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
    )
