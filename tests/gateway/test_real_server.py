"""Through the gateway to the built-in runtime with a shipped model: no fake in between."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from endpoints.wire import Upstream
from tests.gateway.conftest import CHAT, EMBEDDINGS, NLP, V1, V1_STREAM, V2, World, free_port
from tests.gateway.control import hello
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "studio" / "hub" / "shipped"
TOKEN = "token-of-the-real-server"
ASK = [{"role": "user", "content": "How do I stop an endpoint?"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with _served(tmp_path_factory, "help") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def embedding_server(tmp_path_factory):
    with _served(tmp_path_factory, "tiny-embed", "--embedding") as upstream:
        yield upstream


@contextlib.contextmanager
def _served(tmp_path_factory, model: str, *options: str) -> Iterator[Upstream]:
    token = tmp_path_factory.mktemp("instance") / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    port = free_port()
    path = SHIPPED / model / "1" / "model.gguf"
    command = [sys.executable, "-m", "scheduler.agent.serve", "--model", str(path), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--alias", "served", *options],
        cwd=ROOT, env={**os.environ, "STUDIO_INSTANCE_TOKEN_FILE": str(token)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: _healthy(process, port), timeout=30, what="the model server answers")
        yield Upstream("real", "127.0.0.1", port, TOKEN)
    finally:
        process.kill()
        process.wait()


def _healthy(process: subprocess.Popen, port: int) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the model server ended with code {process.returncode}")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture
async def real(world, server) -> World:
    await world.publish(hello(world.control, server, version=2))
    return world


async def test_no_call_is_sent_over_a_connection_that_the_server_closes_after_a_stream(real):
    failures: list[str] = []
    real.gateway.upstreams.fleet.failed = lambda _, reason, **more: failures.append(reason)

    async def ask() -> None:
        for _ in range(20):
            async with real.post(CHAT, {"messages": ASK, "stream": True, "max_tokens": 4}) as response:
                assert (await response.text()).endswith("data: [DONE]\n\n")

    await asyncio.gather(*(ask() for _ in range(16)))
    assert failures == []


async def test_all_formats_tell_the_same_greedy_answer(real):
    client = await real.openai()
    whole = await client.chat.completions.create(model="Help", messages=ASK, temperature=0, max_tokens=60)
    text = whole.choices[0].message.content
    assert text.strip()
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0

    stream = await client.chat.completions.create(
        model="Help",
        messages=ASK,
        temperature=0,
        max_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices) == text
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens

    params = {
        "process_prompt": {"type": "bool", "value": "True"},
        "max_tokens_to_generate": {"type": "int", "value": "60"},
        "repetition_penalty": {"type": "float", "value": "1.0"},
        "select_expert": {"type": "str", "value": "Help"},
    }
    conversation = json.dumps({"messages": [{"message_id": 0, **ASK[0]}]})
    async with real.post(V1, {"instances": [conversation], "params": params}) as response:
        (prediction,) = (await response.json())["predictions"]
    assert (prediction["completion"], prediction["stop_reason"]) == (text, "end_of_text")
    async with real.post(V2, {"items": [{"value": conversation}], "params": params}) as response:
        (item,) = (await response.json())["items"]
    assert item["value"]["completion"] == text
    async with real.post(V1_STREAM, {"instance": conversation, "params": params}) as response:
        last = (await response.text()).strip().split("\n")[-1]
    assert json.loads(last)["result"]["responses"][0]["completion"] == text


async def test_a_bare_prompt_is_answered(real):
    async with real.post(
        V1, {"instances": [ASK[0]["content"]], "params": {"max_new_tokens": 20}}
    ) as response:
        assert response.status == 200
        (prediction,) = (await response.json())["predictions"]
    assert prediction["completion"].strip()


async def test_its_own_refusal_is_passed_on(real):
    async with real.post(CHAT, {"messages": [{"role": "user", "content": "word " * 2000}]}) as response:
        assert response.status == 400
        error = (await response.json())["error"]
    assert error["code"] == "instance_refused"
    assert TOKEN not in str(error)


async def test_eight_at_once(real):
    async def ask() -> int:
        async with real.post(V1_STREAM, {"instance": "Hello", "params": {"max_new_tokens": 30}}) as response:
            assert 'is_last_response":true' in await response.text()
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(8))) == [200] * 8


async def test_responses_and_nlp_tell_the_same_greedy_answer(real):
    client = await real.openai()
    told = {"model": "Help", "input": ASK, "temperature": 0, "max_output_tokens": 60}
    whole = await client.responses.create(**told)
    assert whole.output_text.strip()
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    async with client.responses.stream(**told) as stream:
        final = await stream.get_final_response()
    assert (final.output_text, final.usage.total_tokens) == (whole.output_text, whole.usage.total_tokens)
    params = {"process_prompt": True, "max_tokens_to_generate": 60}
    async with real.post(NLP, {"inputs": [json.dumps({"messages": ASK})], "params": params}) as response:
        assert await response.json() == {"data": [{"completion": whole.output_text}]}


async def test_embeddings_are_the_same_by_every_api(world, embedding_server):
    await world.publish(hello(world.control, embedding_server, version=2, task="embedding"))
    client = await world.openai()
    text = ASK[0]["content"]
    floats = await client.embeddings.create(model="Help", input=text, encoding_format="float")
    vector = pytest.approx(floats.data[0].embedding, rel=1e-5)
    assert floats.usage.prompt_tokens > 0
    packed = await client.embeddings.create(model="Help", input=[text])  # the client asks for base64
    assert packed.data[0].embedding == vector
    async with world.post(V1, {"instances": [text]}) as response:
        assert (await response.json())["predictions"] == [vector]
    async with world.post(V2, {"items": [{"value": text}]}) as response:
        assert (await response.json())["items"][0]["value"] == vector
    async with world.post(NLP, {"inputs": text}) as response:
        assert (await response.json())["data"] == [vector]
    several = await client.embeddings.create(model="Help", input=[text, "What is an RDU?", text])
    assert [one.index for one in several.data] == [0, 1, 2]
    assert several.data[0].embedding == several.data[2].embedding == vector
    assert several.data[0].embedding != several.data[1].embedding
    async with world.post(EMBEDDINGS, {"input": [2**31 - 1]}) as response:
        assert response.status == 400  # no token of this model
