"""Clients that ask in every form, at several gateways, and keep a book of what they asked and were told.

A client does as real ones do: what was refused for the moment it asks again, after as long as it was told to wait.
Whatever no client could make sense of is a complaint. The book is what usage must say in the end.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from endpoints.usage.wire import error_class
from tests.support.asking import (
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    FORMS,
    MOST_TOKENS,
    Form,
    Question,
    Target,
    Told,
)

AGAIN = {429, 502, 503, 504}  # what a client may ask again
HANGS_SECONDS = 90.0  # no answer may take so long
PATIENCE_SECONDS = 150.0  # for one question, all tries together
LEAVING_SHARE = 0.03  # of the requests: their client leaves before the end
WRONG_SHARE = 0.02  # a client's mistake
STATUS_OF = {
    "deadline": 504,
    "no_instance_answers": 503,
    "not_live": 503,
    "stopping": 503,
}  # in a stream; else 502


@dataclass
class Page:
    """What one key must have used. `loose` tokens are those of answers cut short: at most so many more."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    loose_prompt: int = 0
    loose_completion: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def note_status(self, status: int) -> None:
        if kind := error_class(status):
            self.errors[kind] += 1

    def note_tokens(self, told: Sequence[Told]) -> None:
        self.prompt += sum(one.prompt_tokens or 0 for one in told)
        self.completion += sum(one.completion_tokens or 0 for one in told)

    def note_loose(self, known: Sequence[Told]) -> None:
        self.loose_prompt += sum(one.prompt_tokens or 0 for one in known)
        self.loose_completion += sum(one.completion_tokens or 0 for one in known)


@dataclass(frozen=True)
class Request:
    id: str
    target: Target
    form: Form
    asked: Sequence[Question]

    def body(self) -> dict[str, object]:
        return self.form.body(self.asked)


class Crowd:
    """`open`: the endpoints' keys for all that is answered; `hasty`: those of clients that leave early."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        gateways: Sequence[str],
        open: Sequence[Target],
        hasty: Sequence[Target],
        questions: Sequence[str],
        seed: int,
    ) -> None:
        self.book: dict[str, Page] = defaultdict(Page)  # by the key's id
        self.complaints: list[str] = []
        self.answered: Counter[str] = Counter()  # by form
        self.again: Counter[str] = Counter()  # "<status> <code>" of what was asked again
        self.broken: Counter[str] = Counter()  # codes of the streams that ended in an error
        self.longest = 0.0  # seconds that one question took, all tries together
        self._session = session
        self._gateways = gateways
        self._open = open
        self._hasty = hasty
        self._questions = questions
        self._known: dict[Question, Told] = {}
        self._chance = random.Random(seed)
        self._ids = iter_ids(seed)

    @property
    def requests(self) -> int:
        return sum(page.requests for page in self.book.values())

    # ----- before the trouble -----------------------------------------------------------------------------

    async def learn(self) -> None:
        """What each question is answered while all is quiet."""
        for target in self._open:
            forms = (EMBEDDINGS,) if target.embeds else (COMPLETION, CHAT)
            for form in forms:
                for most in MOST_TOKENS:
                    for text in self._questions:
                        question = Question(target.endpoint, text, most, form.chat)
                        count = form.prompts[1]
                        await self._settle(Request(next(self._ids), target, form, [question] * count))
        assert not self.complaints, self.complaints

    # ----- in the trouble ---------------------------------------------------------------------------------

    async def ask(self, clients: int, enough: Callable[[], bool], pause: float = 0.0) -> None:
        """Until it is enough, or something went wrong. `pause`: seconds of thought between two questions, at most."""

        async def client() -> None:
            while not enough() and not self.complaints:
                await self._one()
                await asyncio.sleep(self._chance.random() * pause)

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())

    async def _one(self) -> None:
        chance = self._chance.random()
        if chance < LEAVING_SHARE:
            await self._leave(self._any(self._hasty))
        elif chance < LEAVING_SHARE + WRONG_SHARE:
            await self._mistake(self._any(self._open))
        else:
            await self._settle(self._any(self._open))

    def _any(self, targets: Sequence[Target]) -> Request:
        target = self._chance.choice(targets)
        form = self._chance.choice([form for form in FORMS if form.embeds == target.embeds])
        most = self._chance.choice(MOST_TOKENS)
        texts = self._chance.choices(self._questions, k=self._chance.randint(*form.prompts))
        return Request(
            next(self._ids),
            target,
            form,
            [Question(target.endpoint, text, most, form.chat) for text in texts],
        )

    async def _settle(self, request: Request) -> None:
        """Ask until there is an answer."""
        begun = time.monotonic()
        try:
            while (pause := await self._try(request)) is not None:
                assert time.monotonic() - begun < PATIENCE_SECONDS, "lost: refused for too long"
                await asyncio.sleep(pause)
        except TimeoutError:
            self.complaints.append(f"{request.id}: no end within {HANGS_SECONDS:g} s ({request.form.name})")
        except (AssertionError, aiohttp.ClientError, ValueError, LookupError) as error:
            self.complaints.append(f"{request.id}: {error!r} ({request.form.name})")
        self.longest = max(self.longest, time.monotonic() - begun)

    async def _try(self, request: Request) -> float | None:
        """One request; the seconds to wait where it may be asked again, None once it is answered."""
        page = self.book[request.target.key_id]
        page.requests += 1
        async with asyncio.timeout(HANGS_SECONDS), self._post(request, request.body()) as response:
            text = (await response.read()).decode()
        assert response.headers.get("x-request-id") == request.id, "the answer is to another request"
        page.note_status(response.status)
        if response.status == 200:
            self._judge(request, text, page)
            return None
        error = json.loads(text)["error"]
        assert response.status in AGAIN, f"{response.status} {error}"
        self.again[f"{response.status} {error['code']}"] += 1
        return float(response.headers.get("retry-after", 1.0))

    def _post(self, request: Request, body: object) -> aiohttp.client._RequestContextManager:
        return self._session.post(
            self._chance.choice(self._gateways) + request.form.path_at(request.target),
            json=body,
            headers={"key": request.target.key, "x-request-id": request.id},
        )

    def _judge(self, request: Request, text: str, page: Page) -> None:
        form = request.form
        if form.stream and (code := form.error_in(text)):
            self._judge_broken(request, text, code, page)
            return
        if form.stream:
            told = form.told(text)
        else:
            answer = json.loads(text)
            form.check(answer)
            told = form.told(answer)
            page.prompt += answer["usage"]["prompt_tokens"] if form.embeds else 0
        pairs = zip(request.asked, told, strict=True)
        known = [self._known.setdefault(question, one) for question, one in pairs]
        assert [one.text for one in told] == [one.text for one in known], f"not {known}, but {told}"
        for one, right in zip(told, known, strict=True):
            assert one.prompt_tokens in (None, right.prompt_tokens), (
                f"{one.prompt_tokens} prompt tokens, not {right}"
            )
            assert one.completion_tokens in (None, right.completion_tokens), (
                f"{one} has other tokens than {right}"
            )
        page.note_tokens(known)
        self.answered[form.name] += 1

    def _judge_broken(self, request: Request, text: str, code: str, page: Page) -> None:
        assert request.form.said is not None
        known = [self._known[question] for question in request.asked]
        for right, said in zip(known, request.form.said(text), strict=True):
            assert right.text.startswith(said), f"not {right.text!r}, but {said!r}"
        page.note_status(STATUS_OF.get(code, 502))
        page.note_loose(known)
        self.broken[code] += 1

    async def _mistake(self, request: Request) -> None:
        """A body that no form takes: refused, and counted as the client's error."""
        page = self.book[request.target.key_id]
        page.requests += 1
        try:
            async with asyncio.timeout(HANGS_SECONDS), self._post(request, ["no object"]) as response:
                assert response.status in {400, 503}, f"{response.status} for a client's mistake"
                page.note_status(response.status)
        except (AssertionError, aiohttp.ClientError, TimeoutError) as error:
            self.complaints.append(f"{request.id}: {error!r}")

    async def _leave(self, request: Request) -> None:
        """Sends a request and hangs up: at once, or after the first bytes of the answer."""
        page = self.book[request.target.key_id]
        page.requests += 1
        page.note_loose([self._known[question] for question in request.asked])
        address = urlsplit(self._chance.choice(self._gateways))
        content = json.dumps(request.body()).encode()
        head = (
            f"POST {request.form.path_at(request.target)} HTTP/1.1\r\nhost: {address.netloc}\r\n"
            f"key: {request.target.key}\r\nx-request-id: {request.id}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + content)
        await writer.drain()
        if self._chance.random() < 0.5:
            async with asyncio.timeout(HANGS_SECONDS):
                await reader.read(100)
        writer.close()


def iter_ids(seed: int) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"soak-{seed}-{number}"
