"""Asks a shipped model its held-out questions through the product's own launcher, and counts the right answers.

`python score.py help/1 [--first N]` prints one line of JSON. Standard library only: the product's tests run it too.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).resolve().parent.parent
REPOSITORY = SHIPPED.parent.parent.parent
PATIENCE = 30.0


@dataclass(frozen=True)
class Score:
    right: int
    cases: int
    bare_right: int
    """Right answers to the bare prompt, without the chat template."""
    wrong: list[str]
    silent: list[str]
    """Bare prompts that got no visible word."""


class Server:
    """A running launcher, with its address and token."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self.token = address, token

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.address + path,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def chat(self, prompt: str) -> str:
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 96}
        return str(self.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]).strip()

    def complete(self, prompt: str) -> str:
        body = {"prompt": prompt, "temperature": 0, "max_tokens": 96}
        return str(self.post("/v1/completions", body)["choices"][0]["text"])


def score(version: Path, first: int | None = None) -> Score:
    lines = (version.parent / "heldout.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines[:first]]
    prompts = [case["prompt"] for case in cases]
    with serving(version) as server, ThreadPoolExecutor(4) as pool:
        said = list(pool.map(server.chat, prompts))
        bare = list(pool.map(server.complete, prompts))
    answers = [case["answer"] for case in cases]
    asked = list(zip(prompts, said, bare, answers, strict=True))
    return Score(
        right=sum(text == answer for _, text, _, answer in asked),
        cases=len(cases),
        bare_right=sum(text.strip() == answer for _, _, text, answer in asked),
        wrong=[f"{prompt} -> {text}" for prompt, text, _, answer in asked if text != answer],
        silent=[prompt for prompt, _, text, _ in asked if not re.search(r"\w", text)],
    )


@contextmanager
def serving(version: Path, *options: str) -> Iterator[Server]:
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as folder:
        token_file = Path(folder, "token")
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        process = start(version, token_file, *options)
        try:
            yield Server(address_of(process), token)
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def start(version: Path, token_file: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scheduler.agent.serve", "--model", str(version / "model.gguf")]
    command += ["--host", "127.0.0.1", "--port", "0", "--alias", version.parent.name, *options]
    environment = {**os.environ, "STUDIO_INSTANCE_TOKEN_FILE": str(token_file)}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def address_of(process: subprocess.Popen[str]) -> str:
    """The launcher names its address once it serves; port 0 let the system choose."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the model server ended with code {process.wait()}")
    address = line.rsplit(" ", 1)[-1].strip()
    wait_for_health(address)
    return address


def wait_for_health(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=PATIENCE):
                return
        except urllib.error.URLError:
            time.sleep(0.02)
    raise TimeoutError(f"{address} did not become healthy")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("version", help="a shipped version, such as help/1")
    parser.add_argument("--first", type=int, help="only the first N held-out cases")
    options = parser.parse_args()
    print(json.dumps(asdict(score(SHIPPED / options.version, options.first))))


if __name__ == "__main__":
    main()
