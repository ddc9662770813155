"""What the gateways hand over of usage: batches of rows, each one minute of one key at one endpoint.

A gateway writes batch `number` as the field `batch_field(gateway, number)` of the hash `BATCHES`, sealed, and keeps
it until the hash `TAKEN` names that number, or a later one, for it: control writes it there once the batch stands
in the database. A gateway has one batch under way at a time, so numbers come in order and without gaps; a batch that
is found twice is taken once, by its number.
"""

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from studio import seal

PURPOSE = "usage"

# Broker keys. `BATCHES`: hash "<gateway>:<number>" → box. `TAKEN`: hash gateway → number.
BATCHES = "usage:batches"
TAKEN = "usage:taken"

# Upper bounds of the time buckets, in seconds; one more bucket takes what is longer.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

# The classes of errors, as they are counted and shown: what the client got wrong, what a limit or a full queue
# refused, an endpoint that was not Live or had no instance that answered, a failure of an instance or of ours, the
# endpoint's deadline, a client that left.
ERRORS = ("client", "limited", "unavailable", "failed", "deadline", "gone")
CLIENT_GONE = 499  # counted under this status; nobody receives it


class Times(msgspec.Struct):
    """How often, how long in all (seconds), and how often in each bucket."""

    count: int = 0
    total: float = 0.0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(SECONDS) + 1))

    def note(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.buckets[bisect_left(SECONDS, seconds)] += 1

    def add(self, other: "Times") -> None:
        self.count += other.count
        self.total += other.total
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]


def total(of: Sequence[Times]) -> Times:
    """All of them as one, added up by column."""
    buckets = list(map(sum, zip(*(each.buckets for each in of), strict=True)))
    return Times(sum(each.count for each in of), sum(each.total for each in of), buckets)


class Row(msgspec.Struct):
    """One minute (whole minutes since the epoch, UTC, in which the answers ended) of one key at one endpoint.

    `requests` counts all, failed ones included; `errors` has one number for each of `ERRORS`. `queue` is the time
    spent waiting for a free instance, `execution` the model server's, `response` from the request's arrival to its
    last byte; `first_token` is noted for streams only.
    """

    endpoint: str
    key: str
    minute: int
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: list[int] = msgspec.field(default_factory=lambda: [0] * len(ERRORS))
    queue: Times = msgspec.field(default_factory=Times)
    execution: Times = msgspec.field(default_factory=Times)
    response: Times = msgspec.field(default_factory=Times)
    first_token: Times = msgspec.field(default_factory=Times)

    @property
    def place(self) -> tuple[str, str, int]:
        return self.endpoint, self.key, self.minute

    def add(self, other: "Row") -> None:
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.errors = [mine + theirs for mine, theirs in zip(self.errors, other.errors, strict=True)]
        for mine, theirs in (
            (self.queue, other.queue),
            (self.execution, other.execution),
            (self.response, other.response),
            (self.first_token, other.first_token),
        ):
            mine.add(theirs)


class Batch(msgspec.Struct):
    """`gateway` is the id of one run of a gateway, new at each start."""

    gateway: str
    number: int
    rows: list[Row] = []


def batch_field(gateway: str, number: int) -> str:
    return f"{gateway}:{number}"


def error_class(status: int) -> str | None:
    """The class of an answer's status; None for 200."""
    if status == 200:
        return None
    by_status = {429: "limited", 503: "unavailable", 504: "deadline", CLIENT_GONE: "gone"}
    return by_status.get(status, "client" if 400 <= status < 500 else "failed")


def pack(batch: Batch, key: bytes) -> bytes:
    return seal.seal(key, msgspec.msgpack.encode(batch), PURPOSE)


def unpack(raw: bytes, keys: list[bytes]) -> Batch:
    """Raises `studio.seal.Unsealable` or `msgspec.DecodeError` for what no gateway wrote."""
    return msgspec.msgpack.decode(seal.unseal(keys, raw, PURPOSE), type=Batch)
