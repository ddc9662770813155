"""The web process: GUI, management REST API and admin, under uvicorn."""

import gc
import os
import signal
import threading
from collections.abc import Callable
from functools import cache, partial
from types import FrameType
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
# A request has a thread of its own, and without a pool a new connection too.
os.environ.setdefault("STUDIO_DATABASE_POOL", "1")


@cache
def end_streams_first() -> None:
    """At a stop, before the server hears of it: it waits for what is under way, and no stream ends by itself.

    Its own handlers stand by the time of the first request.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(number, partial(_stop, before))


def _stop(server: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
    STREAMS.close()
    server(number, frame)


class OneThread(ASGIHandler):
    """A request goes to its thread once, with all its middleware, and comes back with the answer.

    No view and no middleware of ours is async. Django's own handler goes back to the loop and into the thread again
    at each of them; what is async in an answer, the stream of a watch, is sent by the loop as ever.
    """

    def __init__(self) -> None:
        super(ASGIHandler, self).__init__()
        self.load_middleware(is_async=False)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """What waits for a word needs no thread meanwhile: all of these begin in one, which they share."""
        if scope["type"] == "http" and scope["path"] == f"/{STREAM}":
            end_streams_first()
            await self.handle(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)


django.setup(set_prefix=False)

from endpoints.routing import Publisher  # noqa: E402  after Django is set up
from studio import urls  # noqa: E402, F401  here and not at the first request
from studio.bounds import BoundedBodies  # noqa: E402
from studio.standing.streams import STREAMS  # noqa: E402
from studio.standing.urls import STREAM  # noqa: E402

application = BoundedBodies(OneThread())

# What is loaded now stays: without this a full collection walks all of it, 0.15 s in the middle of an answer.
gc.freeze()
# A page makes thousands of objects, most of which go with it: to look through them every 700 is a tenth of its time.
gc.set_threshold(5_000)
Publisher().start()
