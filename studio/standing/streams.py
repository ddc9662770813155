"""The streams of a web process: a page that somebody has open hears within a second that it should look anew.

One look serves all of them, and only while there are any. A stream has neither a thread nor a connection to the
database: it waits for its word. Everything here runs on the event loop, but for `Look`, which asks the database.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import Error, close_old_connections

from studio.standing import rules, selectors
from studio.standing.rules import Guests, Heard, Listener, Row

log = structlog.get_logger(__name__)

MOST_STREAMS = 256  # of one web process; a page without one looks at its ticks, as ever
LOOK_SECONDS = 0.4  # between two looks: what is told still has to be asked for and drawn within the second
LATER_SECONDS = 3.0  # after a look that failed
OVERLAP_SECONDS = (
    10.0  # a transaction that is open for longer than this after its row was written is not told
)
ON_ITS_WAY = timedelta(seconds=5)  # before its stream began, while the page was drawn and sent
SILENT_SECONDS = 15.0  # proxies cut a connection on which nothing moves
STREAM_SECONDS = 300.0  # about; then it begins anew, with the person as they are by then
HELLO, STILL_HERE = ": listening\n\n", ": still here\n\n"


@dataclass(eq=False, slots=True)
class Stream:
    """`word`: within how many milliseconds the page looks anew; None while there is nothing to say."""

    listener: Listener
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    word: int | None = None
    is_over: bool = False

    def say(self, spread: int) -> None:
        self.word = spread
        self.moved.set()

    def end(self) -> None:
        self.is_over = True
        self.moved.set()

    async def next(self) -> str:
        """The next frame, which may be its last."""
        try:
            await asyncio.wait_for(self.moved.wait(), SILENT_SECONDS)
        except TimeoutError:
            return STILL_HERE
        self.moved.clear()
        word, self.word = self.word, None
        return STILL_HERE if word is None else f"event: look\ndata: {word}\n\n"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found. `is_too_much`: more than is read at once, so everybody is told."""

    ended: set[UUID]  # sessions
    rows: list[Row]
    guests: Guests
    standing: dict[UUID, tuple[bool, frozenset[UUID]]]
    is_too_much: bool

    def speaks_to(self, listener: Listener) -> bool:
        if self.is_too_much or listener.session in self.ended:
            return True
        return any(rules.speaks_to(row, listener, self.guests) for row in self.rows)


class Look:
    """What a process has read of the audit since its first stream began."""

    def __init__(self) -> None:
        self._heard = Heard(OVERLAP_SECONDS)
        self._is_first = True

    def __call__(self, sessions: set[UUID], people: set[UUID], since: float, now: datetime) -> Found:
        """Two queries where nothing happened. `since`: of a clock that never goes back."""
        try:
            return self._look(sessions, people, since, now)
        finally:
            close_old_connections()  # between two looks there is none

    def _look(self, sessions: set[UUID], people: set[UUID], since: float, now: datetime) -> Found:
        read = selectors.rows_above(self._heard.floor)
        fresh = self._heard.fresh([row.id for row in read], since)
        missed = len(read) == selectors.MOST_ROWS and read[-1].id in fresh and not self._is_first
        after = now - ON_ITS_WAY if self._is_first else datetime.min.replace(tzinfo=UTC)
        rows = [row for row in read if row.id in fresh and row.at > after and row.is_of_consequence]
        rows = selectors.with_shares(rows)
        changed = {row.thing for row in rows if row.kind == "user"} & people
        self._is_first = False
        return Found(
            ended=sessions - selectors.open_sessions(sessions, now),
            rows=rows,
            guests=selectors.guests_of(rows) if rows else Guests(),
            standing=selectors.standing_of(changed) if changed else {},
            is_too_much=missed,
        )


class Streams:
    def __init__(self) -> None:
        self._open: set[Stream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None
        self._lately: list[tuple[float, Found]] = []
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        return self._is_closed or len(self._open) >= MOST_STREAMS

    async def frames(self, listener: Listener) -> AsyncIterator[str]:
        """A stream, as server-sent events."""
        stream, loop = Stream(listener), asyncio.get_running_loop()
        until = loop.time() + STREAM_SECONDS * random.uniform(0.8, 1.2)
        self._begin(stream, loop)
        try:
            yield HELLO
            while not stream.is_over and loop.time() < until:
                yield await stream.next()
        finally:
            self._open.discard(stream)

    def close(self) -> None:
        """All end and none begins any more, as the process is about to. May be called by a handler of signals."""
        self._is_closed = True
        if self._loop and self._open:
            self._loop.call_soon_threadsafe(self._end_all)

    def _begin(self, stream: Stream, loop: asyncio.AbstractEventLoop) -> None:
        self._open.add(stream)
        self._loop = loop
        if self._is_closed:
            stream.end()
        if any(found.speaks_to(stream.listener) for _, found in self._lately):
            stream.say(0)
        if self._looking is None or self._looking.done():
            # Not of the request that happens to be the first, whose thread ends with it.
            self._looking = loop.create_task(self._look_on(loop), context=Context())

    async def _look_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until nobody listens."""
        look = Look()
        try:
            while self._open:  # noqa: ASYNC110  the database rings no bell
                await asyncio.sleep(await self._look_once(look, loop))
        finally:  # also where a look has a fault: nobody is to wait for a word that never comes
            self._end_all()
            self._lately = []

    async def _look_once(self, look: Look, loop: asyncio.AbstractEventLoop) -> float:
        """Returns when to look again."""
        listeners = [stream.listener for stream in self._open]
        sessions, people = {each.session for each in listeners}, {each.person for each in listeners}
        try:
            found = await sync_to_async(look)(sessions, people, loop.time(), datetime.now(UTC))
        except Error as error:  # the database is away; the pages say so at their ticks
            log.warning("standing.look_failed", reason=type(error).__name__)
            return LATER_SECONDS
        since = loop.time() - ON_ITS_WAY.total_seconds()
        self._lately = [each for each in self._lately if each[0] > since]
        if found.rows or found.is_too_much:
            self._lately.append((loop.time(), found))
        self._tell(found)
        return LOOK_SECONDS

    def _tell(self, found: Found) -> None:
        told = [stream for stream in self._open if found.speaks_to(stream.listener)]
        for stream in told:
            stream.say(rules.spread(len(told)))
            if stream.listener.session in found.ended:
                stream.end()
        for stream in self._open:
            person = stream.listener.person
            if person in found.standing:
                stream.listener.is_org_admin, stream.listener.tenants = found.standing[person]

    def _end_all(self) -> None:
        for stream in self._open:
            stream.end()


STREAMS = Streams()
