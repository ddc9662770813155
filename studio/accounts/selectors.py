"""Reading one's own sessions."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from studio.accounts.models import Session
from studio.accounts.rules import IDLE
from studio.errors import NotFound
from studio.tenants.rules import Actor


def sessions_of(user: UUID | None, now: datetime) -> QuerySet[Session]:
    """Those that still open something, the latest seen first."""
    alive = Session.objects.filter(user=user, expire_date__gt=now, last_seen_at__gt=now - IDLE)
    return alive.order_by("-last_seen_at", "id")


def is_open(session: Session) -> bool:
    """Nobody has ended it since it was read."""
    return Session.objects.filter(pk=session.pk, user__is_active=True).exists()


def session_named(actor: Actor, id: str, now: datetime) -> Session:
    """One's own; raises `NotFound` for anybody else's."""
    try:
        found = sessions_of(actor.id, now).filter(id=UUID(id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(
            "You have no such session; perhaps it is over already.", {"session": "unknown session"}
        )
    return found
