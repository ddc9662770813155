"""How clients may speak HTTP: uvicorn's protocol, within bounds that it leaves open.

A head, a trailer or anything else that no application counts has at most HEAD_LIMIT bytes; a head must be complete
within HEAD_SECONDS. What is not HTTP is refused in JSON, or, while an answer is under way, heard no more: the answer
ends as it must, and then the connection. That goes for a second request before the first one's answer, too: read
ahead, it would keep us from noticing that the client has left.
"""

import asyncio
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from endpoints.gateway import errors
from endpoints.gateway.asgi import Leaving

HEAD_LIMIT = 64 * 2**10
HEAD_SECONDS = 30.0
LINGER_SECONDS = 1.0
REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class TooEarly(Exception):
    """A request before the one before it was answered."""


class UnknownCoding(Exception):
    """A body in another form than chunks: where it ends, two programs may read differently."""


class NoTunnel(Exception):
    """This is no proxy."""


class HeadFirst:
    """A transport that keeps an answer's head until there is something to send with it: one packet, one call."""

    def __init__(self, transport: asyncio.Transport, protocol: "Protocol") -> None:
        self._transport = transport
        self._protocol: Protocol | None = protocol
        self._loop = protocol.loop
        self._answered: object = None  # the cycle whose head was written last
        self._head = b""

    def write(self, data: bytes) -> None:
        cycle = self._protocol.cycle if self._protocol is not None else None
        if cycle is not None and cycle is not self._answered and cycle.response_started:
            self._answered, self._head = cycle, data
            self._loop.call_soon(self._flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def lost(self) -> None:
        self._protocol = self._answered = None
        self._head = b""

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    def __init__(self, *told: Any, **more: Any) -> None:
        super().__init__(*told, **more)
        self._leaving = Leaving()
        self._uncounted = 0  # bytes since the parser last made something of them
        self._in_head = True
        self._deaf = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(HeadFirst(transport, self))  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_took_too_long)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)
        if self._leaving.call is not None:
            self._leaving.call()
        self.transport.lost()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self._uncounted += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(errors.bad_http())
        if self._uncounted > HEAD_LIMIT:
            self._refuse(errors.head_too_large(HEAD_LIMIT))
        elif self._in_head and self._uncounted and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_took_too_long)

    def _decline(self, rest: bytes) -> None:
        """The same request, but for its wish to go on in another protocol, for which the parser leaves its body out.

        Clients that would like HTTP/2 say so on every request, bodies included.
        """
        method, headers = self.scope["method"].encode(), self.headers
        kept = [b"%b: %b" % header for header in headers if header[0] not in {b"connection", b"upgrade"}]
        head = b"\r\n".join([method + b" " + self.url + b" HTTP/1.1", *kept, b"", b""])
        self.parser = httptools.HttpRequestParser(self)
        self._uncounted = 0
        self.data_received(head + rest)

    # ----- what the parser says ---------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_answering():
            raise TooEarly
        self._in_head = True
        super().on_message_begin()
        self._leaving = Leaving()
        self.scope["studio.leaving"] = self._leaving  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise UnknownCoding
        self._in_head = False
        self._uncounted = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._uncounted = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._uncounted = 0
        super().on_message_complete()
        self.flow.resume_reading()  # a large body has stopped it; from now on it tells whether the client is there

    def _should_upgrade(self) -> bool:
        """True keeps uvicorn from answering a request before `_decline` has made another of it."""
        if self.parser.get_method() == b"CONNECT":
            raise NoTunnel
        return True

    # ----- refusing ---------------------------------------------------------------------------------------

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_took_too_long(self) -> None:
        self._head_timer = None
        if self._uncounted:
            self._refuse(errors.slow_head(HEAD_SECONDS))
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refused: errors.Refused) -> None:
        """The connection's last word, unless an answer is under way: then that is."""
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        if self._is_answering():
            if self.cycle.response_started or not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            # The request that waits for the rest of its body has nobody left to answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = orjson.dumps(errors.openai_body(refused))
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (refused.status, REASONS[refused.status], len(body)) + body)
        # Closed at once, the connection would be reset over what still comes, and the client might hear nothing.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
