"""A small HTTP server that answers as the management API does, from recorded JSON."""

import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BREAK_OFF = object()  # a body: the connection ends without an answer


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    body: Any
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class FakeStudio:
    """`answer()` says what comes next on a path; the last answer given there stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        # Cleared, the server keeps every question unanswered until it is set again.
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.otherwise: Answer | None = None  # to what nothing was said about
        self._answers: dict[tuple[str, str], list[Answer]] = {}

    def answer(self, method: str, path: str, body: Any, status: int = 200, **more: Any) -> None:
        self._answers.setdefault((method, path), []).append(Answer(body, status, **more))

    def refuse(self, method: str, path: str, status: int, message: str, code: str = "refused") -> None:
        self.answer(method, path, {"code": code, "message": message, "fields": {}}, status)

    def take(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        self.may_answer.wait(30)
        waiting = self._answers.get((asked.method, asked.path))
        if not waiting:
            return self.otherwise or Answer(
                {"code": "not_found", "message": f"Nothing at {asked.path}.", "fields": {}}, 404
            )
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def _handler(studio: FakeStudio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query))
            answer = studio.take(Asked(self.command, unquote(parts.path), query, headers, body))
            if answer.body is BREAK_OFF:
                self.close_connection = True
                return
            content = (
                answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
            )
            self.send_response(answer.status)
            for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *args: object) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left early is no fault of ours; what is printed would land in a test's output."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[FakeStudio]:
    studio = FakeStudio()
    server = Server(("127.0.0.1", 0), _handler(studio))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    studio.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield studio
    finally:
        studio.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
