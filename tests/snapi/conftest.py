import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from snapi.main import main
from tests.snapi import fake

KEY = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def studio() -> Iterator[fake.FakeStudio]:
    with fake.serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder, and nothing in the environment that overrides it."""
    for name in ("HOST_NAME", "TENANT_ID", "ACCESS_KEY", "DISABLE_SSL_WARNINGS", "CONFIG_DIR", "DEBUG"):
        monkeypatch.delenv(f"SNAPI_{name}", raising=False)
    for name in ("HOST_NAME", "TENANT_NAME", "ACCESS_KEY"):
        monkeypatch.delenv(f"SAMBASTUDIO_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SNAPI_CLI_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SNAPI_TIMEOUT", "5")
    return tmp_path


@pytest.fixture
def signed_in(folder: Path, studio: fake.FakeStudio) -> Path:
    """The configuration folder of somebody with a host and a key."""
    (folder / "config.json").write_text(json.dumps({"HOST_NAME": studio.url, "TENANT_ID": "default"}))
    secret = folder / "secret.txt"
    secret.write_text(f"{KEY}\n")
    secret.chmod(0o600)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("endpoint", "list")` runs snapi as a pipe would see it."""

    def run_it(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["snapi", *arguments])
        capsys.readouterr()
        code = main()
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run_it
