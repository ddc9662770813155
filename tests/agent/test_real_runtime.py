"""The built-in runtime with a shipped model, through the agent."""

import hashlib
import json
import urllib.request
from pathlib import Path

import pytest

import studio
from scheduler import wire
from tests.agent.node import Node, but, wished

SHIPPED = Path(studio.__file__).parent / "hub" / "shipped"
HELP = SHIPPED / "help" / "1"

BUILT_IN = wire.Runtime(
    name="built-in",
    version="1",
    argv=[
        "{python}", "-m", "scheduler.agent.serve", "--model", "{gguf}", "--host", "{host}", "--port", "{port}",
        "--alias", "{name}",
    ],
    token_file_env="STUDIO_INSTANCE_TOKEN_FILE",
    device_env="STUDIO_RDUS",
    metrics_path="/metrics",
    in_flight_metrics=["llamacpp:requests_processing", "llamacpp:requests_deferred"],
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not (HELP / "model.gguf").exists(), reason="the Help model is not shipped here"
)


def manifest(folder: Path) -> list[wire.File]:
    return [
        wire.File(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]


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
    request = urllib.request.Request(
        f"http://{seen.host}:{seen.port}/v1/completions",
        data=json.dumps({"model": "help", "prompt": "Hello", "max_tokens": 8}).encode(),
        headers={"Authorization": f"Bearer {one.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["choices"]
    # The agent's restart is none of its business.
    node.kill_agent()
    node.start()
    assert node.until(one.id, "ready").pid == seen.pid
    # Nothing is unfinished, so the drain ends long before its deadline: the metrics are understood.
    node.wish(but(one, desired="drain"))
    node.until(one.id, "stopped")
    assert node.ours() == {}
