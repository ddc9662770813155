"""`/api/sessions`: where one is signed in with a browser, and an end of it."""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from studio.accounts import selectors, services, sessions
from studio.accounts.models import Session
from studio.accounts.rules import browser_in_words
from studio.json_api import ApiRequest, moment
from studio.json_docs import changes, looks

router = Router(tags=["your account"])


class SessionOut(Schema):
    id: str
    browser: str = Field(examples=["Firefox on Linux"])
    address: str = Field(description="From which it signed in.")
    time_signed_in: str
    time_last_seen: str = Field(description="To the minute; pages that refresh themselves do not count.")
    current: bool = Field(description="The one that asks; false for all when a platform key does.")


class Sessions(Schema):
    sessions: list[SessionOut]
    next: str | None


class Ended(Schema):
    ended: int = Field(description="How many sessions it were.")


@router.get("/sessions", response=looks(Sessions), summary="List your sessions")
def list_sessions(request: ApiRequest) -> dict[str, Any]:
    """The browsers in which you are signed in, the latest seen first; at most fifty."""
    rows = selectors.sessions_of(request.auth.id, request.now)
    return {"sessions": [_session(row, request) for row in rows], "next": None}


@router.delete("/sessions/{session}", response=changes(SessionOut), summary="Sign one of your sessions out")
def end_session(request: ApiRequest, session: str) -> dict[str, Any]:
    """Refused at once, whatever it has open."""
    found = selectors.session_named(request.auth, session, request.now)
    services.end_session(actor=request.auth, session=found)
    return _session(found, request)


@router.delete("/sessions", response=changes(Ended), summary="Sign out everywhere")
def end_sessions(request: ApiRequest) -> dict[str, Any]:
    """All your browsers; your platform key stays as it is."""
    return {"ended": services.end_sessions(actor=request.auth)}


def _session(row: Session, request: ApiRequest) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "browser": browser_in_words(row.agent),
        "address": row.address,
        "time_signed_in": moment(row.signed_in_at),
        "time_last_seen": moment(row.last_seen_at),
        "current": row.id == sessions.id_of(request.session),
    }
