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


# What limited keys have spent and hold, one hash for each: see `endpoints.gateway.limits`.
LIMIT = "limit:"  # + key id


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
    """

    id: str
    digest: bytes
    limits: Limits | None = None
    expires_at: float = 0.0
    experts: list[str] = []


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
