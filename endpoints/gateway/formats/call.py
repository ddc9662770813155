"""The one internal call that every format is translated to and from.

It is what model servers speak: an OpenAI chat or completion body. A format reads its own body into calls,
and puts the answers of the instances (`Exchange`) into its own words.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import orjson

from endpoints.gateway import errors
from endpoints.gateway.errors import Refused
from endpoints.wire import Route

Json = dict[str, Any]
Write = Callable[[bytes], None]

CHAT = "/v1/chat/completions"
COMPLETION = "/v1/completions"
EMBEDDING = "/v1/embeddings"

# What an endpoint can do (`Route.task`).
CHATS = "chat"
EMBEDS = "embedding"


class Call(msgspec.Struct, frozen=True):
    """`body` is sent to `path` of an instance as it stands."""

    path: str
    body: Json
    stream: bool

    @property
    def prompt_bytes(self) -> int:
        """Of all text in it; no text has more tokens than bytes."""
        names = ("input",) if self.path == EMBEDDING else ("messages", "tools", "prompt")
        return size_of([self.body.get(name) for name in names if self.body.get(name)])

    @property
    def max_tokens(self) -> int | None:
        """The most that may be generated, for all choices of all prompts together; None where it is not said."""
        if self.path == EMBEDDING:
            return 0
        asked = [self.body.get(name) for name in ("max_tokens", "max_completion_tokens")]
        given = [count for count in asked if type(count) is int and count >= 0]
        if not given:
            return None
        choices = self.body.get("n")
        choices = choices if type(choices) is int and choices > 1 else 1
        return max(given) * choices * len(inputs(self.body.get("prompt")))


class Usage(msgspec.Struct, frozen=True):
    """Tokens."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


@dataclass(slots=True)
class Clock:
    """When an instance was asked, gave its first token and its last: seconds since the epoch, 0 if never."""

    start: float = 0.0
    first: float = 0.0
    end: float = 0.0

    def until_first(self) -> float:
        return max(self.first - self.start, 0.0) if self.first else 0.0

    def after_first(self) -> float:
        return max(self.end - self.first, 0.0) if self.first else 0.0

    def whole(self) -> float:
        return max((self.end or time.time()) - self.start, 0.0)


class Listener(Protocol):
    """A client that hears a stream."""

    def write(self, piece: bytes, /) -> None: ...

    @property
    def has_room(self) -> bool:
        """Whether it reads as fast as we tell."""

    async def room(self) -> None:
        """Waits until it has."""


Take = Callable[[list[Json]], None]


class Exchange(Protocol):
    """An instance's answer to one call: `answer` when asked for whole, else `pour`."""

    @property
    def call(self) -> Call: ...

    @property
    def instance(self) -> str: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def answer(self) -> Json: ...

    @property
    def said_usage(self) -> Json | None:
        """As the model server counted it."""

    def usage(self) -> Usage: ...

    async def pour(self, take: Take, listener: Listener) -> None:
        """Chunks in OpenAI's form, as they come, as many at once as came together, no more than the listener reads.

        Raises `errors.Refused`, and what `take` raises.
        """


class Telling(Protocol):
    """A stream in a format's own words, which it writes as the calls of the request go on."""

    def go_on(self, place: int, batch: list[Json]) -> None:
        """Of the call at this place. Raises `errors.Refused` for what makes no sense."""

    def end(self, place: int) -> None:
        """That call's answer is complete."""


class Asked(Protocol):
    """A request as its format has read it."""

    @property
    def model_name(self) -> str:
        """The model or expert asked for, by the name the model server knows: aliases are resolved."""

    @property
    def calls(self) -> Sequence[Call]: ...

    @property
    def stream(self) -> bool: ...

    def whole(self, exchanges: Sequence[Exchange]) -> Json:
        """Raises `errors.Refused` for a wish that the answers show to be out of reach."""

    def telling(self, exchanges: Sequence[Exchange], write: Write) -> Telling: ...


class Dialect(Protocol):
    """One prediction API; `media` is the content type of its streams."""

    @property
    def name(self) -> str: ...

    @property
    def media(self) -> bytes: ...

    def read(self, body: bytes, route: Route) -> Asked:
        """Raises `errors.Refused`: 400 for the body, 404 or 400 for an unknown model or expert."""

    def refusal(self, refused: Refused) -> Json: ...

    def broken(self, refused: Refused) -> bytes:
        """What ends a stream that cannot go on."""


def read_object(body: bytes) -> Json:
    """The body as a JSON object. Raises 400."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.bad(None, f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise errors.bad(None, "The body must be a JSON object.")
    return value


def known_names(route: Route, only: Sequence[str] = ()) -> list[str]:
    """Every name a client may say, the experts of a bundle included; `only` those that a key may ask for."""
    names = dict.fromkeys([*(route.names or [route.model]), *route.experts])
    return [name for name in names if not only or may_ask(route, only, upstream_model(route, name))]


def may_ask(route: Route, only: Sequence[str], model: str | None) -> bool:
    """`model` as the model server knows it; in `only` each may stand under any of its names."""
    return model in {upstream_model(route, name) for name in only}


def upstream_model(route: Route, said: str | None) -> str | None:
    """The name to say to the model server for what the client said, None if there is no such model."""
    if said is None or said in route.experts:
        return said or route.model
    if said == route.model:
        return said
    return route.model if said in known_names(route) else None


def model_of(calls: Sequence[Call]) -> str:
    """The name said to the model server; all calls of one request ask for the same."""
    name: str = calls[0].body["model"]
    return name


def need(route: Route, task: str) -> None:
    """Raises 400 where the endpoint does something else."""
    if route.task != task:
        raise errors.wrong_task(route.task, route.model)


def inputs(said: object) -> list[object]:
    """Each of OpenAI's `prompt` or `input`: a text, texts, one text as tokens, or several such lists."""
    if isinstance(said, list) and said and not isinstance(said[0], int):
        return said
    return [said]


def size_of(value: object) -> int:
    """Bytes of all texts in JSON, names of fields included; anything else counts as one."""
    size = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            size += len(one) if one.isascii() else len(one.encode())
        elif isinstance(one, dict):
            waiting += one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        else:
            size += 1
    return size


def line_of(value: Any) -> bytes:
    """JSON that no client splits: some take Unicode's other line ends for ends of lines."""
    line = orjson.dumps(value)
    if line.isascii():
        return line
    return (
        line.replace(b"\xe2\x80\xa8", rb"\u2028")
        .replace(b"\xe2\x80\xa9", rb"\u2029")
        .replace(b"\xc2\x85", rb"\u0085")
    )


def new_id() -> str:
    """32 digits that no other answer has; nobody's secret, so chance is enough."""
    return f"{random.getrandbits(128):032x}"
