"""Attacks on web through the front: web hears one request for one that was sent, and believes only the front."""

import pytest
from django.core.handlers.asgi import ASGIRequest

from endpoints.gateway.front import FORWARDED, HOP_BY_HOP
from tests.gateway import raw
from tests.gateway.test_hostile import CHUNKED, with_line

BODY = b"name=x"
LENGTH = (b"content-length", b"%d" % len(BODY))
HOST = (b"host", b"localhost")
HIDDEN = raw.request("POST", "/hidden/", [HOST, LENGTH], BODY)


def post(*headers: tuple[bytes, bytes], body: bytes = BODY, target: bytes = b"/projects/new/") -> bytes:
    return raw.request("POST", target, [HOST, *headers], body)


PLAIN = post(LENGTH)
SMUGGLED = {
    "length and chunks": post((b"content-length", b"4"), CHUNKED, body=raw.chunked([BODY]) + HIDDEN),
    "chunks and length": post(CHUNKED, (b"content-length", b"4"), body=raw.chunked([BODY]) + HIDDEN),
    "two lengths": post(LENGTH, (b"content-length", b"0"), body=BODY + HIDDEN),
    "one length twice": post(LENGTH, LENGTH, body=BODY + HIDDEN),
    "lengths in one": post((b"content-length", b"6, 0"), body=BODY + HIDDEN),
    "a signed length": post((b"content-length", b"+6"), body=BODY + HIDDEN),
    "chunks spelled oddly": post((b"transfer-encoding", b"xchunked"), LENGTH, body=BODY + HIDDEN),
    "chunks twice": post(CHUNKED, CHUNKED, body=raw.chunked([BODY]) + HIDDEN),
    "packed chunks": post((b"transfer-encoding", b"gzip, chunked"), body=raw.chunked([BODY]) + HIDDEN),
    "a folded header": with_line(b"x-a: b\r\n transfer-encoding: chunked", PLAIN) + HIDDEN,
    "a space before the colon": with_line(b"transfer-encoding : chunked", PLAIN) + HIDDEN,
    "a bare CR": with_line(b"x-a: a\rtransfer-encoding: chunked", PLAIN) + HIDDEN,
    "a NUL": with_line(b"x-a: a\x00b", PLAIN) + HIDDEN,
    "a chunk with more than it says": post(CHUNKED, body=b"1\r\n" + HIDDEN + b"\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("kind", SMUGGLED)
async def test_a_smuggled_request_does_not_reach_web(behind, kind):
    site, url, _ = behind
    port = int(url.rpartition(":")[2])
    heard = await raw.ask(port, SMUGGLED[kind])
    assert [answer.status for answer in heard.answers] == [400]
    assert not any(path == "/hidden/" for _, path, _ in site.heard)


async def test_a_request_behind_another_is_one_of_its_own_or_none(behind):
    site, url, _ = behind
    port = int(url.rpartition(":")[2])
    heard = await raw.ask(port, PLAIN + HIDDEN)
    assert heard.answers[0].status == 418
    assert site.heard == [("POST", "/projects/new/", "name=x")]


@pytest.mark.parametrize(
    "path",
    [
        b"//evil.example/x",
        b"/a/../admin/",
        b"/%2e%2e/x",
        b"/a%2Fb",
        b"/a%00b",
        b"/@evil.example/",
        b"/a;b",
    ],
)
async def test_a_path_arrives_as_it_was_sent_and_nowhere_else(behind, path):
    """What it means is for web alone to decide: two that read it differently would let somebody through."""
    site, url, _ = behind
    port = int(url.rpartition(":")[2])
    heard = await raw.ask(port, raw.request("GET", path, [HOST]))
    assert heard.answers[0].status == 418
    assert site.heard == [("GET", path.decode(), "")]


async def test_no_spelling_of_a_header_of_the_front_comes_from_a_client(behind):
    """Django reads `_` and `-` as one, so it takes no name with an underscore; the front sends each of its own once."""
    _, url, http = behind
    forged = {"X-Forwarded-For": "6.6.6.6", "x_forwarded_for": "6.6.6.6", "X_Forwarded_Proto": "https"}
    async with http.get(f"{url}/x", headers=forged) as response:
        heard = (await response.json())["headers"]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(n.encode(), v.encode()) for n, v in heard.items()],
    }
    request = ASGIRequest(scope, None)
    assert request.META["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert request.META["HTTP_X_FORWARDED_PROTO"] == "http"
    assert "6.6.6.6" not in str(
        {name: value for name, value in request.META.items() if name.startswith("HTTP_")}
    )


async def test_what_a_client_names_as_hop_by_hop_does_not_take_the_fronts_own_words(behind):
    """`Connection: X-Forwarded-For` would otherwise leave web without the client's address."""
    _, url, http = behind
    named = ", ".join(name.decode() for name in (*FORWARDED, *HOP_BY_HOP - {b"upgrade"}, b"cookie", b"host"))
    async with http.get(f"{url}/x", headers={"Connection": named, "Cookie": "s=1"}) as response:
        headers = (await response.json())["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
