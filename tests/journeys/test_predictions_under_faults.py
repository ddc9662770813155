"""Predictions in every form, at three gateways, while everything behind them is killed, frozen and cut off in turn.

Nothing that may be asked again is lost, no stream ends without a word, no answer is another's, and in the end usage
says what the clients counted.
"""

import asyncio
import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import psutil
import pytest

from tests.support.asking import Target
from tests.support.crowd import Crowd, Page
from tests.support.desk import Desk, Endpoint
from tests.support.gateways import Beside, beside
from tests.support.oracle import Oracle
from tests.support.platform import Platform
from tests.support.strikes import FROZEN_OTHERWISE, FROZEN_SECONDS
from tests.support.tunnel import Tunnel, tunnel
from tests.support.waiting import eventually_async

CLIENTS = 64
BURST = 20  # long streams beside them when an instance is struck,
UNDER_WAY = (
    3  # and so many of them have begun: more than four at once are not sure, as many as one instance works on
)
INSTANCE = ("keeper", "server")
CALM_SECONDS = 90
HELP = (
    "How do I create an endpoint?", "What is snapi?", "What is an RDU?", "What is a tenant?",
    "How do I add a new API key?", "Why is my endpoint Awaiting RDU?",
)  # fmt: skip
ALL_FAULTS = (
    *(("server", "kill"), ("line", "cut"), ("control", "kill"), ("web", "freeze"), ("keeper", "kill")),
    *(("broker", "kill"), ("agent", "kill"), ("server", "freeze"), ("line", "swallow"), ("web", "kill")),
    *(("control", "freeze"), ("broker", "freeze"), ("keeper", "freeze"), ("agent", "freeze")),
)
A_FEW_FAULTS = (("server", "kill"), ("line", "swallow"), ("control", "kill"), ("broker", "kill"))
FAULT_SECONDS = FROZEN_SECONDS | {"server": 18.0}  # longer than a gateway waits for the rest of a stream
SHORT_SECONDS = 2.0  # of a fault that lasts, in the short version


@dataclass
class Field:
    """A platform with three endpoints of several instances on two nodes, and three gateways before them."""

    up: Platform
    desk: Desk
    oracle: Oracle
    talking: list[Endpoint]
    embedding: Endpoint
    line: Tunnel  # between the third gateway and the broker
    gateways: list[str]
    chance: random.Random

    @property
    def endpoints(self) -> list[Endpoint]:
        return [*self.talking, self.embedding]


@contextlib.asynccontextmanager
async def field(up: Platform, seed: int) -> AsyncIterator[Field]:
    desk, oracle = Desk(up), Oracle(up)
    # Three RDUs each: no node has room for all of them.
    made = [await asyncio.to_thread(desk.create, f"help-{seed}", instances=3, rdus=3)]
    made += [await asyncio.to_thread(desk.create, f"numbers-{seed}", instances=2, model="Number-Words")]
    made += [await asyncio.to_thread(desk.create, f"vectors-{seed}", instances=2, model="Tiny-Embed")]
    try:
        async with tunnel(up.folder / "broker" / "line.sock", up.folder / "broker" / "broker.sock") as line:
            with contextlib.ExitStack() as stack:
                near = await _entered(stack, beside(up, f"near-{seed}"))
                far = await _entered(stack, beside(up, f"far-{seed}", STUDIO_BROKER_URL=line.url))
                for endpoint in made:
                    await eventually_async(
                        lambda endpoint=endpoint: desk.info(endpoint)["instances_ready"] == endpoint["instances"],
                        timeout=60, what="all instances are ready",
                    )  # fmt: skip
                made = [desk.info(endpoint) for endpoint in made]
                assert len({row.node for row in oracle.instances(made[0]["id"])}) == 2
                urls = [up.url, *(each.url for each in [*near, *far])]
                yield Field(up, desk, oracle, made[:2], made[2], line, urls, random.Random(seed))
    finally:
        for endpoint in made:
            await asyncio.to_thread(desk.delete, endpoint)


async def _entered(
    stack: contextlib.ExitStack, gateways: contextlib.AbstractContextManager[list[Beside]]
) -> Any:
    return await asyncio.to_thread(stack.enter_context, gateways)


# ----- faults ---------------------------------------------------------------------------------------------


async def strike(field: Field, crowd: Crowd, kind: str, how: str, seconds: float | None) -> None:
    """The fault, for as long as it lasts. An instance is struck in the middle of many streams."""
    seconds = seconds or FAULT_SECONDS.get(kind, FROZEN_OTHERWISE)
    if kind == "line":
        field.line.cut() if how == "cut" else field.line.swallow()
        await _passed(seconds)
        await field.line.mend()
        return
    endpoint = field.chance.choice(field.talking)["id"]
    process = psutil.Process(await asyncio.to_thread(_pid_of, field, kind, endpoint))
    streams = None
    if kind in INSTANCE:
        streams = asyncio.create_task(crowd.burst(endpoint, BURST))
        begun = "streams are under way"
        await eventually_async(lambda: crowd.streaming >= UNDER_WAY, timeout=60, every=0.0, what=begun)
    process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGSTOP)
    if how == "freeze":
        await _passed(seconds)
        with contextlib.suppress(psutil.NoSuchProcess):  # who stands still too long may be ended
            process.send_signal(signal.SIGCONT)
    if streams is not None:
        await streams


def _pid_of(field: Field, kind: str, endpoint: str) -> int:
    """Of an agent, a keeper, a model server: one of the endpoint's at random."""
    if kind == "agent":
        return field.up.pid_of(f"agent-{field.chance.choice(field.oracle.instances(endpoint)).node}")
    if kind in INSTANCE:
        found = [one for one in field.oracle.processes_of(endpoint) if one.is_keeper == (kind == "keeper")]
        return field.chance.choice(found).pid
    return field.up.pid_of(kind)


async def _passed(seconds: float) -> None:
    until = time.monotonic() + seconds
    await eventually_async(
        lambda: time.monotonic() >= until, timeout=seconds + 5, every=0.1, what="the fault is over"
    )


async def strike_all(field: Field, crowd: Crowd, faults: Any, seconds: float | None) -> None:
    """One after the other, each when the platform has come to rest after the one before."""
    for kind, how in faults:
        begun, requests, before = time.monotonic(), crowd.requests, crowd.again + crowd.broken
        await strike(field, crowd, kind, how, seconds)
        trouble = time.monotonic() - begun
        await asyncio.to_thread(field.oracle.agrees, CALM_SECONDS)
        print(
            f"{kind} {how}: at rest {time.monotonic() - begun - trouble:.1f} s after the trouble of"
            f" {trouble:.1f} s, {crowd.requests - requests} requests meanwhile,"
            f" of these {dict(crowd.again + crowd.broken - before)}"
        )


# ----- the whole ------------------------------------------------------------------------------------------


async def run(
    up: Platform, *, seed: int, requests: int, faults: Any, seconds: float | None, pause: float
) -> None:
    async with (
        field(up, seed) as field_,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        open_, hasty = (
            [*map(target_of, field_.talking), replace(target_of(field_.embedding), embeds=True)],
            [_hasty(field_, one) for one in field_.talking],
        )
        numbers = [f"{field_.chance.randrange(1000)}" for _ in range(3)]
        crowd = Crowd(session, field_.gateways, open_, hasty, [*HELP, *numbers], seed)
        await crowd.learn()
        begun, before = time.monotonic(), crowd.requests
        striking = asyncio.create_task(strike_all(field_, crowd, faults, seconds))
        try:
            await crowd.ask(CLIENTS, lambda: striking.done() and crowd.requests - before >= requests, pause)
        finally:
            striking.cancel() if crowd.complaints else None
            await asyncio.gather(striking, return_exceptions=bool(crowd.complaints))
        took = time.monotonic() - begun
        print(
            f"{crowd.requests - before} requests in {took:.0f} s ({(crowd.requests - before) / took:.0f}/s);"
            f" asked again: {dict(crowd.again)}; streams with an error object: {dict(crowd.broken)};"
            f" the longest question took {crowd.longest:.1f} s; answers: {dict(crowd.answered)}"
        )
        print(f"calls that instances failed, by cause: {dict(causes(field_))}")
        assert not crowd.complaints, f"{len(crowd.complaints)} complaints, such as {crowd.complaints[:10]}"
        await asyncio.to_thread(field_.oracle.agrees, CALM_SECONDS)
        for endpoint in field_.endpoints:
            await until_usage_says(field_.desk, endpoint, crowd.book)


def causes(field: Field) -> Counter[str]:
    """As the gateways' logs say them."""
    logs = [field.up.folder / "logs" / "gateway.log", *field.up.folder.parent.glob("*.log")]
    lines = [
        json.loads(line) for log in logs for line in log.read_text().splitlines() if line.startswith("{")
    ]
    return Counter(line["reason"] for line in lines if line["event"] == "instance failed")


def target_of(endpoint: Endpoint) -> Target:
    """With its First Key."""
    return Target(endpoint["project_id"], endpoint["id"], endpoint["api_keys"][0]["id"], endpoint["api_key"])


def _hasty(field: Field, endpoint: Endpoint) -> Target:
    """With a key of its own, since nobody can tell how far a request came whose client left."""
    key = field.desk.add_key(endpoint, "hasty")
    return Target(endpoint["project_id"], endpoint["id"], key["id"], key["api_key"])


# ----- usage ----------------------------------------------------------------------------------------------


async def until_usage_says(desk: Desk, endpoint: Endpoint, book: dict[str, Page]) -> None:
    def says() -> bool:
        usage = {key["id"]: key for key in desk.usage(endpoint)["keys"]}
        for key, told in usage.items():
            is_hasty = key != endpoint["api_keys"][0]["id"]
            assert_same(told, book[key], is_hasty=is_hasty)
        return True

    await eventually_async(lambda: asyncio.to_thread(says), timeout=60, every=0.5, what="usage says the same")
    for key in desk.usage(endpoint)["keys"]:
        page = book[key["id"]]
        print(f"usage of {endpoint['name']} ({key['description']}): {key} where {page} was counted")


def assert_same(told: dict[str, Any], page: Page, *, is_hasty: bool) -> None:
    """Of answers cut short nobody but the model server knows the tokens: at most those of the whole answer."""
    assert told["requests"] == page.requests, f"{told['requests']} requests, not {page.requests}"
    assert 0 <= told["prompt_tokens"] - page.prompt <= page.loose_prompt, f"{told} is not {page}"
    assert 0 <= told["completion_tokens"] - page.completion <= page.loose_completion, f"{told} is not {page}"
    if not is_hasty:
        errors = {kind: count for kind, count in told["errors"].items() if count}
        assert errors == dict(page.errors), f"{errors} is not {dict(page.errors)}"


@pytest.mark.timeout(240)
async def test_a_few_faults_lose_nothing(up: Platform) -> None:
    await run(up, seed=7, requests=400, faults=A_FEW_FAULTS, seconds=SHORT_SECONDS, pause=1.0)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_all_faults_lose_nothing(up: Platform) -> None:
    await run(
        up,
        seed=random.SystemRandom().randrange(10**6),
        requests=20_000,
        faults=ALL_FAULTS,
        seconds=None,
        pause=0.5,
    )
