"""The model server of `fake` as a process of its own, which does what the question says.

`python -m tests.gateway.fake_server` prints its port. Of a chat it is asked: `events <count> <bytes>`, a stream of so
many events; `whole <bytes>`, one answer of that size; `hold`, one word and the rest when somebody posts to /release.
GET /told says what it has done so far.
"""

import asyncio
import contextlib
import functools
import http.client
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator

from endpoints.wire import Upstream
from tests.gateway import fake
from tests.support.platform import ROOT

LOOKED_AT = 300  # bytes of a body


class Server:
    def __init__(self) -> None:
        self.instance = fake.Instance("outside")
        self.instance.behave, self.instance.read = self.behave, read
        self._released = asyncio.Event()
        self._told = {"bytes": 0, "holding": 0, "ended": 0}

    async def behave(self, seen: fake.Seen, out: fake.Out) -> None:
        self.instance.seen.clear()
        if seen.path == "/told":
            await out.json(self._told)
        elif seen.path == "/release":
            self._released.set()
            self._released = asyncio.Event()
            await out.json({})
        else:
            await self._answer(seen, out)
            self._told["ended"] += 1

    async def _answer(self, seen: fake.Seen, out: fake.Out) -> None:
        word, *numbers = seen.body["question"].split()
        if word == "whole":
            await out.content(_large(int(numbers[0])))
        elif word == "events":
            await self._stream(out, ["e" * int(numbers[1])] * int(numbers[0]))
        elif word == "hold":
            await self._hold(out)
        else:
            await self._stream(out, fake.WORDS) if seen.body["stream"] else await out.content(
                _large(len(word))
            )

    async def _stream(self, out: fake.Out, words: list[str]) -> None:
        await out.begin_events()
        for word in words:
            await out.raw(_event(word))
            self._told["bytes"] += len(word)
            await asyncio.sleep(0)  # one reader after the other, and who asks for its health
        await self._end(out)

    async def _hold(self, out: fake.Out) -> None:
        await out.begin_events()
        await out.event(fake.chunk("one", chat=True))
        self._told["holding"] += 1
        await self._released.wait()
        self._told["holding"] -= 1
        await self._end(out)

    async def _end(self, out: fake.Out) -> None:
        for one in (fake.chunk(None, chat=True, finish="stop"), "[DONE]"):
            await out.event(one)
        await out.end()


async def read(reader: asyncio.StreamReader) -> fake.Seen | None:
    """A server of one thread that read all of what is large would be silent for seconds: it reads the question only."""
    head = await fake.read_head(reader)
    if head is None:
        return None
    method, path, headers = head
    left, begin = int(headers.get("content-length", 0)), b""
    while left and (part := await reader.read(2**16)):
        left -= len(part)
        begin = (begin + part)[:LOOKED_AT] if len(begin) < LOOKED_AT else begin
    asked = re.search(rb'"content":\s*"([a-z]+(?: \d+)*)', begin)
    question = asked[1].decode() if asked else ""
    return fake.Seen(method, path, headers, {"question": question, "stream": b'"stream":true' in begin})


@functools.cache
def _event(word: str) -> bytes:
    return fake.event(fake.chunk(word, chat=True))


@functools.cache
def _large(size: int) -> bytes:
    message = {"role": "assistant", "content": "w" * size}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json.dumps({"choices": [choice], "usage": fake.USAGE}).encode()


class Outside:
    """The process, for a test."""

    def __init__(self, port: int) -> None:
        self.upstream = Upstream("outside", "127.0.0.1", port, fake.TOKEN)

    def told(self) -> dict[str, int]:
        return self._ask("GET", "/told")

    def release(self) -> None:
        self._ask("POST", "/release")

    def _ask(self, method: str, path: str) -> dict[str, int]:
        connection = http.client.HTTPConnection(self.upstream.host, self.upstream.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path)
            return json.loads(connection.getresponse().read())


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.gateway.fake_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Outside(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def allow_many_files() -> int:
    """As many as this process may; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


async def main() -> None:
    allow_many_files()
    server = Server()
    await server.instance.start()
    print(server.instance.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
