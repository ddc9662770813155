"""What control publishes for the gateways: one route per endpoint.

A route is packed, sealed with the gateways' key and signed by control, and replaces its predecessor only
if its `version` is greater. A deleted endpoint leaves a tombstone (`deleted`), so that an old table never
brings it back.
"""

import msgspec

from studio import seal

PURPOSE = "route"

# Broker keys. `ROUTES`: hash endpoint id → version (8 bytes, big endian) + box. `LOG`: sorted set endpoint
# id → change number. `CHANGES`: the change counter; every change is also published on the channel `NUDGE`.
# `MARKER`: "<incarnation>:<broker run id>" of the table that is complete; absent while one is being built.
ROUTES = "routes:table"
LOG = "routes:log"
CHANGES = "routes:changes"
MARKER = "routes:marker"
NUDGE = "routes:nudge"


# What limited keys have spent, and what the gateways hold of the rest, one hash for each key: fields `minute`, `day`,
# `month` (numbers of the windows) and `minute_requests`, `minute_tokens`, `day_tokens`, `month_tokens`; shares as in
# `endpoints.gateway.quota`.
LIMIT = "limit:"  # + key id

# The beginning of every script on such a hash (KEYS[1]). Leaves `state`, its fields; `at`, the windows of now by the
# broker's clock and the time in ms; `spent`, what was spent in these windows. A month is numbered from March on: its
# length does not matter then, and the number changes when the calendar's month does.
LIMIT_WINDOWS = """
local clock = redis.call('TIME')
local seconds = tonumber(clock[1])
local at = {ms = seconds * 1000 + math.floor(tonumber(clock[2]) / 1000)}
at.minute, at.day = math.floor(seconds / 60), math.floor(seconds / 86400)
do
  local days = at.day + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor(
    (of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  at.month = (year + era * 400) * 12 + math.floor((5 * of_year + 2) / 153)
end
local state, found = {}, redis.call('HGETALL', KEYS[1])
for index = 1, #found, 2 do state[found[index]] = found[index + 1] end
local spent = {minute_requests = 0, minute_tokens = 0, day_tokens = 0, month_tokens = 0}
for name in pairs(spent) do
  local window = string.match(name, '^%a+')
  if tonumber(state[window]) == at[window] then spent[name] = tonumber(state[name]) or 0 end
end
"""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one key may use, over all gateways; 0 stands for no limit.

    Minutes, days and months are the clock's and the calendar's, in UTC. Tokens are prompt and completion together.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    parallel: int = 0
    tokens_per_day: int = 0
    tokens_per_month: int = 0


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key that may be used; revoked ones are not published.

    `expires_at`: seconds since the epoch, 0 for never. `experts`: the only model names it may ask for; empty for all.
    `old_digest`: of the value before, which is taken until `old_until`, in seconds since the epoch.
    """

    id: str
    digest: bytes
    limits: Limits | None = None
    expires_at: float = 0.0
    experts: list[str] = []
    old_digest: bytes = b""
    old_until: float = 0.0


class Upstream(msgspec.Struct, frozen=True):
    """A ready instance. `spare` ones (on a node that fell silent) are asked only when no other answers.

    `slots`: how many calls it works on at once, over all gateways; 0 for as many as come.
    """

    id: str
    host: str
    port: int
    token: str
    spare: bool = False
    slots: int = 0

    def __repr__(self) -> str:
        """Without the token."""
        return f"Upstream({self.id}, {self.host}:{self.port})"


class Route(msgspec.Struct, frozen=True):
    """All a gateway needs to know of an endpoint.

    `status` is the word people see (Live, Stopped, …); `sentence` says why it does not answer, empty while
    it does. `model` is the name the model server knows, `names` every alias a client may say for it.
    """

    endpoint: str
    project: str
    version: int
    deleted: bool = False
    name: str = ""
    status: str = ""
    sentence: str = ""
    model: str = ""
    names: list[str] = []
    task: str = "chat"  # or "embedding"
    experts: list[str] = []  # of a Composition of Experts; empty for a standalone model
    keys: list[Key] = []
    upstreams: list[Upstream] = []
    deadline_seconds: int = 300


def pack(route: Route, key: bytes, private: bytes) -> bytes:
    """The bytes of the hash field: version in clear (the broker's script compares it), then the box."""
    box = seal.seal(key, msgspec.msgpack.encode(route), PURPOSE)
    return route.version.to_bytes(8, "big") + seal.sign(private, box)


def unpack(raw: bytes, keys: list[bytes], publics: list[bytes]) -> Route:
    """Raises `studio.seal.Unsealable` or `msgspec.DecodeError` for what control did not write."""
    route = msgspec.msgpack.decode(seal.unseal(keys, seal.verify(publics, raw[8:]), PURPOSE), type=Route)
    if route.version != int.from_bytes(raw[:8], "big"):
        raise seal.Unsealable("version")
    return route
