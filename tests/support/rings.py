"""The platform's secrets as files of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio import env, keyring, rotation


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where they lie, and nothing of other tests is in the keyring."""
    before = dict(keyring._rings)
    keyring._rings.clear()
    for name in (*rotation.RINGS, rotation.PUBLICS):
        value = env.secret(name).reveal()
        monkeypatch.delenv(f"STUDIO_{name.upper()}")
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("STUDIO_SECRETS_DIR", str(tmp_path))
    yield tmp_path
    keyring._rings.clear()
    keyring._rings.update(before)


def ring(folder: Path, name: str = "value_seal") -> list[str]:
    return (folder / name).read_text().strip().split(",")
