"""What is counted of each prediction: for Prometheus, and per endpoint and key.

`account` is called exactly once per prediction that reached an endpoint, also when it failed or its client
left. The counts per key stay in memory; they are what usage records will be made of.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from endpoints.gateway.formats.call import Exchange, Usage

log = structlog.get_logger()

CLIENT_GONE = 499  # counted under this status; nobody receives it
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


@dataclass(slots=True)
class Prediction:
    """One request's way through the gateway. Times are in seconds."""

    request_id: str
    format: str = ""
    endpoint: str = ""
    key: str = ""
    status: int = 0
    began: float = field(default_factory=time.perf_counter)
    queue: float = 0.0
    upstream: float = 0.0  # until the answer's first byte, or all of it when it is not streamed
    exchanges: Sequence[Exchange] = ()

    def stamps(self) -> list[tuple[bytes, bytes]]:
        """The headers that every answer carries; the gateway's share is what is left of the time until now."""
        own = time.perf_counter() - self.began - self.queue - self.upstream
        instances = ",".join(
            dict.fromkeys(exchange.instance for exchange in self.exchanges if exchange.instance)
        )
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"x-studio-instance", instances.encode()),
            (b"x-studio-queue-ms", _milliseconds(self.queue)),
            (b"x-studio-upstream-ms", _milliseconds(self.upstream)),
            (b"x-studio-gateway-ms", _milliseconds(own)),
        ]

    def usage(self) -> Usage:
        return sum((exchange.usage() for exchange in self.exchanges), Usage())


@dataclass(slots=True)
class Tally:
    """Of one key at one endpoint, since the start."""

    requests: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)


class Meter:
    def __init__(self, log_share: float = 0.0) -> None:
        self.registry = CollectorRegistry()
        self.tallies: dict[tuple[str, str], Tally] = {}
        self._log_share = log_share
        self._requests = Counter(
            "studio_gateway_requests",
            "Predictions answered",
            ["endpoint", "format", "status"],
            registry=self.registry,
        )
        self._tokens = Counter(
            "studio_gateway_tokens",
            "Tokens, as the instances count them",
            ["endpoint", "kind"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "studio_gateway_seconds", "Time until the end of the answer", ["endpoint"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._first_token = Histogram(
            "studio_gateway_first_token_seconds", "Time until the first token of a stream", ["endpoint"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.routes = Gauge("studio_gateway_routes", "Endpoints in the route table", registry=self.registry)
        self.complete = Gauge(
            "studio_gateway_routes_complete", "1 when the route table is complete", registry=self.registry
        )
        self.connected = Gauge(
            "studio_gateway_broker_connected", "1 while the broker answers", registry=self.registry
        )

    def account(self, prediction: Prediction) -> None:
        usage = prediction.usage()
        endpoint = prediction.endpoint
        tally = self.tallies.setdefault((endpoint, prediction.key), Tally())
        tally.requests += 1
        tally.failed += prediction.status != 200
        tally.usage += usage
        self._requests.labels(endpoint, prediction.format, str(prediction.status)).inc()
        self._tokens.labels(endpoint, "prompt").inc(usage.prompt)
        self._tokens.labels(endpoint, "completion").inc(usage.completion)
        self._seconds.labels(endpoint).observe(time.perf_counter() - prediction.began)
        for exchange in prediction.exchanges:
            if exchange.call.stream:
                self._first_token.labels(endpoint).observe(exchange.clock.until_first())
        if self._log_share and random.random() < self._log_share:
            _log(prediction, usage)


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


def _milliseconds(seconds: float) -> bytes:
    return b"%.1f" % (max(seconds, 0.0) * 1000)
