"""What a sighting by the agent means for an instance's row. Pure; the driver writes what it says."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scheduler import wire
from scheduler.rules import COMING, InstanceState, crashes_so_far, restart_delay

FATAL = ("manifest", "launch")  # trying again would meet the same
MOST_LINES, MOST_CHARS = 20, 500  # of what a node says of an end; its own agent keeps to them anyway
NO_FAULT = ("machine",)  # gone with the machine: no budget is used
GONE = {"host": "", "port": 0, "pid": 0, "progress": None, "progress_at": None}

COMING_STATES = {
    "verifying": InstanceState.STARTING,
    "starting": InstanceState.STARTING,
    "warming": InstanceState.WARMING,
    "ready": InstanceState.READY,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """An instance's row, as far as a sighting can move it."""

    state: str
    attempt: int
    crashes: int
    ready_at: datetime | None
    host: str
    port: int
    pid: int
    progress: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """What to write. `state` is "" when it stays; falsy when there is nothing to write at all."""

    state: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    released: bool = False  # certainly no process any more: its RDUs are free
    wish_moved: bool = False  # the node's wish must say something else now
    seen_outside: bool = False  # people or gateways see a difference

    def __bool__(self) -> bool:
        return bool(self.state or self.fields or self.released)


NOTHING = Change()


def advance(row: Standing, seen: wire.Seen, now: datetime) -> Change:
    """The change a sighting makes.

    1. A sighting of another attempt says nothing: the present one may have begun since. 2. What leaves is over
    once no process is left. 3. An exit is a crash, a fault for good, or nobody's fault. 4. Anything else is how
    far it has come; an agent that knows nothing of what was at work (its folder is gone) begins anew.
    """
    if seen.attempt != row.attempt:
        return NOTHING
    if row.state in (InstanceState.DRAINING, InstanceState.FAILED):
        return _leaving(row, seen, now)
    if seen.state == "exited":
        return crashed(row, seen.error, seen.sentence, seen.log_tail, now)
    if seen.state in COMING_STATES:
        return _came_so_far(row, seen, COMING_STATES[seen.state], now)
    if row.state == InstanceState.LOST or (seen.state == "absent" and row.state != InstanceState.PLACED):
        return Change(state=InstanceState.PLACED, fields=dict(GONE), wish_moved=True, seen_outside=True)
    return NOTHING


def crashed(row: Standing, error: str, sentence: str, log_tail: list[str], now: datetime) -> Change:
    """Another attempt after a pause, or `failed` when the fault is for good or the budget used up."""
    fields: dict[str, Any] = {**GONE, "log_tail": [line[:MOST_CHARS] for line in log_tail[-MOST_LINES:]]}
    faultless = error in NO_FAULT
    crashes = crashes_so_far(row.crashes, row.ready_at, now) + (0 if faultless else 1)
    delay = timedelta(0) if faultless else restart_delay(crashes)
    reason = {"code": error or "crash", "sentence": sentence[:MOST_CHARS]}
    fields |= {"crashes": crashes, "reason": None if faultless else reason, "ready_at": None}
    if delay is None or error in FATAL:
        return Change(InstanceState.FAILED, fields, wish_moved=True, seen_outside=True)
    fields |= {"attempt": row.attempt + 1, "retry_at": now + delay if delay else None}
    return Change(InstanceState.PLACED, fields, wish_moved=True, seen_outside=True)


def _leaving(row: Standing, seen: wire.Seen, now: datetime) -> Change:
    if seen.state != "stopped" and not (seen.state == "exited" and row.state == InstanceState.DRAINING):
        return NOTHING
    if row.state == InstanceState.FAILED:
        return Change(released=True, fields={"pid": 0}, wish_moved=True)
    return Change(
        InstanceState.STOPPED, {**GONE, "ended_at": now}, released=True, wish_moved=True, seen_outside=True
    )


def _came_so_far(row: Standing, seen: wire.Seen, state: str, now: datetime) -> Change:
    progress = (
        {"phase": seen.progress.phase, "done": seen.progress.done, "total": seen.progress.total}
        if seen.progress and state != InstanceState.READY
        else None
    )
    fields: dict[str, Any] = {}
    if progress != row.progress:
        fields |= {"progress": progress, "progress_at": now}
    if (seen.host, seen.port, seen.pid) != (row.host, row.port, row.pid) and seen.port:
        fields |= {"host": seen.host, "port": seen.port, "pid": seen.pid}
    if state == row.state or (row.state == InstanceState.READY and state in COMING and not seen.sentence):
        return Change(fields=fields, seen_outside="port" in fields)
    if state == InstanceState.READY:
        fields |= {"ready_at": now, "reason": None}
    elif row.state == InstanceState.READY:
        fields |= {"reason": {"code": "silent", "sentence": seen.sentence[:MOST_CHARS]}}
    outside = InstanceState.READY in (state, row.state) or row.state in (
        InstanceState.PLACED,
        InstanceState.LOST,
    )
    return Change(state, fields, seen_outside=outside)
