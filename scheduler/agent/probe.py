"""Asking a model server how it is: one small HTTP request on a connection of its own. Never raises."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field

from scheduler.wire import Runtime

ANSWER_BYTES = 4_000_000  # metrics of a large server stay far below


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    token: str = field(repr=False)

    @property
    def address(self) -> str:
        """Where to reach a server that was told to listen everywhere."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104


async def healthy(target: Target, runtime: Runtime, seconds: float) -> bool:
    answer = await _request(target, "GET", runtime.health_path, None, seconds)
    return answer is not None and answer[0] == 200


async def warm_up(target: Target, runtime: Runtime, name: str, seconds: float) -> int:
    """The status of the smallest real request, 0 for no answer; 200 where the runtime has no such path."""
    path = runtime.warmup_path
    if not path:
        return 200
    body: dict[str, object] = {"model": name}
    if path.endswith("/embeddings"):
        body["input"] = "Hello"
    elif path.endswith("/chat/completions"):
        body |= {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    else:
        body |= {"prompt": "Hello", "max_tokens": 1}
    answer = await _request(target, "POST", path, json.dumps(body).encode(), seconds)
    return answer[0] if answer else 0


async def in_flight(target: Target, runtime: Runtime, seconds: float) -> int | None:
    """How many requests are unfinished, None where the runtime does not say."""
    if not runtime.metrics_path or not runtime.in_flight_metrics:
        return None
    answer = await _request(target, "GET", runtime.metrics_path, None, seconds)
    return None if answer is None or answer[0] != 200 else total(answer[1], runtime.in_flight_metrics)


def total(metrics: str, names: list[str]) -> int | None:
    """The sum of these series in Prometheus' text format, None unless each name occurs."""
    found: dict[str, float] = {}
    for line in metrics.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in names:
            # `name{labels} value [timestamp]`; the labels may hold blanks.
            with suppress(ValueError, IndexError):
                found[name] = found.get(name, 0.0) + float(
                    line.rpartition("}")[2].removeprefix(name).split()[0]
                )
    return round(sum(found.values())) if len(found) == len(set(names)) else None


async def _request(
    target: Target, method: str, path: str, body: bytes | None, seconds: float
) -> tuple[int, str] | None:
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(target, method, path, body)
    except (OSError, ValueError, IndexError, EOFError, asyncio.LimitOverrunError):
        return None


async def _exchange(target: Target, method: str, path: str, body: bytes | None) -> tuple[int, str]:
    # HTTP/1.0, so that no server answers in chunks.
    head = [f"{method} {path} HTTP/1.0", f"Host: {target.host}:{target.port}", "Connection: close"]
    head += [f"Authorization: Bearer {target.token}"] if target.token else []
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body is not None else []
    reader, writer = await asyncio.open_connection(target.address, target.port)
    try:
        writer.write("\r\n".join([*head, "", ""]).encode() + (body or b""))
        await writer.drain()
        answer = await _read_whole(reader)
    finally:
        writer.transport.abort()
    status_line, _, rest = answer.partition(b"\r\n")
    return int(status_line.split()[1]), rest.partition(b"\r\n\r\n")[2].decode(errors="replace")


async def _read_whole(reader: asyncio.StreamReader) -> bytes:
    """Head and body. The end is where the server closes, or where the head says that the body ends."""
    answer = await reader.readuntil(b"\r\n\r\n")
    left = ANSWER_BYTES
    for line in answer.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            left = min(left, int(line.partition(b":")[2]))
    while left > 0 and (part := await reader.read(min(left, 65536))):
        answer += part
        left -= len(part)
    return answer
