"""`/api/sessions`: where one is signed in with a browser, and an end of it; `/api/platform-key`: one's own key."""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from studio.accounts import selectors, services, sessions
from studio.accounts.models import Session
from studio.accounts.rules import browser_in_words
from studio.errors import NotFound
from studio.json_api import ApiRequest, moment
from studio.json_docs import changes, looks
from studio.tenants import selectors as tenants
from studio.tenants import services as tenant_services
from studio.tenants.models import PlatformKey, User

router = Router(tags=["your account"])


class SessionOut(Schema):
    id: str
    browser: str = Field(description="As it named itself at the sign-in.", examples=["Firefox on Linux"])
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


# ----- the platform key -----------------------------------------------------------------------------------


class PlatformKeyOut(Schema):
    prefix: str = Field(description="The first eight characters of its value.", examples=["6fbc8f9d"])
    time_created: str
    time_last_used: str | None = Field(description="To the minute; null for never.")


class NewPlatformKey(PlatformKeyOut):
    platform_key: str = Field(
        description="The value, shown this once.", examples=["6fbc8f9d-34e2-47e4-983f-19a1845326b4"]
    )


@router.get("/platform-key", response=looks(PlatformKeyOut), summary="Your platform API key")
def platform_key_info(request: ApiRequest) -> dict[str, Any]:
    """Never its value: that is shown when it is generated."""
    return _key(_key_of(request))


@router.post("/platform-key", response=changes(NewPlatformKey), summary="Generate a new platform API key")
def generate_platform_key(request: ApiRequest) -> dict[str, Any]:
    """The old one stops working at once, also when it is the one that asks."""
    value = tenant_services.new_platform_key(actor=request.auth, user=_user(request), now=request.now)
    return _key(_key_of(request)) | {"platform_key": value.reveal()}


def _key_of(request: ApiRequest) -> PlatformKey:
    found = tenants.platform_key_of(request.auth.id)
    if found is None:
        raise NotFound("You have no platform API key yet; generate one.")
    return found


def _user(request: ApiRequest) -> User:
    assert request.auth.id is not None
    return User.objects.get(pk=request.auth.id)


def _key(key: PlatformKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "time_created": moment(key.created_at),
        "time_last_used": moment(key.last_used_at) if key.last_used_at else None,
    }


# ----- how they look --------------------------------------------------------------------------------------


def _session(row: Session, request: ApiRequest) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "browser": browser_in_words(row.agent),
        "address": row.address,
        "time_signed_in": moment(row.signed_in_at),
        "time_last_seen": moment(row.last_seen_at),
        "current": row.id == sessions.id_of(request.session),
    }
