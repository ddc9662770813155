"""What web takes in at most and lets nobody keep: before anything is read, and after everything is said."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Next = Callable[[HttpRequest], HttpResponse]

MOST_BODY = (
    4 * 2**20
)  # bytes: twice what a form or a management body may have, of which the views say so themselves
TOO_LARGE = {"code": "too_large", "message": "The body is larger than a request here may be.", "fields": {}}


class BoundedBodies:
    """Django writes a whole body to disk before it looks at the request, whoever sends it and however long it is."""

    def __init__(self, application: Application, most: int = MOST_BODY) -> None:
        self._application = application
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif _declared(scope) > self._most:
            await _refuse(send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that says nothing of its length breaks off where it is too long."""
        heard, refused = 0, False

        async def bounded() -> Message:
            nonlocal heard, refused
            message = await receive()
            heard += len(message.get("body", b""))
            if heard > self._most and not refused:
                refused = True
                await _refuse(send)
            return {"type": "http.disconnect"} if refused else message

        async def unless_refused(message: Message) -> None:
            if not refused:
                await send(message)

        await self._application(scope, bounded, unless_refused)


class Storable:
    """PostgreSQL stores no NUL in any text: a cookie with one is none, and an address with one leads nowhere.

    The REST API says in its own shape what is wrong with an address.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name in [name for name, value in request.COOKIES.items() if "\0" in value]:
            del request.COOKIES[name]
        if "\0" in request.path and not request.path.startswith("/api/"):
            raise Http404
        return self.get_response(request)


class NotKept:
    """What says nothing of caches is kept by none: answers hold keys and what only its reader may see."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _declared(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


async def _refuse(send: Send) -> None:
    body = json.dumps(TOO_LARGE).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
