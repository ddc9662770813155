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
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from endpoints.gateway import errors
from endpoints.gateway.client import Client, Header, KnownDigests, lines

log = structlog.get_logger()

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


class Protocol(HttpToolsProtocol):
    """The application is no ASGI one: it is called with a Client, see `Gateway.__call__`."""

    cycle: Client | None  # type: ignore[assignment]  # uvicorn's name for the request under way, or the last one

    def __init__(self, *told: Any, **more: Any) -> None:
        super().__init__(*told, **more)
        self._digests: KnownDigests = {}  # of the key that this client said last
        self._own_headers: list[Header] = []
        self._own = b""
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
        self.connections.discard(self)
        self.flow.resume_writing()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.leave()
        self.transport.close()
        self.cycle = None
        del self.parser  # both know us: nothing is left to be found by the collector

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
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
        method = self.parser.get_method()
        kept = [b"%b: %b" % header for header in self.headers if header[0] not in {b"connection", b"upgrade"}]
        head = b"\r\n".join([method + b" " + self.url + b" HTTP/1.1", *kept, b"", b""])
        self.parser = httptools.HttpRequestParser(self)
        self._uncounted = 0
        self.data_received(head + rest)

    # ----- what the parser says ---------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_answering():
            raise TooEarly
        self._in_head = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            raise UnknownCoding
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._uncounted = 0
        self._stop_head_timer()
        parser = self.parser
        if parser.get_method() == b"CONNECT":
            raise NoTunnel
        if parser.should_upgrade():
            return  # `_decline` will make another request of it
        raw_path, query = self.url, b""
        if b"?" in raw_path or b"#" in raw_path or not raw_path.startswith(b"/"):
            url = httptools.parse_url(raw_path)
            raw_path, query = url.path, url.query or b""
        path = raw_path.decode("ascii")
        self.cycle = client = Client(
            self.transport,
            self.flow,
            self._digests,
            expects_continue=self.expect_100_continue,
            keep_alive=parser.should_keep_alive() and parser.get_http_version() != "1.0",
            own_lines=self._own_lines(),
            on_answered=self.on_response_complete,
        )
        client.method = parser.get_method().decode("ascii")
        client.path = unquote(path) if "%" in path else path
        client.raw_path = raw_path
        client.query = query
        client.headers = self.headers
        client.task = task = self.loop.create_task(self._answer(client))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(self, client: Client) -> None:
        application: Any = self.app
        try:
            await application(client)
        except Exception:
            log.exception("request failed", path=client.path)
        finally:
            client.cut()

    def _own_lines(self) -> bytes:
        """Of every answer; uvicorn makes new ones each second, as they say the time."""
        headers = self.server_state.default_headers
        if headers is not self._own_headers:
            self._own_headers, self._own = headers, lines(headers)
        return self._own

    def on_body(self, body: bytes) -> None:
        self._uncounted = 0
        client = self.cycle
        if client is None or client.response_complete:
            return
        client.hear(body)

    def on_message_complete(self) -> None:
        self._uncounted = 0
        client = self.cycle
        if client is not None and not client.response_complete:
            client.heard_all()
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
        client = self.cycle
        if client is not None and not client.response_complete:
            if client.response_started or not client.more_body:
                client.keep_alive = False
                return
            # The request that waits for the rest of its body has nobody left to answer.
            client.leave()
        body = orjson.dumps(errors.openai_body(refused))
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (refused.status, REASONS[refused.status], len(body)) + body)
        # Closed at once, the connection would be reset over what still comes, and the client might hear nothing.
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
