"""Whatever a client or a model server says, nobody sees a traceback or hangs."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endpoints.gateway import app
from endpoints.gateway.errors import Refused
from endpoints.gateway.formats import generic_v1, generic_v2, openai
from endpoints.wire import Route
from tests.gateway import fake
from tests.gateway.conftest import CHAT, V1, V1_STREAM

ROUTE = Route(endpoint="e", project="p", version=1, model="served", names=["Help"])
DIALECTS = [
    openai.CHAT_COMPLETIONS, openai.COMPLETIONS,
    generic_v1.PREDICT, generic_v1.STREAM, generic_v2.PREDICT, generic_v2.STREAM,
]  # fmt: skip
PROMPT = st.text(max_size=8) | st.just('{"messages": [{"role": "user", "content": "x"}]}')
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | PROMPT
ANY = LEAF | st.lists(LEAF, max_size=3) | st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "id", "value", "function"]), LEAF, max_size=3), max_size=3
)  # fmt: skip
FIELDS = [
    "model", "messages", "prompt", "stream", "stream_options", "temperature", "tools", "instances", "instance",
    "items", "params",
]  # fmt: skip
PARAMS = st.dictionaries(
    st.sampled_from(["process_prompt", "select_expert", "top_k", "stop_sequences"]), ANY, max_size=3
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), ANY | PARAMS, max_size=5)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=BODIES)
def test_any_body_is_read_or_refused(dialect, body):
    status = 200
    try:
        asked = dialect.read(orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_SUBCLASS), ROUTE)
        assert all(call.body["model"] == "served" for call in asked.calls)
    except Refused as refused:
        status = refused.status
    except orjson.JSONEncodeError:
        pass  # an integer that no JSON here can hold
    assert status in {200, 400, 404}


ANSWERS = [
    b"", b"[]", b"nonsense", b'{"choices": 7}', b'{"choices": [null]}', b'{"choices": [{"message": "x"}]}',
    b'{"choices": [{"delta": 7}]}', b'{"error": "out of memory"}', b'{"object": "error", "message": "no"}', b"{}",
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

    monkeypatch.setattr(app.asgi, "read_body", fault)
    async with world.post(CHAT, {}) as response:
        assert response.status == 500
        assert (await response.json())["error"]["code"] == "internal"
