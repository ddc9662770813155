"""How clients may speak HTTP: uvicorn's protocol, within bounds that it leaves open.

A head, a trailer or anything else that no application counts has at most HEAD_LIMIT bytes; a head must be complete
within HEAD_SECONDS. What is not HTTP is refused in JSON, or, while an answer is under way, heard no more: the answer
ends as it must, and then the connection. That goes for a second request before the first one's answer, too: read
ahead, it would keep us from noticing that the client has left.
"""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

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


class Cycle(RequestResponseCycle):
    """uvicorn's, but that an answer's head waits for what comes with it: one packet, one call to the kernel.

    Headers' names are in small letters; that nothing in them starts a line of its own is checked at once.
    """

    _head = b""
    _left = 0  # bytes of the body that its length has promised

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            self._go_on(message)
        else:
            self._begin(message)

    def _begin(self, message: Any) -> None:
        status, headers = message["status"], [*self.default_headers, *message["headers"]]
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            if name == b"content-length":
                self.chunked_encoding, self._left = False, int(value)
            elif name == b"connection":  # only ever said to close it
                self.keep_alive = False
                continue
            lines.append(name + b": " + value + b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a header with the end of a line in it")
        self.response_started = True
        self.waiting_for_100_continue = False
        self._head = head + b"\r\n"
        asyncio.get_running_loop().call_soon(self._send_head)

    def _send_head(self) -> None:
        """Where nothing has come to go with it."""
        if self._head and not self.transport.is_closing():
            self.transport.write(self._head)
        self._head = b""

    def _go_on(self, message: Any) -> None:
        if self.response_complete:
            raise RuntimeError("an answer that goes on after its end")
        body, more = message.get("body", b""), message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            body, self._left = b"", 0
        elif self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"" if more else b"0\r\n\r\n"
        else:
            self._left -= len(body)
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("an answer of another length than it said")
        if self._head or body:
            self.transport.write(self._head + body)
            self._head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


class Protocol(HttpToolsProtocol):
    def __init__(self, *told: Any, **more: Any) -> None:
        super().__init__(*told, **more)
        self._leaving = Leaving()
        self._digests: dict[str, list[bytes]] = {}  # of the key that this client said last
        self._uncounted = 0  # bytes since the parser last made something of them
        self._in_head = True
        self._deaf = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_took_too_long)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)
        if self._leaving.call is not None:
            self._leaving.call()

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
        self.scope["studio.digests"] = self._digests  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise UnknownCoding
        self._in_head = False
        self._uncounted = 0
        self._stop_head_timer()
        version = self.parser.get_http_version()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        told: dict[str, Any] = {
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
        }
        self.scope.update(told)  # type: ignore[typeddict-item]
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def on_body(self, body: bytes) -> None:
        self._uncounted = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._uncounted = 0
        super().on_message_complete()
        self.flow.resume_reading()  # a large body has stopped it; from now on it tells whether the client is there

    def on_response_complete(self) -> None:
        """As uvicorn's, but with one timer for a connection instead of one for each answer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        """Also of a client that never ends the body of a request that was refused."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._is_answering() or (self._in_head and self._uncounted):
            left = self.timeout_keep_alive
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._look_whether_idle)
        else:
            self.transport.close()

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
