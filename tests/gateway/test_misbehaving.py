"""Whatever an instance does to a running gateway, its client hears a whole answer, or why there is none."""

import asyncio
import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoints.gateway import openapi
from tests.gateway import fake, fuzzed, raw
from tests.gateway.conftest import World
from tests.gateway.control import ENDPOINT, KEY
from tests.gateway.test_bodies import FORMATS, ROUTES, chunks_of, mutated, read, whole_of
from tests.gateway.test_fuzz import STREAMED, is_refusal
from tests.gateway.well_formed import STREAMS, WELL_FORMED
from tests.support.effort import examples
from tests.support.waiting import eventually_async

CALM = settings(
    max_examples=examples(12),
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
CHATTING = [name for name, form in FORMATS.items() if form.chat is not None]
STATUSES = [100, 101, 201, 204, 206, 301, 304, 400, 401, 403, 404, 408, 409, 413, 418, 422, 429, 451, 499]
STATUSES += [500, 501, 502, 503, 504, 507, 599, 600, 999]
TYPES = [b"text/event-stream", b"application/json", b"text/html; charset=utf-8", b"", b"\xff"]
GARBAGE = [
    b"<!doctype html><title>502</title>", b"data: {", b"data: [1]\n\n", b"data: null\n\n", b"\x00\xff" * 50,
    b"error: no\n\n",
    b'data: {"error": {"message": "out of memory", "code": 500}}\n\n', b'data: {"error": "no"}\n\n',
    b": still here\n\n",
    b'{"detail": "no"}', b'{"error": {"code": 429, "message": 7}}', b'{"error": {"code": 999, "message": "x"}}',
    b"\n\n\n",
    b'data: {"object": "error", "message": "no", "code": 400}\n\n', b"event: error\ndata: {}\n\n", b"[",
    b"data: " + b"x" * 9000,
]  # fmt: skip
ENDS = ["proper", "cut", "no last chunk", "longer than said", "no framing"]


@dataclass
class Plan:
    """What an instance does with one call; `wrong` is nothing where it does what any model server should."""

    status: int
    media: bytes
    parts: list[bytes]
    end: str
    pauses: int  # turns of the loop before the first byte, and between two parts
    wrong: str

    async def __call__(self, seen: fake.Seen, out: fake.Out) -> None:
        chunked = self.end in {"proper", "cut", "no last chunk"}
        head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\n" % (self.status, self.media)
        framing = b"transfer-encoding: chunked" if chunked else b"content-length: 99999"
        await self._pause()
        out.writer.write(head + (b"\r\n" if self.end == "no framing" else framing + b"\r\n\r\n"))
        for part in filter(None, self.parts):
            await self._pause()
            out.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if self.end == "proper":
            await out.end()
        elif self.end == "cut":
            out.cut()
        else:
            out.writer.close()

    def breaks_off(self) -> bool:
        """Before it has said that it is finished."""
        return self.wrong == "short" and b'"stop"' not in b"".join(self.parts)

    async def _pause(self) -> None:
        for _ in range(self.pauses):
            await asyncio.sleep(0)


def bytes_of(call, answer: object) -> bytes:
    if not call.stream:
        return json.dumps(answer).encode()
    return b"".join(map(fake.event, answer)) + b"data: [DONE]\n\n"


@st.composite
def plans(draw, call) -> Plan:
    """One that is sound, or with one thing wrong about it, or with everything."""
    wrong = draw(
        st.sampled_from(
            ["", "", "answer", "order", "garbage", "short", "end", "status", "media", "everything"]
        )
    )
    answer = chunks_of(call) if call.stream else whole_of(call)
    if wrong in {"answer", "everything"}:
        answer = draw(mutated(answer))
    if wrong == "order" and call.stream:
        answer = draw(st.permutations(answer))
    content = bytes_of(call, answer if isinstance(answer, list) or not call.stream else [answer])
    if wrong in {"short", "everything"}:
        content = content[: draw(st.integers(0, max(len(content) - 1, 0)))]
    if wrong in {"garbage", "everything"}:
        at = draw(st.integers(0, len(content)) | st.just(0))
        content = content[:at] + draw(st.sampled_from(GARBAGE)) + draw(st.sampled_from([b"", content[at:]]))
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=6)))
    return Plan(
        status=draw(st.sampled_from(STATUSES)) if wrong in {"status", "everything"} else 200,
        media=draw(st.sampled_from(TYPES)) if wrong in {"media", "everything"} else TYPES[not call.stream],
        parts=[content[a:b] for a, b in pairwise([0, *cuts, len(content)])],
        end=draw(st.sampled_from(ENDS)) if wrong in {"end", "everything"} else "proper",
        pauses=draw(st.sampled_from([0, 1, 20])),
        wrong=wrong,
    )  # fmt: skip


@pytest.fixture
async def bundle(world) -> World:
    """Two instances of an endpoint that has all the names that are asked for."""
    await world.change(experts=["expert"], deadline_seconds=3)
    return world


@pytest.mark.parametrize("form", CHATTING)
@CALM
@given(data=st.data())
async def test_whatever_instances_do_the_client_hears_an_end(bundle, form, data):
    world: World = bundle
    body = FORMATS[form].chat
    call = read(FORMATS[form].make(), body, ROUTES["chat"]).calls[0]
    told = [data.draw(plans(call)) for _ in world.instances]
    for instance, plan in zip(world.instances, told, strict=True):
        instance.behave = plan
    with structlog.testing.capture_logs() as log:
        answer = await asked(world, form, json.dumps(body).encode())
    is_whole = is_told_to_its_end(answer, form)
    assert is_whole or any(plan.wrong for plan in told)
    assert not (is_whole and all(plan.breaks_off() for plan in told))
    assert [entry for entry in log if entry["log_level"] == "error"] == []
    await eventually_async(lambda: is_idle(world), what="nothing is under way")
    world.behave(fake.polite)
    (await asked(world, "v1", b'{"instances": ["x"]}')).json()["predictions"]


async def asked(world: World, form: str, content: bytes) -> raw.Answer:
    headers = [(b"key", KEY.encode()), (b"content-length", b"%d" % len(content))]
    sent = raw.request("POST", fuzzed.paths_of(form, ENDPOINT)[0], headers, content)
    (answer,) = (await raw.ask(int(world.url.rpartition(":")[2]), sent)).answers
    return answer


def is_idle(world: World) -> bool:
    return not any(world.gateway.upstreams.fleet.under_way(instance.id) for instance in world.instances)


def is_told_to_its_end(answer: raw.Answer, form: str) -> bool:
    """Whether that end is a good one."""
    kind = form.removesuffix(" stream")
    assert answer.complete
    if answer.status != 200:
        assert answer.status in openapi.FAILURES
        is_refusal(answer)
        assert answer.json()["error"]["code"] != "internal"
        return False
    if answer.headers["content-type"] in STREAMED:
        return "error" not in STREAMS[kind](answer.body.decode())
    WELL_FORMED[kind](answer.json())
    return True
