"""A gateway killed with -9: what it counted is handed over by the one that starts in its place, once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import redis

from endpoints.usage import wire
from tests.support.desk import QUESTION, Desk, Endpoint
from tests.support.gateways import Beside
from tests.support.platform import Platform
from tests.support.waiting import eventually_async

CLIENTS = 8
KILLS = 3
LIFE_SECONDS = 4.0  # between two kills
FLUSH_SECONDS = 1.0  # between two writes of what was counted
LATE_SECONDS = 1.0  # and how late a busy machine may be with it


@dataclass
class Asked:
    """Clients that count what they were answered, and when; whoever was cut off was under way."""

    url: str
    key: str
    answered: list[float] = field(default_factory=list)
    cut_off: int = 0
    over: bool = False

    async def ask(self, session: aiohttp.ClientSession) -> None:
        body = {"instances": [QUESTION], "params": {"max_tokens_to_generate": 1}}
        while not self.over:
            try:
                async with session.post(self.url, json=body, headers={"key": self.key}) as response:
                    await response.read()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)  # it is being started again
            except aiohttp.ClientError:
                self.cut_off += 1
            else:
                if response.status == 200:
                    self.answered.append(time.monotonic())
                else:
                    assert response.status == 503, response.status  # it has no routes yet: not the endpoint's


@pytest.fixture
async def counted(up: Platform) -> AsyncIterator[Endpoint]:
    """An endpoint that nobody else asks."""
    desk = Desk(up)
    made = await asyncio.to_thread(desk.create, "counted")
    await asyncio.to_thread(desk.until, made, "Live")
    yield desk.info(made)
    await asyncio.to_thread(desk.delete, made)


@pytest.mark.soak
async def test_a_second_of_usage_is_lost_at_most_and_nothing_counts_twice(
    up: Platform, counted: Endpoint
) -> None:
    gateway = await asyncio.to_thread(Beside(up, "doomed").start)
    spool = up.folder / "spool-doomed"
    asked = Asked(gateway.url + counted["url"].removeprefix(up.url), counted["api_key"])
    kills: list[float] = []
    try:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(asked.ask(session))
            for _ in range(KILLS):
                until = time.monotonic() + LIFE_SECONDS
                await eventually_async(
                    lambda until=until: time.monotonic() >= until, timeout=30, what="some of it is written"
                )
                gateway.kill()
                kills.append(time.monotonic())
                await asyncio.to_thread(gateway.start)
            asked.over = True
        await eventually_async(
            lambda: len(list(spool.iterdir())) == 1, timeout=30, what="the dead ones are handed over"
        )
        gateway.stop()
        with redis.Redis(unix_socket_path=str(up.folder / "broker" / "broker.sock")) as broker:
            await eventually_async(lambda: not broker.hlen(wire.BATCHES), timeout=30, what="all is taken")
        requests = (await asyncio.to_thread(Desk(up).usage, counted))["total"]["requests"]
    finally:
        gateway.stop()
    least = len(asked.answered) - sum(_may_be_lost(moment, kills) for moment in asked.answered)
    print(
        f"{KILLS} kills: {requests} requests counted, {len(asked.answered)} answered, {asked.cut_off} cut off;"
        f" at least {least} had to be there"
    )
    assert least <= requests <= len(asked.answered) + asked.cut_off


def _may_be_lost(answered: float, kills: list[float]) -> bool:
    return any(0 <= moment - answered <= FLUSH_SECONDS + LATE_SECONDS for moment in kills)
