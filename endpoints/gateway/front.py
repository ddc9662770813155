"""The front of the embedded default: every path that is no prediction goes to web on its Unix socket.

Bodies are passed on as they come, both ways, so that uploads need no memory and server-sent events no wait.
"""

from collections.abc import AsyncIterator, Iterable

import aiohttp
import orjson
import structlog
from multidict import CIMultiDict
from yarl import URL

from endpoints.gateway.asgi import ClientGone, Header, Receive, Running, Scope, Send
from endpoints.gateway.errors import Refused

log = structlog.get_logger()

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
# Between two neighbours only (RFC 9110, section 7.6.1), and what the front says of the client itself.
HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
FORWARDED = {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"}
RETRY_SECONDS = 5

AWAY_SENTENCE = (
    "The web process of Studio is away just now. Predictions go on; this page will be back in a moment."
)
AWAY_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Studio: web is away</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{RETRY_SECONDS}">
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#222}}
h1{{font-size:1.25rem}}@media(prefers-color-scheme:dark){{body{{background:#181a1b;color:#ddd}}}}</style></head>
<body><h1>This page cannot be shown for a moment</h1><p>{AWAY_SENTENCE}</p>
<p>It tries again by itself every {RETRY_SECONDS} seconds.</p></body></html>
""".encode()


class Front:
    def __init__(self, socket_path: str, running: Running) -> None:
        self._running = running
        # A fresh connection for each request costs little here, and never meets one that web just closed.
        connector = aiohttp.UnixConnector(socket_path, force_close=True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=TIMEOUT,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def close(self) -> None:
        await self._session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = _Upload(receive)
        try:
            with self._running.guard(scope):
                await self._pass_on(scope, upload, send)
        except (ClientGone, Refused):
            # At a stop the connection is cut, and whoever still listens comes back by itself.
            return

    async def _pass_on(self, scope: Scope, upload: "_Upload", send: Send) -> None:
        try:
            response = await self._ask(scope, upload)
        except (aiohttp.ClientError, OSError) as error:
            if upload.gone:
                raise ClientGone from None
            refused = isinstance(error, aiohttp.ClientConnectorError)
            await _say_away(scope, send, 503 if refused else 502)
            return
        try:
            if response.content_type == "text/event-stream":
                self._running.endless()
            await _relay(response, send)
        except (aiohttp.ClientError, OSError) as error:
            # Returning before the end makes the server cut the connection: the client sees that it broke.
            log.warning("web broke off", path=scope["path"], reason=type(error).__name__)
        finally:
            response.close()

    async def _ask(self, scope: Scope, upload: "_Upload") -> aiohttp.ClientResponse:
        query: bytes = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
        return await self._session.request(
            scope["method"],
            URL("http://web" + target.decode("latin-1"), encoded=True),
            headers=_request_headers(scope),
            data=upload.parts() if has_body else None,
            allow_redirects=False,
        )


class _Upload:
    """The request's body on its way."""

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive

    async def parts(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientGone
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]


async def _relay(response: aiohttp.ClientResponse, send: Send) -> None:
    raw = [(name.lower(), value) for name, value in response.raw_headers]
    headers = [(name, value) for name, value in raw if name not in _dropped(raw)]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    while part := await response.content.readany():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


def _request_headers(scope: Scope) -> CIMultiDict[str]:
    headers: list[Header] = scope["headers"]
    # `Expect` was answered by our own server when the body was first read.
    dropped = _dropped(headers) | FORWARDED | {b"expect"}
    kept = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name not in dropped
    )
    client = scope.get("client")
    kept["X-Forwarded-For"] = client[0] if client else "unknown"
    kept["X-Forwarded-Proto"] = scope.get("scheme", "http")
    kept["X-Forwarded-Host"] = kept.get("Host", "")
    return kept


def _dropped(headers: Iterable[Header]) -> set[bytes]:
    """Hop-by-hop headers, those included that `Connection` names."""
    named = b",".join(value for name, value in headers if name == b"connection").lower()
    return HOP_BY_HOP | {word.strip() for word in named.split(b",")}


async def _say_away(scope: Scope, send: Send, status: int) -> None:
    if _wants_json(scope):
        media = b"application/json"
        details = {"retry_after_seconds": RETRY_SECONDS}
        body = orjson.dumps({"error": {"code": "web_away", "message": AWAY_SENTENCE, "details": details}})
    else:
        media, body = b"text/html; charset=utf-8", AWAY_PAGE
    headers = [
        (b"content-type", media),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % RETRY_SECONDS),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _wants_json(scope: Scope) -> bool:
    accept = dict(scope["headers"]).get(b"accept", b"")
    return b"json" in accept or (scope["path"].startswith("/api/") and b"html" not in accept)
