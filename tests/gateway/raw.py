"""HTTP spoken by hand over a socket, so that it can be spoken wrongly, and heard as a strict client hears it."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import httptools

PATIENCE = 5.0  # seconds until an answer has come, whatever was asked


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    def json(self) -> Any:
        return json.loads(self.body)

    def everything(self) -> str:
        """Where nothing of a stranger may stand."""
        return repr(self.headers) + self.body.decode()


class Listener:
    """What comes back on one connection. Interim answers (100 Continue) are counted, not kept."""

    def __init__(self, *, bodiless: bool = False) -> None:
        self.answers: list[Answer] = []
        self.interim = 0
        self._bodiless = bodiless
        self._headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, part: bytes) -> None:
        """Raises httptools.HttpParserError for what no strict client takes."""
        self._parser.feed_data(part)

    def has(self, answers: int) -> bool:
        return len([answer for answer in self.answers if answer.complete]) >= answers

    def on_message_begin(self) -> None:
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.lower().decode() not in self._headers or name.lower() != b"content-length"
        self._headers[name.lower().decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.interim += 1
        else:
            self.answers.append(Answer(status, self._headers, complete=self._bodiless))

    def on_body(self, part: bytes) -> None:
        self.answers[-1].body += part

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self.answers[-1].complete = True


async def ask(port: int, *parts: bytes, answers: int = 1, bodiless: bool = False) -> Listener:
    """Sends the parts as they are, and listens until so many answers are complete or the connection ends.

    Raises AssertionError when neither happens within PATIENCE.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    listener = Listener(bodiless=bodiless)
    try:
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                sending = asyncio.ensure_future(_send(writer, parts))
                while not listener.has(answers) and (part := await reader.read(2**16)):
                    listener.feed(part)
                sending.cancel()
                await asyncio.wait([sending])
    except TimeoutError:
        raise AssertionError(f"no answer within {PATIENCE:g} s to {parts[0][:300]!r}") from None
    finally:
        writer.transport.abort()
    return listener


async def _send(writer: asyncio.StreamWriter, parts: tuple[bytes, ...]) -> None:
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()


def request(
    method: str,
    target: bytes | str,
    headers: list[tuple[bytes, bytes]],
    body: bytes = b"",
    version: str = "1.1",
) -> bytes:
    """The bytes as they stand; whoever wants a Content-Length says it."""
    target = target if isinstance(target, bytes) else target.encode()
    lines = [method.encode() + b" " + target + b" HTTP/" + version.encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
