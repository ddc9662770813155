"""HTTP spoken wrongly, or rightly and with bad intent: one answer to one request, and no connection held for ever."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

import pytest

from endpoints.gateway import protocol
from tests.gateway import fake, raw
from tests.gateway.conftest import CHAT, V1
from tests.gateway.control import KEY
from tests.support.waiting import eventually_async

BODY = json.dumps({"instances": ["x"]}).encode()
STREAM = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
AUTH = (b"key", KEY.encode())
LENGTH = (b"content-length", b"%d" % len(BODY))
CHUNKED = (b"transfer-encoding", b"chunked")
HIDDEN = raw.request("POST", V1, [AUTH, LENGTH], BODY)
GOOD = raw.request("POST", V1, [AUTH, LENGTH], BODY)


def post(*headers: tuple[bytes, bytes], body: bytes = BODY, **more: str) -> bytes:
    return raw.request("POST", V1, [AUTH, *headers], body, **more)


CHUNKS = post(CHUNKED, body=raw.chunked([BODY[:5], BODY[5:]]))


def with_line(line: bytes, sent: bytes = GOOD) -> bytes:
    return sent.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


@dataclass
class Case:
    name: str
    sent: bytes
    status: int
    open: bool = False  # whether the connection goes on


CASES = [
    Case("as it should be", GOOD, 200, open=True),
    Case("no host", GOOD, 200, open=True),
    Case("blank lines before it", b"\r\n\r\n" + GOOD, 200, open=True),
    Case("an old client", post(LENGTH, version="1.0"), 200),
    Case("an older client", b"GET /v1/models\r\n\r\n", 404),
    Case("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    Case("a version to come", post(LENGTH, version="9.9"), 400),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    Case("length and chunks", post((b"content-length", b"4"), CHUNKED, body=raw.chunked([BODY]) + HIDDEN), 400),
    Case("chunks and length", post(CHUNKED, (b"content-length", b"4"), body=raw.chunked([BODY]) + HIDDEN), 400),
    Case("two lengths", post(LENGTH, (b"content-length", b"0")), 400),
    Case("one length twice", post(LENGTH, LENGTH), 400),
    Case("a signed length", post((b"content-length", b"+18")), 400),
    Case("a negative length", post((b"content-length", b"-1")), 400),
    Case("a hexadecimal length", post((b"content-length", b"0x12")), 400),
    Case("two lengths in one", post((b"content-length", b"18, 18")), 400),
    Case("an empty length", post((b"content-length", b"")), 400),
    Case("a length beyond all numbers", post((b"content-length", b"9" * 30)), 400),
    Case("chunks", CHUNKS, 200, open=True),
    Case("chunks of what is packed", post((b"transfer-encoding", b"gzip, chunked"), body=raw.chunked([BODY])), 400),
    Case("chunks not last", post((b"transfer-encoding", b"chunked, identity"), body=raw.chunked([BODY])), 400),
    Case("chunks spelled oddly", post((b"transfer-encoding", b"xchunked"), body=raw.chunked([BODY])), 400),
    Case("chunks after a tab", post((b"transfer-encoding", b"\tchunked"), body=raw.chunked([BODY])), 200, open=True),
    Case("chunks twice", post(CHUNKED, CHUNKED, body=raw.chunked([BODY]) + HIDDEN), 400),
    Case("a space before the colon", with_line(b"transfer-encoding : chunked"), 400),
    Case("a folded header", with_line(b"x-a: b\r\n c: d"), 400),
    Case("a folded request id", with_line(b"x-request-id: a\r\n\tset-cookie: b=c"), 400),
    Case("a header without a colon", with_line(b"transfer-encoding"), 400),
    Case("a header without a name", with_line(b": x"), 400),
    Case("a NUL in a header", with_line(b"x-a: a\x00b"), 400),
    Case("a CR in a header", with_line(b"x-a: a\rtransfer-encoding: chunked"), 400),
    Case("a chunk that is no number", post(CHUNKED, body=b"x\r\n"), 400),
    Case("a chunk beyond all numbers", post(CHUNKED, body=b"f" * 20 + b"\r\n"), 400),
    Case("a chunk with more than it says", post(CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"), 400),
    Case("a whole address", raw.request("POST", b"http://x" + V1.encode(), [AUTH, LENGTH], BODY), 200, open=True),
    Case("no path at all", raw.request("GET", b"http://elsewhere", [AUTH]), 400),
    Case("the whole server", raw.request("OPTIONS", b"*", [AUTH]), 404, open=True),
    Case("a tunnel", raw.request("CONNECT", b"elsewhere:443", [AUTH]), 400),
    Case("a path that is not ASCII", raw.request("GET", "/v1/é/models", [AUTH]), 400),
    Case("a method nobody knows", raw.request("BREW", V1, [AUTH]), 400),
    Case("options", raw.request("OPTIONS", V1, [AUTH]), 405, open=True),
    Case("a websocket", with_line(b"connection: upgrade\r\nupgrade: websocket"), 200, open=True),
    Case("chunks in a websocket", with_line(b"connection: upgrade\r\nupgrade: x", CHUNKS), 200, open=True),
    Case("HTTP/2 if it may be", with_line(b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c"), 200, open=True),
    Case("a path without end", raw.request("GET", b"/v1/" + b"a" * 2**20, []), 431),
    Case("a header without end", with_line(b"x-a: " + b"a" * 2**20), 431),
    Case("headers without end", with_line(b"\r\n".join(b"x-%d: a" % at for at in range(2**17))), 431),
]  # fmt: skip


async def test_one_request_has_one_answer(world, subtests):
    for case in CASES:
        with subtests.test(case.name):
            await has_one_answer(world, case)


async def has_one_answer(world, case: Case) -> None:
    asked_before = len(world.asked())
    heard = await ask_to_the_end(world, case.sent)
    answer = heard.answers[0]
    assert answer.status == case.status
    assert len(heard.answers) == (
        2 if case.open else 1
    )  # the second is that to a plain request sent after it
    assert (answer.headers.get("connection") == "close") is not case.open
    if case.status != 200:
        assert answer.json()["error"].keys() >= {"code", "message", "details"}
    assert len(world.asked()) - asked_before == [one.status for one in heard.answers].count(200)


async def ask_to_the_end(world, *parts: bytes) -> raw.Listener:
    """What comes back for these bytes and, once they are answered, for a plain request after them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(world))
    heard = raw.Listener()
    async with asyncio.timeout(raw.PATIENCE):
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        for wanted in (1, 2):
            with contextlib.suppress(ConnectionError):
                while not heard.has(wanted) and (part := await reader.read(2**16)):
                    heard.feed(part)
            if wanted == 1:
                writer.write(GOOD)
    writer.transport.abort()
    return heard


def port_of(world) -> int:
    return int(world.url.rpartition(":")[2])


async def test_a_request_in_the_body_of_a_refused_one_is_not_read(world):
    refused = raw.request("POST", V1, [(b"content-length", b"%d" % len(HIDDEN))], HIDDEN)
    heard = await ask_to_the_end(world, refused)
    assert [answer.status for answer in heard.answers] == [401, 200]
    assert len(world.asked()) == 1


async def test_a_body_that_the_limit_forbids_is_refused_before_it_comes(world):
    heard = await raw.ask(
        port_of(world), post((b"content-length", b"9" * 18), (b"expect", b"100-continue"), body=b"")
    )
    assert [answer.status for answer in heard.answers] == [413]
    assert heard.interim == 0


async def test_whoever_waits_is_told_to_go_on(world):
    head, body = GOOD.split(b"\r\n\r\n")
    heard = await raw.ask(port_of(world), head + b"\r\nexpect: 100-continue\r\n\r\n", body)
    assert heard.interim == 1
    assert [answer.status for answer in heard.answers] == [200]


async def test_a_byte_at_a_time_is_a_request_all_the_same(world):
    parts = [GOOD[at : at + 1] for at in range(len(GOOD))]
    heard = await raw.ask(port_of(world), *parts)
    assert [answer.status for answer in heard.answers] == [200]


async def test_a_second_request_before_the_answer_is_not_read(world):
    heard = await raw.ask(port_of(world), GOOD + GOOD, answers=2)
    assert [answer.status for answer in heard.answers] == [200]
    assert len(world.asked()) == 1


async def test_what_follows_a_request_does_not_get_into_its_answer(world):
    world.behave(fake.one_word_then_end)
    sent = raw.request("POST", CHAT, [AUTH, (b"content-length", b"%d" % len(STREAM))], STREAM)
    asking = asyncio.ensure_future(raw.ask(port_of(world), sent, b"\x00" * 100, answers=2))
    (seen,) = await eventually_async(world.asked)
    seen.go_on.set()
    (answer,) = (await asking).answers
    assert answer.complete
    assert "instance_failed" in answer.body.decode()  # as it ended early


async def test_who_leaves_is_noticed_whatever_was_sent_ahead(world):
    world.behave(fake.silent)
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(world))
    writer.write(GOOD + GOOD)
    (seen,) = await eventually_async(world.asked)
    writer.transport.abort()
    await asyncio.wait_for(seen.gone.wait(), 1)


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/", GOOD[:60]], ids=["nothing", "half a path", "half a head"]
)
async def test_a_head_that_does_not_come_holds_no_connection(world, monkeypatch, sent):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    heard = await raw.ask(port_of(world), sent, answers=2)
    assert [answer.status for answer in heard.answers] == ([408] if sent else [])


async def test_a_second_head_that_does_not_come_holds_no_connection_either(world, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(world))
    heard = raw.Listener()
    writer.write(GOOD)
    while not heard.has(1):
        heard.feed(await reader.read(2**16))
    writer.write(GOOD[:20])
    async with asyncio.timeout(raw.PATIENCE):
        while part := await reader.read(2**16):
            heard.feed(part)
    writer.close()
    assert [answer.status for answer in heard.answers] == [200, 408]


async def test_a_body_that_does_not_come_is_given_up_at_the_deadline(world):
    await world.change(deadline_seconds=1)
    heard = await raw.ask(port_of(world), GOOD[:-5])
    assert [answer.status for answer in heard.answers] == [504]


async def test_trailers_without_end_are_not_kept(world):
    body = raw.chunked([BODY])[:-2] + b"".join(b"x-%d: a\r\n" % at for at in range(2**17))
    heard = await raw.ask(port_of(world), post(CHUNKED, body=body))
    assert [answer.status for answer in heard.answers] == [431]


async def test_an_idle_connection_ends_and_so_does_one_whose_refused_body_never_does(world):
    """Five seconds after the last answer here; a stream that is under way stays."""
    world.behave(fake.silent)
    port = port_of(world)
    refused = raw.request("POST", V1, [(b"content-length", b"1000000")])
    streaming = raw.request("POST", CHAT, [AUTH, (b"content-length", b"%d" % len(STREAM))], STREAM)

    async def seconds(sent: bytes, trickle: bytes = b"") -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        begun = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(trickle)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(2**16), 0.2)
        writer.transport.abort()
        return asyncio.get_running_loop().time() - begun

    stream = asyncio.create_task(seconds(streaming))
    idle = raw.request("GET", "/healthz", [])
    for took in await asyncio.gather(seconds(idle), seconds(refused, b"x")):
        assert 4 < took < 8
    assert not stream.done()
    stream.cancel()
