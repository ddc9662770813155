"""What control and a node's agent say to each other: a wish down, a report up.

Both are whole states, never differences, and carry a number; the broker keeps only the newest of each
(`scheduler.registers`). A wish is ordered by (control incarnation, node epoch), a report by (agent boot,
sequence); both orders are packed into one integer that a Lua script can compare exactly (< 2**53).
"""

from typing import Literal

import msgspec

EPOCH_BITS = 32

Desired = Literal["run", "hold", "drain", "stop"]
SeenState = Literal["absent", "verifying", "starting", "warming", "ready", "draining", "exited", "stopped"]


def packed(high: int, low: int) -> int:
    """One comparable number of two: `high` < 2**20, `low` < 2**32."""
    return (high << EPOCH_BITS) | low


def unpacked(number: int) -> tuple[int, int]:
    return number >> EPOCH_BITS, number & ((1 << EPOCH_BITS) - 1)


class File(msgspec.Struct, frozen=True):
    """One file of a checkpoint: path inside its folder, size in bytes, sha256 in hex."""

    path: str
    size: int
    sha256: str


class Expert(msgspec.Struct, frozen=True):
    """A checkpoint an instance serves. A standalone model is a list of one."""

    name: str
    path: str  # folder, relative to the checkpoint store
    files: list[File]
    pinned: bool = False


class Runtime(msgspec.Struct, frozen=True):
    """How a checkpoint becomes a model server. A row of the hub, as the agent needs it.

    `argv` and the values of `env` may hold the fields {path} {gguf} {host} {port} {name} {rdus} {devices}
    {parallel} and {python}; each item is one argument, no shell is involved.
    """

    name: str
    version: str
    argv: list[str]
    env: dict[str, str] = {}
    token_file_env: str = ""  # variable that names a 0600 file with the instance's token
    token_env: str = ""  # variable that holds the token itself
    device_env: str = ""  # variable that lists the allocated RDUs
    health_path: str = "/health"
    warmup_path: str = "/v1/completions"
    metrics_path: str = ""
    in_flight_metrics: list[str] = []  # their sum is the number of unfinished requests
    start_seconds: int = 120  # without progress
    stop_seconds: int = 5  # between TERM and KILL
    parallel: int = 0  # requests an instance works on at once; 0 for as many as come


class Wished(msgspec.Struct, frozen=True):
    """One instance as control wants it on this node.

    `run` attempt n means: be running since attempt n began; a process of an older attempt is ended first,
    an attempt that has exited is not repeated by the agent. `hold` keeps the RDUs without a process;
    `drain` waits for unfinished requests, at most `drain_seconds`, then ends it; `stop` ends it now.
    """

    id: str
    endpoint: str
    desired: Desired
    attempt: int
    name: str
    experts: list[Expert]
    runtime: Runtime
    rdus: list[int]
    parameters: dict[str, str | int | float | bool]
    token: str
    drain_seconds: int

    def __repr__(self) -> str:
        """Without the token."""
        return f"Wished({self.id}, {self.desired}, attempt {self.attempt})"


class Wish(msgspec.Struct, frozen=True):
    """The whole wish for a node. `agent` is the only agent it is meant for ("" while none has joined).

    `refusal` says why the agent that reports may not join, "" otherwise.
    """

    node: str
    agent: str
    incarnation: int
    epoch: int
    instances: list[Wished]
    refusal: str = ""

    @property
    def number(self) -> int:
        return packed(self.incarnation, self.epoch)


class Progress(msgspec.Struct, frozen=True):
    """How far a start has come, in units of `phase` (bytes verified, checkpoints loaded)."""

    phase: str
    done: int
    total: int


class Seen(msgspec.Struct, frozen=True):
    """One instance as the agent sees it now. `attempt` says which attempt it speaks of."""

    id: str
    attempt: int
    state: SeenState
    pid: int = 0
    host: str = ""
    port: int = 0
    progress: Progress | None = None
    in_flight: int | None = None
    error: str = ""  # "": none; "manifest", "launch", "crash", "machine" (gone while the agent was away)
    sentence: str = ""
    exit_code: int | None = None
    log_tail: list[str] = []


class Report(msgspec.Struct, frozen=True):
    """Everything an agent sees, having applied the wish (incarnation, epoch)."""

    node: str
    agent: str
    boot: int
    seq: int
    incarnation: int
    epoch: int
    host: str
    machine: str
    instances: list[Seen]
    foreign: list[str] = []  # ids of our processes that no wish names and that still live

    @property
    def number(self) -> int:
        return packed(self.boot, self.seq)


def encode(message: Wish | Report) -> bytes:
    return msgspec.msgpack.encode(message)


def decode_wish(raw: bytes) -> Wish:
    """Raises `msgspec.DecodeError` for anything that is not a wish."""
    return msgspec.msgpack.decode(raw, type=Wish)


def decode_report(raw: bytes) -> Report:
    """Raises `msgspec.DecodeError` for anything that is not a report."""
    return msgspec.msgpack.decode(raw, type=Report)


def wish_purpose(node: str) -> str:
    """What a node's wishes and reports are sealed for."""
    return f"node:{node}"
