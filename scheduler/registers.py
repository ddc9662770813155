"""The two registers of a node in the broker: its wish and its report, latest wins.

Each is a hash {number, body}; a Lua script compares the number, so an older writer is refused and learns
what stands there. A node that was away for a day finds one wish, and control finds one report.
"""

from dataclasses import dataclass
from typing import Any

import redis

CHANGED = "reports:changed"  # set of node names whose report moved
KEEP_SECONDS = 7 * 24 * 3600
INTRUDER_SECONDS = 20  # it tries again every few seconds; see `scheduler.agent.loop`

# KEYS: register. ARGV: number, body, seconds to keep. → {1, number} when written, {0, standing number} when not.
PUT_WISH = """
local standing = tonumber(redis.call('HGET', KEYS[1], 'number') or '-1')
if standing > tonumber(ARGV[1]) then return {0, standing} end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'body', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {1, tonumber(ARGV[1])}
"""

# KEYS: register, holder, changed set, intruder. ARGV: number, body, seconds, agent id, node name, its seconds.
# → {1, number} written; {0, standing number} older; {-1, 0} another agent holds the node.
PUT_REPORT = """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[4] then
  redis.call('SET', KEYS[4], ARGV[4], 'EX', ARGV[6])
  return {-1, 0}
end
if not holder then redis.call('SET', KEYS[2], ARGV[4]) end
local standing = tonumber(redis.call('HGET', KEYS[1], 'number') or '-1')
if standing > tonumber(ARGV[1]) then return {0, standing} end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'body', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('SADD', KEYS[3], ARGV[5])
return {1, tonumber(ARGV[1])}
"""

UNBIND = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class HeldByAnother(RuntimeError):
    """The node is joined by another agent; this one must not touch it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a write met: whether it was taken, and the number that stands now."""

    taken: bool
    number: int


def wish_key(node: str) -> str:
    return f"node:{node}:wish"


def report_key(node: str) -> str:
    return f"node:{node}:report"


def holder_key(node: str) -> str:
    return f"node:{node}:agent"


def intruder_key(node: str) -> str:
    return f"node:{node}:intruder"


def put_wish(broker: "redis.Redis", node: str, number: int, body: bytes) -> Standing:
    taken, standing = broker.eval(PUT_WISH, 1, wish_key(node), number, body, KEEP_SECONDS)
    return Standing(taken == 1, int(standing))


def put_report(broker: "redis.Redis", node: str, agent: str, number: int, body: bytes) -> Standing:
    """Raises `HeldByAnother` when a different agent has joined this node."""
    keys = (report_key(node), holder_key(node), CHANGED, intruder_key(node))
    taken, standing = broker.eval(
        PUT_REPORT, len(keys), *keys, number, body, KEEP_SECONDS, agent, node, INTRUDER_SECONDS
    )
    if taken == -1:
        raise HeldByAnother(node)
    return Standing(taken == 1, int(standing))


def get_wish(broker: "redis.Redis", node: str) -> tuple[int, bytes] | None:
    return _read(broker.hmget(wish_key(node), "number", "body"))


def get_wish_numbers(broker: "redis.Redis", nodes: list[str]) -> dict[str, int]:
    """Node name → number of the wish that stands, for those that have one."""
    pipe = broker.pipeline(transaction=False)
    for node in nodes:
        pipe.hget(wish_key(node), "number")
    return {
        node: int(number) for node, number in zip(nodes, pipe.execute(), strict=True) if number is not None
    }


def get_reports(broker: "redis.Redis", nodes: list[str]) -> dict[str, tuple[int, bytes]]:
    """Node name → (number, body) for those that have a report, in one round trip."""
    pipe = broker.pipeline(transaction=False)
    for node in nodes:
        pipe.hmget(report_key(node), "number", "body")
    found = {node: _read(pair) for node, pair in zip(nodes, pipe.execute(), strict=True)}
    return {node: pair for node, pair in found.items() if pair}


def get_intruders(broker: "redis.Redis", nodes: list[str]) -> dict[str, str]:
    """Node name → the agent that was refused there lately."""
    said: list[Any] = broker.mget([intruder_key(node) for node in nodes]) if nodes else []
    return {node: agent.decode() for node, agent in zip(nodes, said, strict=True) if agent}


def take_changed(broker: "redis.Redis", most: int = 500) -> list[str]:
    """Names of nodes whose report moved. Taken names are gone; the sweep finds what is lost with a crash."""
    return sorted(name.decode() for name in broker.spop(CHANGED, most) or [])  # type: ignore[union-attr]


def bind(broker: "redis.Redis", node: str, agent: str) -> None:
    """Control's word on who holds the node; the registers of a removed node go with `forget`."""
    broker.set(holder_key(node), agent)


def unbind(broker: "redis.Redis", node: str, agent: str) -> None:
    """This agent does not hold the node after all."""
    broker.eval(UNBIND, 1, holder_key(node), agent)


def forget(broker: "redis.Redis", node: str) -> None:
    broker.delete(wish_key(node), report_key(node), holder_key(node), intruder_key(node))


def _read(pair: Any) -> tuple[int, bytes] | None:
    number, body = pair
    return (int(number), body) if number is not None else None
