"""A stand-in for web behind the front: says what it was asked, and streams step by step."""

import asyncio
from pathlib import Path

from aiohttp import web


class Web:
    """A stand-in for web: says what it was asked, and streams step by step."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.go_on = asyncio.Event()
        self.gone = asyncio.Event()
        self.received = 0
        self.heard: list[tuple[str, str, str]] = []  # method, path and body of each request
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/events", self._events)
        app.router.add_route("*", "/upload", self._upload)
        app.router.add_route("*", "/half", self._half)
        app.router.add_route("*", "/{path:.*}", self._say)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _say(self, request: web.Request) -> web.Response:
        said = {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode(),
        }
        self.heard.append((said["method"], said["path"], said["body"]))
        response = web.json_response(said, status=418, headers={"X-Own": "1", "Keep-Alive": "timeout=9"})
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.gone.set()
            raise
        await response.write(b"data: 2\n\n")
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        try:
            async for part in request.content.iter_any():
                self.received += len(part)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise
        return web.Response(text=str(self.received))

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        request.transport.abort()
        return response
