"""The front of the embedded default: every path that is no prediction goes to web on its Unix socket.

Bodies are passed on as they come, both ways, so that uploads need no memory and server-sent events no wait.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence

import aiohttp
import orjson
import structlog
from multidict import CIMultiDict
from yarl import URL

from endpoints.gateway.answering import Running
from endpoints.gateway.client import Client, ClientGone, Header, lines
from endpoints.gateway.errors import Refused
from studio import addresses, env

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
AWAY_STYLE = """body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#222}
h1{font-size:1.25rem}@media(prefers-color-scheme:dark){body{background:#181a1b;color:#ddd}}"""
AWAY_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Studio: web is away</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{RETRY_SECONDS}">
<style>{AWAY_STYLE}</style></head>
<body><h1>This page cannot be shown for a moment</h1><p>{AWAY_SENTENCE}</p>
<p>It tries again by itself every {RETRY_SECONDS} seconds.</p></body></html>
""".encode()

_STYLE_DIGEST = base64.b64encode(hashlib.sha256(AWAY_STYLE.encode()).digest())
# As web says them (studio.settings), but for the one style that stands in the page.
AWAY_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; style-src 'sha256-%b'; base-uri 'none'; form-action 'none'; "
     b"frame-ancestors 'none'" % _STYLE_DIGEST),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]  # fmt: skip


class Front:
    def __init__(self, socket_path: str, running: Running, proxies: Sequence[addresses.Network] = ()) -> None:
        """`proxies`: whose word of the client is passed on."""
        self._running = running
        self._proxies = proxies
        # How people come here, whoever ends their TLS: what stands before a gateway speaks HTTP to it.
        self._scheme = env.public_url().partition(":")[0]
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

    async def answer(self, client: Client) -> None:
        upload = _Upload(client)
        try:
            with self._running.guard(client):
                await self._pass_on(client, upload)
        except (ClientGone, Refused):
            # At a stop the connection is cut, and whoever still listens comes back by itself.
            return

    async def _pass_on(self, client: Client, upload: "_Upload") -> None:
        try:
            response = await self._ask(client, upload)
        except (aiohttp.ClientError, OSError) as error:
            if upload.gone:
                raise ClientGone from None
            refused = isinstance(error, aiohttp.ClientConnectorError)
            await _say_away(client, 503 if refused else 502)
            return
        try:
            if response.content_type == "text/event-stream":
                self._running.endless(client)
            await _relay(response, client)
        except (aiohttp.ClientError, OSError) as error:
            # Returning before the end makes the server cut the connection: the client sees that it broke.
            log.warning("web broke off", path=client.path, reason=type(error).__name__)
        finally:
            response.close()

    async def _ask(self, client: Client, upload: "_Upload") -> aiohttp.ClientResponse:
        target = client.raw_path + (b"?" + client.query if client.query else b"")
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in client.headers)
        return await self._session.request(
            client.method,
            URL("http://web" + target.decode("latin-1"), encoded=True),
            headers=_request_headers(client, self._proxies, self._scheme),
            data=upload.parts() if has_body else None,
            allow_redirects=False,
        )


class _Upload:
    """The request's body on its way."""

    def __init__(self, client: Client) -> None:
        self.gone = False
        self._client = client

    async def parts(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            try:
                part = await self._client.part()
            except ClientGone:
                self.gone = True
                raise
            more = self._client.more_body
            if part:
                yield part


async def _relay(response: aiohttp.ClientResponse, client: Client) -> None:
    raw = [(name.lower(), value) for name, value in response.raw_headers]
    dropped = _dropped(raw) | {b"content-length"}
    kept = lines((name, value) for name, value in raw if name not in dropped)
    length = response.headers.get("Content-Length")
    client.begin(response.status, kept, length=int(length) if length is not None else None)
    if not response.content.at_eof():
        asyncio.get_running_loop().call_soon(client.flush)
    while part := await response.content.readany():
        await client.room()
        client.write(part)
    client.end()


def _request_headers(client: Client, proxies: Sequence[addresses.Network], scheme: str) -> CIMultiDict[str]:
    # `Expect` was answered by our own server when the body was first read.
    dropped = _dropped(client.headers) | FORWARDED | {b"expect"}
    kept = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in client.headers
        if name not in dropped
    )
    peer = client.address or ""
    believed = bool(peer) and addresses.is_trusted(peer, proxies)
    forwarded = _said(client, b"x-forwarded-for") if believed else ""
    kept["X-Forwarded-For"] = addresses.source(peer, forwarded, proxies) or "unknown"
    said = _said(client, b"x-forwarded-proto").lower() if believed else ""
    kept["X-Forwarded-Proto"] = said if said in ("http", "https") else scheme
    kept["X-Forwarded-Host"] = kept.get("Host", "")
    return kept


def _said(client: Client, header: bytes) -> str:
    """Every line of it, in their order."""
    return b",".join(value for name, value in client.headers if name == header).decode("latin-1")


def _dropped(headers: Iterable[Header]) -> set[bytes]:
    """Hop-by-hop headers, those included that `Connection` names."""
    named = b",".join(value for name, value in headers if name == b"connection").lower()
    return HOP_BY_HOP | {word.strip() for word in named.split(b",")}


async def _say_away(client: Client, status: int) -> None:
    if _wants_json(client):
        media = b"application/json"
        details = {"retry_after_seconds": RETRY_SECONDS}
        body = orjson.dumps({"error": {"code": "web_away", "message": AWAY_SENTENCE, "details": details}})
    else:
        media, body = b"text/html; charset=utf-8", AWAY_PAGE
    headers = [
        (b"content-type", media),
        (b"retry-after", b"%d" % RETRY_SECONDS),
        (b"cache-control", b"no-store"),
        *AWAY_HEADERS,
    ]
    await client.room()
    client.begin(status, lines(headers), length=len(body))
    client.end(body)


def _wants_json(client: Client) -> bool:
    accept = dict(client.headers).get(b"accept", b"")
    return b"json" in accept or (client.path.startswith("/api/") and b"html" not in accept)
