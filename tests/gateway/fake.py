"""A model server for tests: a few lines of HTTP, and behaviours from polite to nasty."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from endpoints.wire import Upstream

TOKEN = "token-of-the-instance"
WORDS = ["one", " two", " three"]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@dataclass
class Seen:
    """A request as it arrived; `gone` when its client has closed the connection.

    A behaviour that says one word first goes on when the test sets `go_on`.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


class Out:
    """The answer's side of the connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def json(self, value: Any, status: int = 200) -> None:
        await self.content(json.dumps(value).encode() if status != 204 else b"", status)

    async def content(self, body: bytes, status: int = 200) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def begin_events(self) -> None:
        self.writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await self.writer.drain()

    async def raw(self, part: bytes) -> None:
        self.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await self.writer.drain()

    async def event(self, value: Any) -> None:
        await self.raw(event(value))

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def cut(self) -> None:
        self.writer.transport.abort()


Behaviour = Callable[[Seen, Out], Awaitable[None]]


def event(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"data: {text}\n\n".encode()


def chunk(text: str | None, *, chat: bool, finish: str | None = None) -> dict[str, Any]:
    """As llama.cpp sends it: the first delta of a chat has a null content, the last none at all."""
    said = {"text": text or ""} if not chat else {"delta": {} if finish else {"content": text}}
    return {
        "id": "x-1",
        "created": 1,
        "model": "served",
        "choices": [{"index": 0, "finish_reason": finish, **said}],
    }


def events(*, chat: bool, words: list[str] = WORDS) -> list[dict[str, Any]]:
    first = [chunk(None, chat=True)] if chat else []
    told = [chunk(word, chat=chat) for word in words]
    counted = {"id": "x-1", "created": 1, "model": "served", "choices": [], "usage": USAGE}
    return [*first, *told, chunk(None, chat=chat, finish="stop"), counted]


def vector(text: Any, last: float = -1.25) -> list[float]:
    """What `embed` answers for a text, or for its tokens."""
    return [float(len(text)), 0.5, last]


async def embed(seen: Seen, out: Out, last: float = -1.25) -> None:
    """An embedding for each input, in an order of its own; `last` is the last number in each."""
    said = seen.body["input"]
    inputs = said if isinstance(said, list) and not isinstance(said[0], int) else [said]
    vectors = [vector(text, last) for text in inputs]
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)]
    usage = {"prompt_tokens": 2 * len(inputs), "total_tokens": 2 * len(inputs)}
    await out.json({"object": "list", "model": "served", "data": data[::-1], "usage": usage})


def tool_call(index: int, name: str, *arguments: str) -> list[dict[str, Any]]:
    """The chunks of one: its head, then its arguments piece by piece."""
    head = {
        "index": index,
        "id": f"call-{index}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    rest = [{"index": index, "function": {"arguments": part}} for part in arguments]
    deltas = [{"content": None, "tool_calls": [one]} for one in (head, *rest)]
    return [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]


def streams(*told: Any) -> Behaviour:
    """Answers any call with these events."""

    async def behave(seen: Seen, out: Out) -> None:
        await out.begin_events()
        for one in told:
            await out.event(one)
        await out.end()

    return behave


async def polite(seen: Seen, out: Out) -> None:
    """Answers "one two three" to anything that is no text to embed."""
    if seen.path.endswith("/embeddings"):
        await embed(seen, out)
        return
    chat = seen.path.endswith("chat/completions")
    if seen.body.get("stream"):
        await out.begin_events()
        for one in events(chat=chat):
            await out.event(one)
        await out.event("[DONE]")
        await out.end()
        return
    text = "".join(WORDS)
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, "finish_reason": "stop", **said}
    await out.json({"id": "x-1", "created": 1, "model": "served", "choices": [choice], "usage": USAGE})


async def echo(seen: Seen, out: Out) -> None:
    """Answers with the prompt; a number in it is how many others must be answered before."""
    choice = {"index": 0, "finish_reason": "stop", "text": seen.body["prompt"]}
    await out.json({"id": "x-1", "created": 1, "model": "served", "choices": [choice], "usage": USAGE})


async def silent(seen: Seen, out: Out) -> None:
    """Takes the request and never answers."""
    await seen.gone.wait()


async def one_word_then_silent(seen: Seen, out: Out) -> None:
    await out.begin_events()
    await out.event(chunk("one", chat=seen.path.endswith("chat/completions")))
    await seen.gone.wait()


async def one_word_then_cut(seen: Seen, out: Out) -> None:
    await out.begin_events()
    await out.event(chunk("one", chat=seen.path.endswith("chat/completions")))
    await seen.go_on.wait()
    out.cut()


async def one_word_then_error(seen: Seen, out: Out) -> None:
    await out.begin_events()
    await out.event(chunk("one", chat=seen.path.endswith("chat/completions")))
    await seen.go_on.wait()
    await out.event({"error": {"message": "the engine fell over", "code": 500}})
    await out.event("[DONE]")
    await out.end()


async def one_word_then_end(seen: Seen, out: Out) -> None:
    await out.begin_events()
    await out.event(chunk("one", chat=seen.path.endswith("chat/completions")))
    await seen.go_on.wait()
    await out.end()


async def reset(seen: Seen, out: Out) -> None:
    out.cut()


def answers(status: int, message: str = "no") -> Behaviour:
    async def behave(seen: Seen, out: Out) -> None:
        await out.json({"error": {"message": message, "code": status, "type": "x"}}, status)

    return behave


class Instance:
    def __init__(self, id: str) -> None:
        self.id = id
        self.port = 0
        self.behave: Behaviour = polite
        self.read: Callable[[asyncio.StreamReader], Awaitable[Seen | None]] = _read
        self.frozen = False  # takes what is sent and says nothing, to probes either
        self.seen: list[Seen] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def upstream(self) -> Upstream:
        return Upstream(self.id, "127.0.0.1", self.port, TOKEN)

    async def start(self) -> None:
        """On the same port again after `stop`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Like a kill: connections break, new ones are refused."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while seen := await self.read(reader):
                    await self._answer(seen, reader, Out(writer))
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, out: Out) -> None:
        if seen.path == "/health":
            if self.frozen:
                await reader.read(1)
            await out.json({"status": "ok"})
            return
        self.seen.append(seen)
        watcher = asyncio.create_task(_watch(reader, seen))
        try:
            await self.behave(seen, out)
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])


async def _watch(reader: asyncio.StreamReader, seen: Seen) -> None:
    """A client sends nothing more until it has its answer: what can be read is its leaving."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    seen.gone.set()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    said = await read_head(reader)
    if said is None:
        return None
    method, path, headers = said
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, json.loads(content) if content else {})


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
    """Method, path and headers."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    return method, path, headers


@contextlib.asynccontextmanager
async def started(*names: str) -> AsyncIterator[list[Instance]]:
    instances = [Instance(name) for name in names]
    for instance in instances:
        await instance.start()
    try:
        yield instances
    finally:
        for instance in instances:
            await instance.stop()
