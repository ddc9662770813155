"""Limits per key, exact over all gateways.

The broker holds one hash for each limited key: what was spent in this minute, day and month, and what each gateway
holds of the rest. A gateway holds a share: requests, tokens and slots that it may give to requests without asking.
One script settles and asks at once: it adds what was spent since the last time, takes the old share back, and gives
a new one out of what is left. Shares are sized to the gateway's traffic and to what is left, so that near a limit
each request asks for itself, and what is not used comes back within a fraction of a second. A gateway that died
keeps its share for `LIFE` seconds.

A request pays with what it may cost (`Estimates`) and gets the difference back when its answer has been counted. With
the broker away a gateway spends the share it holds, then refuses.
"""

import asyncio
import time
from dataclasses import dataclass, field

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from endpoints.gateway import errors
from endpoints.gateway.formats.call import Usage
from endpoints.gateway.quota import EXCHANGE, Standing, blocking
from endpoints.wire import LIMIT, Key, Limits

log = structlog.get_logger()

LIFE = 10.0  # seconds that a share outlives its gateway
SAFETY = 2.0  # seconds before that a gateway no longer trusts its own share
IDLE = 0.2  # a share unused for so long is given back
SETTLE_EVERY = 0.1
REPORT_AFTER = 0.25  # what was spent is told within this time
PATIENCE = 0.6  # a request waits this long for what other gateways hold and do not use
ASK_AGAIN = 0.05
REST = 0.5  # after the broker failed it is left alone
FORGET_AFTER = 3600.0
SWEEP_EVERY = 60.0
AT_ONCE = 32  # accounts settled together

TEMPLATE_BYTES = 32  # what a chat's template adds to a prompt
FIRST_COMPLETION = 512.0  # tokens, before an endpoint has answered
DECAY = 0.05


@dataclass(slots=True, eq=False)
class Account:
    """A limited key at this gateway. `id` names it in the broker; what it counts starts at zero with it."""

    key: str
    id: str
    limits: Limits
    counted_requests: int = 0
    counted_tokens: int = 0
    requests: int = 0  # the share: not yet given to a request
    tokens: int = 0
    slots: int = 0
    trusted_until: float = 0.0  # monotonic
    reserved_tokens: int = 0  # given to requests that are under way
    reserved_slots: int = 0
    waiting: int = 0
    admitted: int = 0  # since the last exchange
    told_requests: int = 0  # of what was counted, what the broker knows
    told_tokens: int = 0
    asked_at: float = 0.0
    used_at: float = 0.0
    unreported: bool = False
    standing: Standing | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def pays(self, cost: int, now: float) -> bool:
        """Takes a request's price out of the share, if it is there."""
        if now >= self.trusted_until or not self._covers(cost):
            return False
        self.requests -= 1
        self.tokens -= cost
        self.slots -= 1
        self.counted_requests += 1
        self.reserved_tokens += cost
        self.reserved_slots += 1
        self.admitted += 1
        self.used_at, self.unreported = now, True
        return True

    def _covers(self, cost: int) -> bool:
        limits = self.limits
        return (
            (self.requests >= 1 or not limits.requests_per_minute)
            and (self.tokens >= cost or not has_token_limit(limits))
            and (self.slots >= 1 or not limits.parallel)
        )

    def settle(self, cost: int, tokens: int) -> None:
        """The request that had paid `cost` has ended, and used `tokens`."""
        self.reserved_tokens -= cost
        self.reserved_slots -= 1
        self.counted_tokens += tokens
        self.tokens += max(cost - tokens, 0)
        self.slots += 1
        self.unreported = True

    @property
    def is_idle(self) -> bool:
        return not (self.reserved_slots or self.waiting or self.unreported or self.holds_spare)

    @property
    def holds_spare(self) -> bool:
        limits = self.limits
        return bool(
            (self.requests > 0 and limits.requests_per_minute)
            or (self.tokens > 0 and has_token_limit(limits))
            or (self.slots > 0 and limits.parallel)
        )


def has_token_limit(limits: Limits) -> bool:
    return bool(limits.tokens_per_minute or limits.tokens_per_day or limits.tokens_per_month)


class Ticket:
    """A request's admission; `settle` exactly once, with the tokens it used."""

    def __init__(self, account: Account | None, cost: int = 0) -> None:
        self._account = account
        self._cost = cost

    def settle(self, tokens: int) -> None:
        if self._account is not None:
            self._account.settle(self._cost, tokens)

    def header_lines(self) -> bytes:
        """What is left, as clients of the OpenAI API read it; nothing for a key without limits."""
        account = self._account
        if account is None or account.standing is None:
            return b""
        return account.standing.header_lines(
            account.limits,
            account.counted_requests - account.told_requests,
            account.counted_tokens - account.told_tokens,
        )


UNLIMITED = Ticket(None)


class Bank:
    """The accounts of this gateway. `lenient`: with the broker away, requests are let through."""

    def __init__(self, broker: redis.Redis, gateway: str, *, lenient: bool = False) -> None:
        self._broker = broker
        self._gateway = gateway
        self._lenient = lenient
        self._exchange = broker.register_script(EXCHANGE)
        self._accounts: dict[str, Account] = {}
        self._active: set[Account] = set()  # those with something to settle
        self._swept_at = 0.0
        self._serial = 0
        self._resting_until = 0.0

    async def admit(self, key: Key, cost: int) -> Ticket:
        """`cost`: the tokens the request may use. Raises 429."""
        if key.limits is None:
            return UNLIMITED
        account = self._account(key, key.limits)
        self._active.add(account)
        cost = _affordable(cost, key.limits)
        if account.pays(cost, time.monotonic()):
            return Ticket(account, cost)
        account.waiting += 1
        try:
            return await self._admit_in_turn(account, cost)
        finally:
            account.waiting -= 1

    async def _admit_in_turn(self, account: Account, cost: int) -> Ticket:
        until = time.monotonic() + PATIENCE
        while True:
            async with account.turn:
                if account.pays(cost, time.monotonic()):
                    return Ticket(account, cost)
                try:
                    await self._settle(account, cost=cost)
                except (RedisError, OSError, TimeoutError) as error:
                    return self._without_broker(account, cost, error)
                if account.pays(cost, time.monotonic()):
                    return Ticket(account, cost)
            standing = account.standing
            assert standing is not None
            limit = blocking(standing, account.limits, cost)
            if limit is not None and (not limit.held_idle or time.monotonic() >= until):
                raise errors.limit_reached(
                    limit.name, limit.used, limit.limit, limit.reset, Ticket(account).header_lines()
                )
            await asyncio.sleep(ASK_AGAIN)

    def _without_broker(self, account: Account, cost: int, error: Exception) -> Ticket:
        now = time.monotonic()
        if now >= self._resting_until:
            log.warning("limits wait for the broker", reason=type(error).__name__)
            self._resting_until = now + REST
        if not self._lenient:
            raise errors.limits_unknown()
        account.counted_requests += 1
        account.reserved_tokens += cost
        account.reserved_slots += 1
        account.used_at, account.unreported = now, True
        return Ticket(account, cost)

    def _account(self, key: Key, limits: Limits) -> Account:
        account = self._accounts.get(key.id)
        if account is None:
            self._serial += 1
            account = Account(key.id, f"{self._gateway}.{self._serial}", limits)
            self._accounts[key.id] = account
        account.limits = limits
        return account

    async def _settle(self, account: Account, *, cost: int = 0) -> None:
        """One exchange with the broker, for one more request of this cost or, without one, only to settle.

        The caller holds `account.turn`. The share is given up before anything is sent: if the answer is lost the
        broker believes too much of us, never too little.
        """
        now = time.monotonic()
        if now < self._resting_until:
            raise TimeoutError
        wanted = self._wanted(account, now) if account.waiting else 0
        account.requests = account.tokens = account.slots = 0
        account.unreported, account.admitted, account.asked_at = False, 0, now
        limits = account.limits
        counted = account.counted_requests, account.counted_tokens
        arguments: list[int | str] = [
            account.id, int(LIFE * 1000), *counted, account.reserved_tokens, account.reserved_slots,
            int(bool(account.waiting)), cost, wanted, wanted * max(cost, 1),
            limits.requests_per_minute, limits.tokens_per_minute, limits.parallel,
            limits.tokens_per_day, limits.tokens_per_month, account.told_requests, account.told_tokens,
        ]  # fmt: skip
        try:
            answer = await self._exchange(keys=[LIMIT + account.key], args=arguments)
        except BaseException:
            account.unreported = True
            raise
        account.told_requests, account.told_tokens = counted
        standing = account.standing = Standing.read(answer)
        account.requests += standing.requests
        account.tokens += standing.tokens
        account.slots += standing.slots
        account.trusted_until = now + LIFE - SAFETY

    def _wanted(self, account: Account, now: float) -> int:
        """Requests to hold: those that wait, and as many as came lately in the time a share is kept."""
        since = max(now - account.asked_at, 0.001)
        return max(account.waiting, int(account.admitted / since * REPORT_AFTER))

    # ----- settling in the background -----------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_EVERY)
            await self.settle_due()

    async def settle_due(self) -> None:
        now = time.monotonic()
        due = [account for account in self._active if _is_due(account, now)]
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*map(self._settle_quietly, due[start : start + AT_ONCE]))
        self._active = {account for account in self._active if not account.is_idle}
        if now - self._swept_at > SWEEP_EVERY:
            self._swept_at = now
            for account in list(self._accounts.values()):
                if account not in self._active and now - account.used_at > FORGET_AFTER:
                    del self._accounts[account.key]

    async def _settle_quietly(self, account: Account) -> None:
        if account.turn.locked():
            return  # a request is settling it just now
        async with account.turn:
            try:
                await self._settle(account)
            except (RedisError, OSError, TimeoutError):
                self._resting_until = max(self._resting_until, time.monotonic() + REST)

    async def stop(self) -> None:
        """Tells what was spent and gives back what is held; what cannot be told ends with the shares' life."""
        for account in self._active:
            if account.unreported or account.holds_spare:
                await self._settle_quietly(account)


def _is_due(account: Account, now: float) -> bool:
    since = now - account.asked_at
    if account.holds_spare and now - account.used_at > IDLE and since > IDLE:
        return True
    if account.unreported and since > REPORT_AFTER:
        return True
    return bool(account.reserved_slots) and since > LIFE / 3


def _affordable(cost: int, limits: Limits) -> int:
    """A request that may cost more than a limit is let in where the whole limit is left."""
    if not has_token_limit(limits):
        return 0
    most = [limits.tokens_per_minute, limits.tokens_per_day, limits.tokens_per_month]
    return min([cost, *(limit for limit in most if limit)])


class Estimates:
    """What a request may cost in tokens, guessed from above: by its endpoint's answers so far."""

    def __init__(self) -> None:
        self._per_byte: dict[str, float] = {}  # endpoint → the highest share of tokens per byte of late
        self._completion: dict[str, float] = {}  # endpoint → the longest completion of late

    def cost(self, endpoint: str, prompt_bytes: int, max_tokens: int | None, calls: int) -> int:
        """A byte is at most one token of text; a chat's template adds a few for each call."""
        prompt = (prompt_bytes + TEMPLATE_BYTES * calls) * self._per_byte.get(endpoint, 1.0)
        completion = (
            max_tokens if max_tokens is not None else self._completion.get(endpoint, FIRST_COMPLETION)
        )
        return int(prompt + completion * calls) + 1

    def learn(self, endpoint: str, prompt_bytes: int, calls: int, usage: Usage) -> None:
        """Up at once, down slowly."""
        if usage.prompt:
            _follow(self._per_byte, endpoint, usage.prompt / (prompt_bytes + TEMPLATE_BYTES * calls))
        if usage.completion:
            _follow(self._completion, endpoint, usage.completion / calls)


def _follow(highest: dict[str, float], endpoint: str, seen: float) -> None:
    known = highest.get(endpoint, seen)
    highest[endpoint] = seen if seen >= known else known + (seen - known) * DECAY
