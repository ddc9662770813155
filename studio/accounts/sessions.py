"""Where sessions are kept (`SESSION_ENGINE`): in rows that say whose they are, and by digests of their keys.

Whoever reads the database can sign in with none of them; whoever deletes a row has signed that browser out.
The facts of a sign-in stand in the session's own data and are copied to the row's columns, since Django writes
the whole row at each save. Every page begins with a session and the person behind it: both are kept statements.
"""

import uuid
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth import SESSION_KEY as USER
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet

from studio.accounts.models import Session
from studio.accounts.rules import LONGEST, is_over
from studio.statements import statement
from studio.tenants.models import User

ID, SINCE, ADDRESS, AGENT = "session_id", "signed_in_at", "address", "agent"


class SessionStore(DatabaseStore):
    row: Session | None = None  # as it was loaded

    @classmethod
    def get_model_class(cls) -> Any:
        return Session

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(digest=digest(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            Session.objects.filter(digest=digest(key)).delete()

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Its id and since when it is stay through every save and every new key."""
        now = datetime.now(UTC)
        if USER in data:
            data.setdefault(ID, str(uuid.uuid4()))
            data.setdefault(SINCE, now.isoformat())
        since = datetime.fromisoformat(data[SINCE]) if SINCE in data else now
        return Session(
            digest=digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            id=uuid.UUID(data[ID]) if ID in data else uuid.uuid4(),
            user_id=data.get(USER),
            session_data=self.encode(data),
            address=data.get(ADDRESS, ""),
            agent=data.get(AGENT, ""),
            signed_in_at=since,
            last_seen_at=now,
            expire_date=since + LONGEST,
        )

    def _get_session_from_db(self) -> Session | None:
        self.row = next(iter(_sessions(digest(self.session_key))), None)
        if self.row and not is_over(self.row.signed_in_at, self.row.last_seen_at, datetime.now(UTC)):
            return self.row
        self._session_key = None
        return None


class People(ModelBackend):
    """Who has signed in by a password (`AUTHENTICATION_BACKENDS`)."""

    def get_user(self, user_id: uuid.UUID) -> User | None:
        return next((each for each in _people(user_id) if self.user_can_authenticate(each)), None)


@statement()
def _sessions(digest: str) -> QuerySet[Session]:
    return Session.objects.filter(digest=digest)


@statement()
def _people(pk: uuid.UUID) -> QuerySet[User]:
    return User.objects.filter(pk=pk)


def digest(session_key: str | None) -> str:
    """Keys have 165 bits of chance, so a plain digest tells nothing of them."""
    return sha256((session_key or "").encode()).hexdigest()


def id_of(session: Any) -> uuid.UUID | None:
    """By which people know it; none of somebody who came with a platform key."""
    return uuid.UUID(session[ID]) if ID in session else None


def begin(session: SessionStore, *, address: str, agent: str, now: datetime) -> None:
    """What a fresh sign-in says of itself; `login` has just given the session its new key."""
    session[ID] = str(uuid.uuid4())
    session[SINCE] = now.isoformat()
    session[ADDRESS], session[AGENT] = address[:64], agent[:200]
