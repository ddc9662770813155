"""The agent's way to the broker: its report up, the node's wish down, sealed with the node's key.

Everything here blocks, for at most a second or two, and is called on a thread beside the agent's loop.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scheduler import registers, wire
from scheduler.agent.settings import Settings
from studio import seal

SOCKET_SECONDS = 1.0
BREAK_SECONDS = 1.0

# redis.RedisError for a broker that is away, OSError and ValueError for an address that leads nowhere
BrokerAway = (redis.RedisError, OSError, ValueError)


class BadWish(ValueError):
    """What stands in the wish register is not for this node's key; the message is for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    standing: registers.Standing | None  # None where no report was sent
    wish: bytes | None  # as it stands in the register, sealed


class Post:
    def __init__(self, settings: Settings, url: str, nudge: Callable[[], None]) -> None:
        self.node = settings.node
        self._key = settings.wire_key
        self._purpose = wire.wish_purpose(settings.node)
        self._nudge = nudge
        self._silent_until = 0.0
        self._broker = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def exchange(self, report: wire.Report | None, *, news: bool) -> Answer:
        """Raises one of `BrokerAway`, or `registers.HeldByAnother`. `news`: control should look at once."""
        standing = None
        if report is not None:
            body = seal.seal(self._key, wire.encode(report), self._purpose)
            standing = registers.put_report(self._broker, self.node, report.agent, report.number, body)
        found = registers.get_wish(self._broker, self.node)
        if news and standing and standing.taken:
            self._tell()
        return Answer(standing, found[1] if found else None)

    def opened(self, sealed: bytes) -> wire.Wish:
        """Raises `BadWish`."""
        try:
            wish = wire.decode_wish(seal.unseal([self._key], sealed, self._purpose))
        except seal.Unsealable:
            raise BadWish(
                f"The wish for node {self.node} cannot be opened: it was not sealed for the join token here."
            ) from None
        except msgspec.DecodeError as error:
            raise BadWish(f"The wish for node {self.node} cannot be read: {error}.") from None
        if wish.node != self.node:
            raise BadWish(f"The wish found for node {self.node} is meant for {wish.node}.")
        return wish

    def _tell(self) -> None:
        """A nudge lost costs a moment: control looks at the registers by itself, too."""
        now = time.monotonic()
        if now < self._silent_until:
            return
        try:
            self._nudge()
        except Exception:  # kombu raises what its transports raise
            self._silent_until = now + BREAK_SECONDS
