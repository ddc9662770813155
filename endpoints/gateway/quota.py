"""The broker's side of a key's limits: the script that settles and shares out, and what its answer says.

See `endpoints.gateway.limits`. Windows are the broker's clock's: whole minutes, UTC days and calendar months.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from endpoints.wire import LIMIT_WINDOWS, Limits

LINES = b"x-ratelimit-limit-{0}: %d\r\nx-ratelimit-remaining-{0}: %d\r\nx-ratelimit-reset-{0}: %ds\r\n"
REQUESTS_LINES = LINES.replace(b"{0}", b"requests")
TOKENS_LINES = LINES.replace(b"{0}", b"tokens")

# KEYS: the key's hash. ARGV: account, life of a share (ms), requests and tokens counted since the account began,
# tokens and slots of requests under way, whether a request asks (0, 1) and its tokens, requests and tokens wanted
# in all, then the limits (0: none) per minute: requests, tokens; parallel; tokens per day, per month; last, of what
# was counted, what a broker once acknowledged: one that has forgotten the account adds only what is new.
# A share stands in the field "at:<account>": counted requests, counted tokens, unused requests, unused tokens,
# unused slots, tokens under way, slots under way, good until (ms).
# → requests, tokens, slots given; spent: requests, tokens of the minute, tokens of the day, of the month; held by
# others and unused: requests, tokens, slots; under way in all: tokens, slots; the time (ms).
EXCHANGE = (
    LIMIT_WINDOWS
    + """
local account, life, asks = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[7])
local counted_requests, counted_tokens = tonumber(ARGV[3]), tonumber(ARGV[4])
local busy_tokens, busy_slots = tonumber(ARGV[5]), tonumber(ARGV[6])
local cost, want_requests, want_tokens = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local per_minute, tokens_per_minute, parallel = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local per_day, per_month = tonumber(ARGV[14]), tonumber(ARGV[15])
local told_requests, told_tokens = tonumber(ARGV[16]), tonumber(ARGV[17])
local now = at.ms

local field = 'at:' .. account
local gateways, new_requests, new_tokens = 1, counted_requests - told_requests, counted_tokens - told_tokens
local idle_requests, idle_tokens, idle_slots, all_tokens, all_slots = 0, 0, 0, busy_tokens, busy_slots
for name, value in pairs(state) do
  if string.sub(name, 1, 3) == 'at:' then
    local said = {}
    for word in string.gmatch(value, '%S+') do said[#said + 1] = tonumber(word) end
    if name == field then
      new_requests = math.max(counted_requests - said[1], 0)
      new_tokens = math.max(counted_tokens - said[2], 0)
    elseif said[8] > now then
      gateways = gateways + 1
      idle_requests, idle_tokens, idle_slots = idle_requests + said[3], idle_tokens + said[4], idle_slots + said[5]
      all_tokens, all_slots = all_tokens + said[6], all_slots + said[7]
    elseif said[8] < now - 86400000 then
      redis.call('HDEL', KEYS[1], name)
    end
  end
end
spent.minute_requests = spent.minute_requests + new_requests
for _, name in ipairs({'minute_tokens', 'day_tokens', 'month_tokens'}) do spent[name] = spent[name] + new_tokens end

local function left(limit, used) if limit == 0 then return math.huge end return limit - used end
local held_tokens = idle_tokens + all_tokens
local free_requests = left(per_minute, spent.minute_requests + idle_requests)
local free_tokens = math.min(
  left(tokens_per_minute, spent.minute_tokens + held_tokens),
  left(per_day, spent.day_tokens + held_tokens),
  left(per_month, spent.month_tokens + held_tokens))
local free_slots = left(parallel, idle_slots + all_slots)

local requests, tokens, slots = 0, 0, 0
if asks == 1 and free_requests >= 1 and free_tokens >= cost and free_slots >= 1 then
  -- One request always; more only out of this gateway's part of what is left.
  local function grant(want, need, free)
    if free == math.huge then return want end
    return math.max(need, math.min(want, math.floor(free / (2 * gateways))))
  end
  requests = grant(want_requests, 1, free_requests)
  tokens = grant(want_tokens, cost, free_tokens)
  slots = grant(want_requests, 1, free_slots)
end
local share = {counted_requests, counted_tokens, requests, tokens, slots, busy_tokens, busy_slots, now + life}
for index, number in ipairs(share) do share[index] = string.format('%.0f', number) end
local fields = {field, table.concat(share, ' ')}
for _, name in ipairs({'minute', 'day', 'month'}) do fields[#fields + 1] = name fields[#fields + 1] = at[name] end
for name, number in pairs(spent) do fields[#fields + 1] = name fields[#fields + 1] = string.format('%.0f', number) end
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('EXPIRE', KEYS[1], 40 * 86400)
return {requests, tokens, slots, spent.minute_requests, spent.minute_tokens, spent.day_tokens, spent.month_tokens,
  idle_requests, idle_tokens, idle_slots, all_tokens, all_slots, now}
"""
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A limit that a request does not fit into. `reset`: seconds, None where it depends on other requests."""

    name: str
    used: int
    limit: int
    reset: int | None
    held_idle: bool  # another gateway holds enough of it, unused


@dataclass(frozen=True, slots=True)
class Standing:
    """The script's answer, in its order."""

    requests: int
    tokens: int
    slots: int
    minute_requests: int
    minute_tokens: int
    day_tokens: int
    month_tokens: int
    idle_requests: int
    idle_tokens: int
    idle_slots: int
    busy_tokens: int
    busy_slots: int
    now: int

    @classmethod
    def read(cls, answer: Sequence[int]) -> "Standing":
        return cls(*map(int, answer))

    @property
    def minute_reset(self) -> int:
        return 60 - self.now // 1000 % 60

    @property
    def day_reset(self) -> int:
        return 86400 - self.now // 1000 % 86400

    @property
    def month_reset(self) -> int:
        now = datetime.fromtimestamp(self.now / 1000, UTC)
        year, month = divmod(now.year * 12 + now.month, 12)
        return int((datetime(year, month + 1, 1, tzinfo=UTC) - now).total_seconds()) + 1

    def header_lines(self, limits: Limits, more_requests: int, more_tokens: int) -> bytes:
        """`more_…`: what this gateway has spent since."""
        lines = b""
        if limits.requests_per_minute:
            left = limits.requests_per_minute - self.minute_requests - more_requests
            lines += REQUESTS_LINES % (limits.requests_per_minute, max(left, 0), self.minute_reset)
        if limits.tokens_per_minute:
            left = limits.tokens_per_minute - self.minute_tokens - more_tokens
            lines += TOKENS_LINES % (limits.tokens_per_minute, max(left, 0), self.minute_reset)
        return lines


def blocking(standing: Standing, limits: Limits, cost: int) -> Blocked | None:
    """The first limit in the way of one more request of this cost; None where there is none (any more)."""
    rows = (
        ("parallel", limits.parallel, 1, standing.busy_slots, standing.idle_slots, None),
        (
            "requests_per_minute", limits.requests_per_minute, 1,
            standing.minute_requests, standing.idle_requests, standing.minute_reset,
        ),
        (
            "tokens_per_minute", limits.tokens_per_minute, cost,
            standing.minute_tokens + standing.busy_tokens, standing.idle_tokens, standing.minute_reset,
        ),
        (
            "tokens_per_day", limits.tokens_per_day, cost,
            standing.day_tokens + standing.busy_tokens, standing.idle_tokens, standing.day_reset,
        ),
        (
            "tokens_per_month", limits.tokens_per_month, cost,
            standing.month_tokens + standing.busy_tokens, standing.idle_tokens, standing.month_reset,
        ),
    )  # fmt: skip
    for name, limit, needs, used, idle, reset in rows:
        if limit and used + idle + needs > limit:
            return Blocked(name, used, limit, reset, used + needs <= limit)
    return None
