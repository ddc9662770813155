"""Conditions that a start waits for. Each is one look that says yes or no and never raises."""

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import redis

from scheduler import registers

LOOK_SECONDS = 2.0


class _OverUnixSocket(http.client.HTTPConnection):
    def __init__(self, path: Path, host: str) -> None:
        super().__init__(host, timeout=LOOK_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def web_answers(path: Path, public_url: str) -> bool:
    """`/healthz` over the socket, under the name that people use: Django checks it."""
    return _status(_OverUnixSocket(path, urlsplit(public_url).netloc), "GET", "/healthz") == 200


def gateway_answers(host: str, port: int, path: str) -> bool:
    return _status(http.client.HTTPConnection(host, port, timeout=LOOK_SECONDS), "GET", path) == 200


def endpoint_answers(url: str, key: str) -> bool:
    """A real prediction: the endpoint is Live, its route is published and its model server speaks."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=30)
    body = json.dumps(
        {"instances": ["Hello"], "params": {"max_tokens_to_generate": {"type": "int", "value": "1"}}}
    )
    return (
        _status(connection, "POST", parts.path, body, {"key": key, "Content-Type": "application/json"}) == 200
    )


def says_ready(path: Path, pid: int) -> bool:
    """The process itself wrote the file; one left by its predecessor holds another pid."""
    try:
        return path.read_text().strip() == str(pid)
    except OSError:
        return False


def report_number(url: str, node: str) -> int:
    """The number of the node's newest report in the broker, -1 for none; grows with every agent and report."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            found = registers.get_reports(client, [node])
    except redis.RedisError:
        return -1
    return found[node][0] if node in found else -1


def _status(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    """0 where nobody answers."""
    try:
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
