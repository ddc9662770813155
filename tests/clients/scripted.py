"""The scripts, one per client: what each has to show, and what a run of it told."""

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.clients.environments import version_of

FOLDER = Path(__file__).parent / "scripts"
SECONDS = 240

# client (its requirements file, its environment) → script and the parts of the API that this client has
PARTS = ("chat", "stream", "embeddings", "models", "responses", "errors")
SCRIPTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "openai": ("with_openai.py", PARTS),
    "sambanova": ("with_sambanova.py", PARTS),
    "langchain-openai": ("with_langchain_openai.py", ("chat", "stream", "embeddings", "responses", "errors")),
    "langchain-sambanova-0.2": ("with_langchain_sambanova_02.py", ("chat", "stream", "embeddings", "errors")),
    "langchain-sambanova-1": ("with_langchain_sambanova_1.py", ("chat", "stream", "embeddings", "errors")),
    "langchain-community-0.3": (
        "with_langchain_community_chat.py",
        ("chat", "stream", "embeddings", "errors"),
    ),
    "langchain-community-0.4": (
        "with_langchain_community_llm.py",
        ("chat", "stream", "embeddings", "errors"),
    ),
    "llama-index": ("with_llama_index.py", ("chat", "stream", "errors")),
    "litellm": ("with_litellm.py", ("chat", "stream", "embeddings", "responses", "errors")),
    "sseclient": ("with_sseclient.py", ("chat", "stream", "embeddings", "errors")),
}


@dataclass(frozen=True)
class Run:
    version: str
    output: str
    ended: bool  # it came to its last line, within the time
    seconds: float

    def held(self, part: str) -> list[str]:
        return self._lines(f"ok {part}: ")

    def failed(self, part: str) -> list[str]:
        return self._lines(f"FAILED {part}: ")

    def cell(self, part: str) -> str:
        held, failed = len(self.held(part)), len(self.failed(part))
        return f"{held}/{held + failed}" if held + failed else "–"

    def is_good(self) -> bool:
        return self.ended and not any(self.failed(part) for part in PARTS)

    def _lines(self, beginning: str) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith(beginning)]


def run_script(
    client: str, script: Path, python: Path, environment: dict[str, str], seconds: float = SECONDS
) -> Run:
    """Nothing of this process's own environment reaches the script, no proxy and no key of somebody's.

    `environment` names a HOME of its own, where its output is written too.
    """
    bare = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    home = Path(environment["HOME"])
    printed, begun, code = home / "output", time.monotonic(), None
    with printed.open("wb") as output, contextlib.suppress(subprocess.TimeoutExpired):
        code = subprocess.run(
            [str(python), str(script)], cwd=home, env=bare | environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, timeout=seconds,
        ).returncode  # fmt: skip
    text = printed.read_text(errors="replace")
    ended = code == 0 and text.rstrip().endswith("done")
    return Run(version_of(client), text, ended, time.monotonic() - begun)
