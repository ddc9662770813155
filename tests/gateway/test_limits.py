"""Limits per key: exact over several gateways, given back when unused, refused when nobody can know."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.gateway import limits as limiting
from endpoints.gateway.background import broker_client, running
from endpoints.gateway.errors import Refused
from endpoints.gateway.formats.call import Usage
from endpoints.gateway.limits import Bank, Estimates
from endpoints.gateway.quota import Standing, blocking
from endpoints.wire import LIMIT, LIMIT_WINDOWS, Key, Limits
from tests.gateway.conftest import CHAT, V1
from tests.gateway.control import KEY, hello
from tests.support.effort import examples
from tests.support.waiting import eventually, eventually_async


def key(name: str = "k", **limits: int) -> Key:
    return Key(name, b"digest", Limits(**limits))


@contextlib.asynccontextmanager
async def banks(broker, count: int, **how: bool) -> AsyncIterator[list[Bank]]:
    """As many gateways, each with its own connection and its own settling in the background."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            client = await stack.enter_async_context(broker_client(broker.url))
            bank = Bank(client, uuid.uuid4().hex, **how)
            await stack.enter_async_context(running(bank.run))
            made.append(bank)
        yield made


async def admitted(bank: Bank, key: Key, cost: int = 0) -> bool:
    try:
        (await bank.admit(key, cost)).settle(cost)
    except Refused as refused:
        if refused.code != "limit_reached":
            raise
        return False
    return True


@pytest.fixture
def early_in_the_minute(broker_client):
    """Windows are the clock's minutes; a test that counts in one must not run over its end."""
    eventually(lambda: broker_client.time()[0] % 60 < 45, timeout=20)


async def test_requests_per_minute_are_exact_over_three_gateways(broker, broker_client, early_in_the_minute):
    limited = key(requests_per_minute=100)
    async with banks(broker, 3) as (a, b, c):
        answers = await asyncio.gather(*(admitted(bank, limited) for _ in range(150) for bank in (a, b, c)))
    assert sum(answers) == 100


async def test_what_one_gateway_holds_and_does_not_use_another_one_gets(
    broker, broker_client, early_in_the_minute
):
    limited = key(requests_per_minute=100)
    async with banks(broker, 2) as (a, b):
        first = [await admitted(a, limited) for _ in range(40)]
        rest = [await admitted(b, limited) for _ in range(80)]
    assert (sum(first), sum(rest)) == (40, 60)


async def test_tokens_per_minute_are_never_passed_by_answers_that_say_their_most(
    broker, broker_client, early_in_the_minute
):
    limited = key(tokens_per_minute=1000)
    async with banks(broker, 3) as made:
        answers = await asyncio.gather(*(admitted(bank, limited, 30) for _ in range(30) for bank in made))
        assert sum(answers) == 33
        # What is left over is still there for whoever needs less.
        assert await admitted(made[0], limited, 10)
        assert not await admitted(made[1], limited, 1)


async def test_what_a_request_reserved_and_did_not_use_comes_back(broker, broker_client, early_in_the_minute):
    limited = key(tokens_per_minute=1000)
    async with banks(broker, 2) as (a, b):
        ticket = await a.admit(limited, 900)
        assert not await admitted(b, limited, 200)
        ticket.settle(100)
        await eventually_async(lambda: admitted(b, limited, 900))
        assert not await admitted(a, limited, 100)


async def test_parallel_requests_are_never_more_and_each_end_frees_a_place(broker, broker_client):
    limited = key(parallel=5)
    running_now = most = done = 0

    async def one(bank: Bank) -> None:
        nonlocal running_now, most, done
        while True:
            try:
                ticket = await bank.admit(limited, 0)
                break
            except Refused:
                await asyncio.sleep(0.01)
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.005)
        running_now -= 1
        done += 1
        ticket.settle(0)

    async with banks(broker, 3) as made:
        async with asyncio.timeout(60):
            await asyncio.gather(*(one(bank) for _ in range(20) for bank in made))
    assert done == 60
    assert most <= 5


async def test_a_refusal_names_the_limit_its_use_and_when_it_begins_anew(
    broker, broker_client, early_in_the_minute
):
    limited = key(requests_per_minute=3, tokens_per_day=1_000_000)
    async with banks(broker, 1) as (bank,):
        for _ in range(3):
            assert await admitted(bank, limited)
        with pytest.raises(Refused) as refused:
            await bank.admit(limited, 5)
    details = refused.value.details
    assert (details["limit"], details["used"], details["allowed"]) == ("requests_per_minute", 3, 3)
    assert 1 <= details["reset_seconds"] <= 60
    assert refused.value.retry_after == details["reset_seconds"]
    assert "3 of 3 requests per minute" in refused.value.message


@pytest.mark.parametrize("window", ["tokens_per_day", "tokens_per_month"])
async def test_budgets_hold_over_a_restart_of_the_gateway(broker, broker_client, window):
    limited = key(**{window: 100})
    async with banks(broker, 1) as (bank,):
        assert await admitted(bank, limited, 60)
        await bank.stop()
    async with banks(broker, 1) as (bank,):
        with pytest.raises(Refused) as refused:
            await bank.admit(limited, 60)
        assert refused.value.details["limit"] == window
        assert refused.value.details["reset_seconds"] > 60 or datetime.now(UTC).hour == 23
        assert await admitted(bank, limited, 40)


async def test_the_share_of_a_gateway_that_died_ends(broker, broker_client, monkeypatch):
    monkeypatch.setattr(limiting, "LIFE", 2.0)
    monkeypatch.setattr(limiting, "SAFETY", 0.0)
    limited = key(parallel=2)
    async with banks(broker, 1) as (dead,):
        for _ in range(2):
            await dead.admit(limited, 0)
    async with banks(broker, 1) as (bank,):
        assert not await admitted(bank, limited)
        await eventually_async(lambda: admitted(bank, limited))


async def test_a_broker_that_forgot_adds_only_what_is_new(broker, broker_client, early_in_the_minute):
    limited = key(requests_per_minute=10)
    async with banks(broker, 1) as (bank,):
        for _ in range(8):
            assert await admitted(bank, limited)
        await eventually_async(lambda: broker_client.hget(LIMIT + "k", "minute_requests") == b"8")
        broker_client.flushall()
        assert sum([await admitted(bank, limited) for _ in range(12)]) == 10


async def test_with_the_broker_away_nothing_is_allowed_that_is_not_held(tmp_path):
    async with broker_client(f"unix://{tmp_path}/nobody.sock") as client:
        with pytest.raises(Refused) as refused:
            await Bank(client, "g").admit(key(requests_per_minute=5), 0)
        assert (refused.value.status, refused.value.code, refused.value.retry_after) == (
            429,
            "limits_unknown",
            1,
        )
        lenient = Bank(client, "g", lenient=True)
        (await lenient.admit(key(requests_per_minute=5), 0)).settle(0)
        (await lenient.admit(Key("free", b""), 0)).settle(0)


async def test_a_key_without_limits_costs_no_word_to_the_broker(tmp_path):
    async with broker_client(f"unix://{tmp_path}/nobody.sock") as client:
        bank = Bank(client, "g")
        assert (await bank.admit(Key("free", b""), 1000)).header_lines() == b""


async def test_many_requests_in_a_row_are_paid_from_shares(broker, broker_client, early_in_the_minute):
    limited = key(requests_per_minute=10**9)
    async with banks(broker, 1) as (bank,):
        before = _scripts(broker_client)
        until = time.monotonic() + 1
        count = 0
        while time.monotonic() < until:
            assert await admitted(bank, limited)
            count += 1
            await asyncio.sleep(0)
        assert _scripts(broker_client) - before < count / 10


async def test_nothing_is_left_in_memory_of_who_came_once(broker, broker_client, monkeypatch):
    monkeypatch.setattr(limiting, "FORGET_AFTER", 0.0)
    monkeypatch.setattr(limiting, "SWEEP_EVERY", 0.0)
    async with banks(broker, 1) as (bank,):
        assert await admitted(bank, key(requests_per_minute=10))
        await eventually_async(lambda: not bank._accounts and not bank._active)
    assert broker_client.hget(LIMIT + "k", "minute_requests") == b"1"


def _scripts(broker_client) -> int:
    return broker_client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)


# ----- windows --------------------------------------------------------------------------------------------


def test_the_windows_are_the_calendars(broker_client):
    """The script's month changes exactly where the calendar's does, over four hundred years."""
    numbered = LIMIT_WINDOWS.replace("redis.call('TIME')", "{ARGV[1], '0'}") + "return {at.month, at.day}"
    script = broker_client.register_script(numbered)
    for year in (1999, 2000, 2026, 2028, 2100, 2400):
        months = []
        for month in range(1, 13):
            first = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
            last_of_before = script(keys=["x"], args=[first - 1])[0]
            months.append(script(keys=["x"], args=[first])[0])
            assert last_of_before == months[-1] - 1
        assert months == list(range(months[0], months[0] + 12))


def test_the_month_begins_anew_with_the_next_one():
    december = int(datetime(2026, 12, 31, 23, 59, 0, tzinfo=UTC).timestamp() * 1000)
    standing = Standing(*[0] * 12, december)
    assert (standing.minute_reset, standing.day_reset, standing.month_reset) == (60, 60, 61)


@given(st.lists(st.integers(0, 20), min_size=12, max_size=12), st.integers(1, 30), st.integers(0, 10))
def test_what_blocks_is_a_limit_that_is_passed(numbers, limit, cost):
    standing = Standing(*numbers, 1_800_000_000_000)
    found = blocking(standing, Limits(requests_per_minute=limit, tokens_per_minute=limit), cost)
    requests = standing.minute_requests + standing.idle_requests + 1
    tokens = standing.minute_tokens + standing.busy_tokens + standing.idle_tokens + cost
    assert (found is None) == (requests <= limit and tokens <= limit)


# ----- what a request may cost ----------------------------------------------------------------------------


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 400)), min_size=1, max_size=20))
def test_after_an_answer_its_like_is_never_guessed_too_low(seen):
    estimates = Estimates()
    for size, completion in seen:
        usage = Usage(size // 3 + 7, completion)
        estimates.learn("e", size, 1, usage)
        assert estimates.cost("e", size, None, 1) >= usage.total


def test_what_the_client_says_is_enough_is_believed():
    estimates = Estimates()
    assert estimates.cost("e", 100, 10, 1) < estimates.cost("e", 100, None, 1)
    assert estimates.cost("e", 100, 10, 3) > 2 * estimates.cost("e", 100 // 3, 10, 1)


# ----- through the gateway --------------------------------------------------------------------------------


async def test_a_limited_key_says_what_is_left_and_then_429(world, early_in_the_minute):
    limited = world.control.key(KEY, limits=Limits(requests_per_minute=2, tokens_per_minute=10_000))
    await world.publish(hello(world.control, world.instances[0].upstream, version=2, keys=[limited]))
    left = []
    for _ in range(2):
        async with world.post(V1, {"instances": ["x"]}) as response:
            assert response.status == 200
            left.append(response.headers["x-ratelimit-remaining-requests"])
            assert response.headers["x-ratelimit-limit-tokens"] == "10000"
    assert left == ["1", "0"]
    async with world.post(CHAT, {"messages": [{"role": "user", "content": "x"}]}) as response:
        assert response.status == 429
        error = (await response.json())["error"]
        assert (error["code"], error["type"]) == ("limit_reached", "rate_limit_error")
        assert error["details"]["limit"] == "requests_per_minute"
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert response.headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_body_that_is_refused_costs_nothing(world, early_in_the_minute):
    limited = world.control.key(KEY, limits=Limits(requests_per_minute=1))
    await world.publish(hello(world.control, world.instances[0].upstream, version=2, keys=[limited]))
    async with world.post(V1, {"instances": "nonsense"}) as response:
        assert response.status == 400
    async with world.post(V1, {"instances": ["x"]}) as response:
        assert response.status == 200


async def test_an_expired_key_is_refused(world):
    expired = world.control.key(KEY, expires_at=time.time() - 1)
    await world.publish(hello(world.control, version=2, keys=[expired]))
    async with world.post(V1, {"instances": ["x"]}) as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "expired_key"


async def test_a_key_with_experts_sees_and_asks_for_just_these(world):
    bound = world.control.key(KEY, experts=["words"])
    route = hello(
        world.control,
        world.instances[0].upstream,
        version=2,
        names=["Bundle"],
        experts=["words", "help"],
        keys=[bound],
    )
    await world.publish(route)
    client = await world.openai()
    assert [model.id async for model in await client.models.list()] == ["words"]
    answer = await client.chat.completions.create(model="words", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[0].message.content
    body = {"model": "help", "messages": [{"role": "user", "content": "x"}]}
    async with world.post(CHAT, body) as response:
        assert response.status == 403
        assert (await response.json())["error"]["details"]["allowed"] == ["words"]
