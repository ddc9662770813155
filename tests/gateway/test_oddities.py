"""Whatever a client or a model server says, nobody sees a traceback or hangs."""

import pytest

from endpoints.gateway.client import Client
from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, V1_STREAM

ANSWERS = [
    b"", b"[]", b"nonsense", b'{"choices": 7}', b'{"choices": [null]}', b'{"choices": [{"message": "x"}]}',
    b'{"choices": [{"delta": 7}]}', b'{"choices": [{"finish_reason": []}]}',
    b'{"choices": [{"delta": null, "message": 7}]}',
    b'{"choices": [{"message": {"tool_calls": "x"}}]}', b'{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}',
    b'{"error": "out of memory"}', b'{"object": "error", "message": "no"}', b"{}",
]  # fmt: skip


@pytest.mark.parametrize("path", [CHAT, V1, V1_STREAM])
async def test_nonsense_of_an_instance_is_a_502(world, subtests, path):
    said = b""

    async def behave(seen: fake.Seen, out: fake.Out) -> None:
        if seen.body.get("stream"):
            await out.begin_events()
            await out.raw(b"data: " + said + b"\n\n")
            await out.end()
        else:
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said)
            out.writer.write(head + said)

    for instance in world.instances:
        instance.behave = behave
    body = {"messages": [{"role": "user", "content": "x"}], "instances": ["x"]}
    for said in ANSWERS:
        with subtests.test(said.decode()):
            async with world.post(path, body) as response:
                assert response.status == 502
                assert (await response.json(content_type=None))["error"]["message"]


async def test_an_empty_answer_is_an_answer(world):
    async def behave(seen: fake.Seen, out: fake.Out) -> None:
        await out.json({"choices": []})

    for instance in world.instances:
        instance.behave = behave
    async with world.post(V1, {"instances": ["x"]}) as response:
        assert response.status == 200
        assert (await response.json())["predictions"][0]["completion"] == ""


async def test_a_fault_of_our_own_is_said_in_the_clients_format(world, monkeypatch):
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Client, "read", fault)
    async with world.post(CHAT, {}) as response:
        assert response.status == 500
        assert (await response.json())["error"]["code"] == "internal"


async def test_an_odd_status_of_an_instance_becomes_one_that_clients_know(world, subtests):
    for said, told in (
        (418, 400),
        (409, 400),
        (422, 422),
        (501, 501),
        (599, 502),
        (999, 502),
        (302, 502),
    ):
        world.behave(fake.answers(said))
        with subtests.test(str(said)):
            async with world.post(CHAT, {"messages": [{"role": "user", "content": "x"}]}) as response:
                assert response.status == told
