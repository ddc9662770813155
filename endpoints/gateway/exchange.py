"""One attempt at one instance: the request, the first byte, the rest."""

import time
from typing import TYPE_CHECKING

import orjson

from endpoints.gateway import errors
from endpoints.gateway.answer import NOT_THIS_ONE, Answer, error_of
from endpoints.gateway.connections import Broken, Connection, Connections, Silent, TooSlow, Unreachable
from endpoints.gateway.formats.call import Call, Clock, Json, Listener, Take, Usage
from endpoints.gateway.sse import TooLong
from endpoints.wire import Upstream

if TYPE_CHECKING:
    from endpoints.gateway.fleet import Fleet

PART = 32 * 1024  # bytes of a stream worked on at once: they are in memory twice
RETRY_ELSEWHERE = {502, 503, 504} | NOT_THIS_ONE


class InstanceFailed(Exception):
    """Nothing has reached the client yet, so another instance may be asked.

    `refuses`: it takes no connections; `reset`: it closed one that was open.
    """

    def __init__(
        self,
        reason: str,
        *,
        refuses: bool = False,
        reset: bool = False,
        refused: errors.Refused | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refuses = refuses
        self.reset = reset
        self.refused = refused or errors.no_answer()


class Attempt:
    """See `formats.call.Exchange`. `begin()` first, `close()` in any case; `fleet.take` chose the instance."""

    def __init__(
        self, connections: Connections, fleet: "Fleet", upstream: Upstream, call: Call, request_id: str
    ) -> None:
        self.call = call
        self.instance = upstream.id
        self.begun = False
        self.clock = Clock()
        self._answer = Answer(call)
        self._connections = connections
        self._fleet = fleet
        self._upstream = upstream
        self._request_id = request_id
        self._connection: Connection | None = None
        self._first: list[Json] = []
        self._closed = False
        fleet.began(upstream, self)

    @property
    def waits_since(self) -> float | None:
        """See `fleet.CallUnderWay`."""
        return self._connection.waits_since if self._connection is not None else None

    @property
    def answer(self) -> Json:
        return self._answer.whole

    @property
    def said_usage(self) -> Json | None:
        return self._answer.said_usage

    def usage(self) -> Usage:
        return self._answer.usage()

    async def begin(self) -> None:
        """Raises InstanceFailed where another instance may be asked, `errors.Refused` where it is of no use."""
        self.clock.start = time.time()
        began = time.monotonic()
        try:
            connection = await self._ask()
            if self.call.stream:
                status = await connection.head()
                if status != 200:
                    raise _said_no(*await connection.whole())
                self._first = await self._first_batch()
            else:
                status, content = await connection.whole()
                if status != 200:
                    raise _said_no(status, content)
                self._answer.take(content)
                self.clock.first = self.clock.end = time.time()
            if self.call.stream:
                self._answer.check()
            self.begun = True
        except errors.Refused as refused:
            if refused.status in RETRY_ELSEWHERE:
                raise InstanceFailed(f"{refused.status} {refused.code}", refused=refused) from None
            raise
        except Unreachable as error:
            if isinstance(error, TooSlow) and self._fleet.beat.was_late_since(began):
                raise InstanceFailed("was not heard by a busy gateway", reset=True) from error
            raise InstanceFailed("refuses connections", refuses=True) from error
        except Silent as error:
            raise InstanceFailed("takes calls and answers nothing") from error
        except (Broken, TooLong) as error:
            raise InstanceFailed(f"broke the connection ({error})", reset=True) from error

    async def pour(self, take: Take, listener: Listener) -> None:
        assert self._connection is not None
        answer = self._answer

        def hear(part: bytes) -> bool:
            batch = answer.feed(part)
            if batch:
                take(batch)
                answer.check()
            return not answer.done and listener.has_room

        try:
            take(self._first)
            answer.check()
            more = True
            while more and not answer.done:
                await listener.room()
                more = await self._connection.pour(PART, hear)
            answer.end()
        except Silent as error:
            raise errors.broken("it fell silent") from error
        except Broken as error:
            raise errors.broken("its connection was lost") from error
        except TooLong as error:
            raise errors.broken("one event was too long") from error
        self.clock.end = time.time()
        self.close()  # it is complete: another call of this request may be waiting for its slot

    def close(self) -> None:
        """Ends the call at the instance, unless it is complete; the connection then serves the next one."""
        if self._closed:
            return
        self._closed = True
        self._fleet.ended(self._upstream, self)
        self._fleet.give_back(self.instance)
        if self._connection is not None:
            self._connection.release()

    def abandon(self) -> None:
        """See `fleet.CallUnderWay`."""
        if self._connection is not None:
            self._connection.give_up()

    async def _ask(self) -> Connection:
        try:
            body = orjson.dumps(self.call.body)
        except TypeError:
            raise errors.bad(None, "The body is nested too deeply.") from None
        # llama.cpp closes the connection after a stream, and says so only when it is asked to.
        after = "close" if self.call.stream else "keep-alive"
        head = (
            f"POST {self.call.path} HTTP/1.1\r\n{common_head(self._upstream)}x-request-id: {self._request_id}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: {after}\r\n\r\n"
        )
        self._connection = await self._connections.take(self._upstream)
        self._connection.ask(head.encode(), body)
        return self._connection

    async def _first_batch(self) -> list[Json]:
        """The chunks that come first, together. Raises `errors.Refused`."""
        assert self._connection is not None
        batch: list[Json] = []
        while not batch and not self._answer.done and (part := await self._connection.part(PART)):
            batch = self._answer.feed(part)
        if not batch:
            self._answer.end()  # which it cannot be
        self.clock.first = time.time()
        return batch


def common_head(upstream: Upstream) -> str:
    """What every request to an instance says."""
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    return f"host: {host}:{upstream.port}\r\nauthorization: Bearer {upstream.token}\r\naccept-encoding: identity\r\n"


def _said_no(status: int, content: bytes) -> Exception:
    """What an answer other than 200 means: asking elsewhere, or the client's own mistake."""
    refused = error_of(content, status)
    if status in RETRY_ELSEWHERE:
        elsewhere = errors.no_answer() if status in NOT_THIS_ONE else refused
        return InstanceFailed(f"answered {status}", refused=elsewhere)
    return refused
