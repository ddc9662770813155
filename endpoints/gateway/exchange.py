"""One attempt at one instance: the request, the first byte, the rest."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from endpoints.gateway import errors
from endpoints.gateway.formats.call import Call, Clock, Json, Usage
from endpoints.gateway.sse import Splitter, TooLong
from endpoints.wire import Upstream

if TYPE_CHECKING:
    from endpoints.gateway.fleet import Fleet

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=2.0)  # the deadline is the request's own
# An instance that knows our token no longer is not the one we were told of.
NOT_THIS_ONE = {401, 403}
RETRY_ELSEWHERE = {502, 503, 504} | NOT_THIS_ONE
DONE = b"[DONE]"
LONGEST_SENTENCE = 1000


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


class Silent(Exception):
    """The fleet gave the instance up while this call waited for it."""


class Attempt:
    """See `formats.call.Exchange`. `begin()` first, `close()` in any case; `fleet.take` chose the instance."""

    def __init__(
        self, session: aiohttp.ClientSession, fleet: "Fleet", upstream: Upstream, call: Call, request_id: str
    ) -> None:
        self.call = call
        self.instance = upstream.id
        self.waits_since: float | None = None  # see `fleet.CallUnderWay`
        self.begun = False
        self.clock = Clock()
        self.answer: Json = {}
        self.said_usage: Json | None = None
        self._session = session
        self._fleet = fleet
        self._upstream = upstream
        self._request_id = request_id
        self._response: aiohttp.ClientResponse | None = None
        self._splitter = Splitter()
        self._first: list[Json] = []
        self._deltas = 0
        self._finished = False
        self._done = False
        self._failure: errors.Refused | None = None
        self._closed = False
        self._listening: asyncio.Task[Any] | None = None  # who waits for the instance's next byte
        self._abandoned = False
        fleet.began(upstream, self)

    def usage(self) -> Usage:
        """As the instance counted it; where a stream ended before it did, the chunks that came."""
        said = self.said_usage
        if said is None:
            return Usage(0, self._deltas)
        return Usage(_count(said, "prompt_tokens"), _count(said, "completion_tokens"))

    async def begin(self) -> None:
        """Raises InstanceFailed where another instance may be asked, `errors.Refused` where it is of no use."""
        self.clock.start = time.time()
        try:
            with self._listen():
                response = await self._post()
                if response.status != 200:
                    raise await _said_no(response)
                if self.call.stream:
                    self._first = await self._next_batch()
                else:
                    self._take_whole(await response.read())
            if self._failure is not None:
                raise self._failure
            self.begun = True
        except errors.Refused as refused:
            if refused.status in RETRY_ELSEWHERE:
                raise InstanceFailed(f"{refused.status} {refused.code}", refused=refused) from None
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise InstanceFailed("refuses connections", refuses=True) from error
        except Silent as error:
            raise InstanceFailed("takes calls and answers nothing") from error
        except (aiohttp.ClientError, OSError, TooLong) as error:
            raise InstanceFailed(f"broke the connection ({type(error).__name__})", reset=True) from error

    async def batches(self) -> AsyncIterator[list[Json]]:
        batch = self._first
        while batch:
            yield batch
            if self._done:
                break
            try:
                with self._listen():
                    batch = await self._next_batch()
            except Silent as error:
                raise errors.broken("it fell silent") from error
            except (aiohttp.ClientError, OSError) as error:
                raise errors.broken("its connection was lost") from error
            except TooLong as error:
                raise errors.broken("one event was too long") from error
        self.clock.end = time.time()

    def close(self) -> None:
        """Ends the call at the instance, unless it is complete; the connection then serves the next one."""
        if self._closed:
            return
        self._closed = True
        self._fleet.ended(self._upstream, self)
        self._fleet.give_back(self.instance)
        if self._response is not None:
            self._response.close()

    def abandon(self) -> None:
        """See `fleet.CallUnderWay`. Whoever waits for the instance is woken, whoever asks it next refused."""
        self._abandoned = True
        if self._listening is not None:
            self._listening.cancel()

    @contextmanager
    def _listen(self) -> Iterator[None]:
        """Around each wait for the instance. Raises Silent when the call was abandoned meanwhile."""
        self._check_abandoned()
        task = self._listening = asyncio.current_task()
        assert task is not None
        self.waits_since = time.monotonic()
        try:
            yield
        except asyncio.CancelledError:
            # Cancelled for another reason too, say by a client that left, the task must end all the same.
            if self._abandoned and not task.uncancel():
                raise Silent from None
            raise
        finally:
            self._listening = self.waits_since = None

    def _check_abandoned(self) -> None:
        if self._abandoned:
            raise Silent

    async def _post(self) -> aiohttp.ClientResponse:
        upstream = self._upstream
        try:
            body = orjson.dumps(self.call.body)
        except TypeError:
            raise errors.bad(None, "The body is nested too deeply.") from None
        self._response = await self._session.post(
            address(upstream) + self.call.path,
            data=body,
            headers={
                "authorization": f"Bearer {upstream.token}",
                "content-type": "application/json",
                "accept-encoding": "identity",
                "x-request-id": self._request_id,
            },
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        return self._response

    def _take_whole(self, content: bytes) -> None:
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise errors.broken("it is not JSON")
        if answer.get("error"):
            raise _error_in(answer, 502)
        if not isinstance(answer.get("choices"), list):
            raise errors.broken("it has no choices")
        self.clock.first = self.clock.end = time.time()
        self.answer = answer
        self._note(answer)

    async def _next_batch(self) -> list[Json]:
        """The chunks that come together next; an empty list after the last. Raises `errors.Refused`."""
        assert self._response is not None
        if self._failure is not None:
            raise self._failure
        batch: list[Json] = []
        while not batch and not self._done:
            part = await self._response.content.readany()
            if not part:
                if not self._finished:
                    raise errors.broken("it ended early")
                break
            for data in self._splitter.feed(part):
                if data == DONE:
                    self._done = True
                    break
                try:
                    batch += self._chunks(data)
                except errors.Refused as refused:
                    if not batch:
                        raise
                    self._failure = refused  # after what came before it
                    return batch
        if batch and not self.clock.first:
            self.clock.first = time.time()
        return batch

    def _chunks(self, data: bytes) -> list[Json]:
        """The event's chunk; nothing for an event that is about something else."""
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise errors.broken("it sent what is not JSON") from None
        if not isinstance(chunk, dict):
            raise errors.broken("it sent what is not an object")
        if chunk.get("error") or chunk.get("object") == "error":
            raise _error_in(chunk, 502)
        if not isinstance(chunk.get("choices"), list):
            return []
        self._note(chunk)
        return [chunk]

    def _note(self, answer: Json) -> None:
        """Takes down what is told about the answer, wherever a model server puts it. Raises 502."""
        if isinstance(answer.get("usage"), dict):
            self.said_usage = answer["usage"]
        for choice in answer["choices"]:
            if not isinstance(choice, dict) or not isinstance(_said_in(choice), dict | None):
                raise errors.broken("it is not an answer that OpenAI's API knows")
            self._deltas += 1
            self._finished = self._finished or bool(choice.get("finish_reason"))


def _said_in(choice: Json) -> object:
    return choice.get("delta", choice.get("message"))


def address(upstream: Upstream) -> str:
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    return f"http://{host}:{upstream.port}"


async def _said_no(response: aiohttp.ClientResponse) -> Exception:
    """What an answer other than 200 means: asking elsewhere, or the client's own mistake."""
    status = response.status
    refused = _error_in(_object(await response.read()), status)
    if status in RETRY_ELSEWHERE:
        elsewhere = errors.no_answer() if status in NOT_THIS_ONE else refused
        return InstanceFailed(f"answered {status}", refused=elsewhere)
    return refused


def _object(content: bytes) -> Json:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _error_in(body: Json, status: int) -> errors.Refused:
    """An error object in whatever form the runtime has: `{"error": {…} | "…"}`, or message and code beside it."""
    said: Any = body.get("error")
    said = said if isinstance(said, dict) else {"message": said or body.get("message") or body.get("detail")}
    code = said.get("code")
    if status == 502 and isinstance(code, int) and 400 <= code <= 599 and code not in NOT_THIS_ONE:
        status = code
    sentence = said.get("message")
    if not isinstance(sentence, str) or not sentence:
        sentence = f"The instance answered {status}."
    wait = 1 if status in {429, 503} else None
    param = said.get("param")
    return errors.Refused(
        status if status >= 400 else 502,
        "instance_refused" if status < 500 else "instance_failed",
        sentence[:LONGEST_SENTENCE],
        param=param if isinstance(param, str) else None,
        retry_after=wait,
    )


def _count(usage: Json, name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and count >= 0 else 0
