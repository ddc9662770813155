"""The built-in runtime with a shipped model, through the agent."""

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

import studio
from scheduler import wire
from tests.agent.node import Node, but, eventually, wished

SHIPPED = Path(studio.__file__).parent / "hub" / "shipped"
HELP = SHIPPED / "help" / "1"

BUILT_IN = wire.Runtime(
    name="built-in",
    version="1",
    argv=[
        "{python}", "-m", "scheduler.agent.serve", "--model", "{gguf}", "--host", "{host}", "--port", "{port}",
        "--alias", "{name}", "--parallel", "{parallel}",
    ],
    token_file_env="STUDIO_INSTANCE_TOKEN_FILE",
    device_env="STUDIO_RDUS",
    metrics_path="/metrics",
    in_flight_metrics=["llamacpp:requests_processing", "llamacpp:requests_deferred"],
    parallel=4,
)  # fmt: skip
EMBEDDINGS = msgspec.structs.replace(
    BUILT_IN,
    name="built-in embeddings",
    argv=[*BUILT_IN.argv, "--embedding"],
    warmup_path="/v1/embeddings",
)

pytestmark = pytest.mark.skipif(
    not (HELP / "model.gguf").exists(), reason="the Help model is not shipped here"
)


def manifest(folder: Path) -> list[wire.File]:
    return [
        wire.File(
            path.relative_to(folder).as_posix(),
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def asked(seen: wire.Seen, token: str, path: str, body: dict[str, object]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://{seen.host}:{seen.port}{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_an_embedding_model_is_warmed_up_by_its_own_kind_of_request(node: Node):
    folder = SHIPPED / "tiny-embed" / "1"
    files = wire.Expert("tiny-embed", "tiny-embed/1", manifest(folder))
    one = wished(name="tiny-embed", runtime=EMBEDDINGS, experts=[files])
    # The help model's file names no pooling: healthy, but no embeddings, so it never becomes ready.
    other = wished(
        name="help", runtime=EMBEDDINGS, experts=[wire.Expert("help", "help/1", manifest(HELP))], rdus=[4]
    )
    node.start()
    node.wish(one, other)
    seen = node.until(one.id, "ready")
    answer = asked(seen, one.token, "/v1/embeddings", {"model": "tiny-embed", "input": "Hello"})
    assert len(answer["data"][0]["embedding"]) == 96
    eventually(
        lambda: "answered with status 400" in node.seen(other.id).sentence, what="the refusal is reported"
    )


def test_help_is_verified_started_asked_and_drained(node: Node):
    one = wished(
        name="help",
        runtime=BUILT_IN,
        experts=[wire.Expert("help", "help/1", manifest(HELP))],
        drain_seconds=30,
    )
    node.start()
    node.wish(one)
    seen = node.until(one.id, "ready")
    body = {"model": "help", "prompt": "Hello", "max_tokens": 8}
    assert asked(seen, one.token, "/v1/completions", body)["choices"]
    # The agent's restart is none of its business.
    node.kill_agent()
    node.start()
    assert node.until(one.id, "ready").pid == seen.pid
    # Nothing is unfinished, so the drain ends long before its deadline: the metrics are understood.
    node.wish(but(one, desired="drain"))
    node.until(one.id, "stopped")
    assert node.ours() == {}
