"""The gateway as a process of its own, with ten thousand endpoints routed, two of which are asked."""

import base64
import contextlib
import http.client
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from endpoints import wire
from endpoints.wire import Key, Limits, Route, Upstream
from studio import seal
from tests.bench.gateway.load import Target
from tests.bench.gateway.measure import Record
from tests.bench.gateway.proxies import Proxy, folder, free_port, process, until_answers
from tests.bench.gateway.upstream import COMPLETION_TOKENS, EVENTS, PROMPT_TOKENS
from tests.gateway.control import PROJECT, Control
from tests.support import broker
from tests.support.waiting import eventually_async

ENDPOINTS = 10_000
KEYS_EACH = 10
BATCH = 500
OPEN, LIMITED = "open", "limited"  # the keys, and the endpoints they open
# Limits that no run reaches: what is measured is the counting.
GENEROUS = Limits(
    requests_per_minute=10**9,
    tokens_per_minute=10**12,
    parallel=10**6,
    tokens_per_day=10**13,
    tokens_per_month=10**14,
)


@dataclass(frozen=True)
class Variant:
    """A way to run the gateway: further arguments of its program, and its environment."""

    name: str = "gateway"
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, said: str) -> "Variant":
        """`NAME:WORD WORD …`; a word NAME=VALUE goes into the environment. Raises ValueError."""
        name, colon, rest = said.partition(":")
        if not name or not colon:
            raise ValueError(f"a variant is NAME:WORD WORD ..., not {said!r}")
        words = rest.split()
        told = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("-"))
        return cls(name, tuple(word for word in words if word.partition("=")[0] not in told), told)


@dataclass(frozen=True)
class Own:
    """A running gateway, asked with two keys, and what its start cost."""

    open: Proxy
    limited: Proxy
    metrics_port: int
    listening_seconds: float
    complete_seconds: float
    megabytes: float

    def counted(self) -> "Counted":
        """What the gateway says it has done."""
        return Counted.read(_get(self.metrics_port, "/metrics"))


@dataclass(frozen=True)
class Counted:
    """Answered with 200, and the tokens of them."""

    requests: int
    prompt: int
    completion: int

    @classmethod
    def read(cls, text: str) -> "Counted":
        sums = {"requests": 0, "prompt": 0, "completion": 0}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "studio_gateway_requests_total" and sample.labels["status"] == "200":
                    sums["requests"] += int(sample.value)
                elif sample.name == "studio_gateway_tokens_total":
                    sums[sample.labels["kind"]] += int(sample.value)
        return cls(**sums)


@dataclass(frozen=True)
class Audit:
    """Whether both sides have counted the same, and what the memory has grown to meanwhile."""

    due: Counted
    counted: Counted
    megabytes: float

    @classmethod
    async def of(cls, own: Own, records: Sequence[Record]) -> "Audit":
        """A prediction is accounted for when its answer has left, so the count may be a moment late."""
        asked = [record for record in records if record.proxy in {own.open, own.limited}]
        answers, streams = (sum(getattr(one, kind) for one in asked) for kind in ("answers", "streams"))
        due = Counted(
            answers + streams,
            (answers + streams) * PROMPT_TOKENS,
            answers * COMPLETION_TOKENS + streams * EVENTS,
        )
        with contextlib.suppress(AssertionError):
            await eventually_async(lambda: own.counted() == due, timeout=3)
        return cls(due, own.counted(), own.open.megabytes())


@contextlib.contextmanager
def routed(upstream: int, endpoints: int = ENDPOINTS) -> Iterator[tuple[broker.Broker, Control]]:
    """A broker with the whole table in it, as control leaves it."""
    with broker.embedded() as started:
        control = Control(started.client(), nudges=False)
        routes = [
            _route(control, 0, OPEN, upstream, None),
            _route(control, 1, LIMITED, upstream, GENEROUS),
            *(_filler(control, number) for number in range(2, endpoints)),
        ]
        for begin in range(0, len(routes), BATCH):
            _publish(control, routes[begin : begin + BATCH])
        control.complete()
        yield started, control


def _publish(control: Control, routes: list[Route]) -> None:
    """As `Control.publish`, many at once."""
    private = seal.ring(control.pair[0])[0]
    change = control.broker.incrby(wire.CHANGES, len(routes)) - len(routes)
    pipe = control.broker.pipeline(transaction=True)
    pipe.hset(
        wire.ROUTES, mapping={one.endpoint: wire.pack(one, control.seal_key, private) for one in routes}
    )
    pipe.zadd(wire.LOG, {one.endpoint: change + number for number, one in enumerate(routes, start=1)})
    pipe.execute()


def endpoint(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _route(control: Control, number: int, key: str, port: int, limits: Limits | None) -> Route:
    """An endpoint as it is asked; two ready instances, so that one has to be chosen."""
    filler = _filler(control, number)
    held = control.key(key)
    keys = [Key(held.id, held.digest, limits), *filler.keys[1:]]
    upstreams = [Upstream(f"{number}-{one}", "127.0.0.1", port, f"token-{one}") for one in "ab"]
    return Route(
        endpoint=filler.endpoint, project=PROJECT, version=1, name=key, status="Live", model="served",
        names=["bench"], keys=keys, upstreams=upstreams,
    )  # fmt: skip


def _filler(control: Control, number: int) -> Route:
    keys = [control.key(f"key-{number}-{one}") for one in range(KEYS_EACH)]
    away = Upstream(f"instance-{number}", "127.0.0.1", 9, f"token-{number}")
    return Route(
        endpoint=endpoint(number), project=PROJECT, version=1, name=f"endpoint-{number}", status="Live",
        model="served", names=["bench"], keys=keys, upstreams=[away],
    )  # fmt: skip


@contextlib.contextmanager
def gateway(variant: Variant, own: broker.Broker, control: Control) -> Iterator[Own]:
    port, metrics_port = free_port(), free_port()
    told = {
        "STUDIO_PORT": str(port),
        "STUDIO_BROKER_URL": own.celery_url,
        "STUDIO_KEY_PEPPER": base64.urlsafe_b64encode(control.pepper).decode(),
        "STUDIO_ROUTES_SEAL": base64.urlsafe_b64encode(control.seal_key).decode(),
        "STUDIO_ROUTES_VERIFY": control.pair[1],
        "STUDIO_GATEWAY_METRICS_PORT": str(metrics_port),
        "STUDIO_WEB_SOCKET": "",
        **variant.environment,
    }
    command = [sys.executable, "-m", "endpoints.gateway", *variant.arguments]
    with folder() as place, process(command, place, told) as running:
        listening = until_answers(port, "/healthz", running, place)
        complete = listening + until_answers(port, "/readyz", running, place)
        paths = [f"/v1/{PROJECT}/{endpoint(number)}/chat/completions" for number in (0, 1)]
        proxies = [
            Proxy(name, Target(port, path, key), running)
            for name, path, key in zip(
                (variant.name, f"{variant.name}, limited key"), paths, (OPEN, LIMITED), strict=True
            )
        ]
        yield Own(*proxies, metrics_port, listening, complete, proxies[0].megabytes())


def _get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()
