"""Small files that survive a crash: written whole or not at all. Standard library only, the keeper uses it."""

import json
import os
from typing import Any


def write(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replaces the file at once and on the disk; a reader sees the old content or the new one."""
    draft = f"{path}.{os.getpid()}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
    os.replace(draft, path)


def write_json(path: str, content: dict[str, Any]) -> None:
    write(path, json.dumps(content).encode())


def read_json(path: str) -> dict[str, Any] | None:
    """None where there is no such file, or none that can be read as an object."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
