"""Signing in, and what people do with their own account: the password and the sessions.

A try is counted before the password is looked at, so that many at once are no more than many in a row; what
was counted for nothing is taken back after a right password. The hash is computed outside of a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.views.decorators.debug import sensitive_variables

from studio import keyring, seal
from studio.accounts import devices
from studio.accounts.models import Session, Tries
from studio.accounts.rules import (
    DEVICE,
    FORGOTTEN_AFTER,
    IDLE,
    MOST_PASSWORD,
    MOST_SESSIONS,
    PAIR,
    SEEN_EVERY,
    SOURCE,
    Patience,
    browser_in_words,
    failures_so_far,
    in_words,
    source_of,
)
from studio.audit.services import record
from studio.errors import Invalid, Refusal, invalid_field
from studio.tenants.models import User
from studio.tenants.rules import Actor
from studio.unit import unit_of_work

log = structlog.get_logger(__name__)

MOST_TRIES = 50_000  # rows; the oldest go
SWEPT = 20  # forgotten rows that go with each new one
WRONG = "User name and password do not belong together. Both mind upper and lower case."


class TooManyTries(Refusal):
    """Refused without looking at the password: `fields` is empty, and nothing tells whether there is such a user."""

    code = "limited"
    status = 429


@dataclass(frozen=True, slots=True)
class Admitted:
    user: User
    device: str  # the cookie by which this browser is known from now on


# ----- signing in -----------------------------------------------------------------------------------------


@sensitive_variables("password")
def sign_in(*, name: str, password: str, address: str, device: str = "", now: datetime) -> Admitted:
    """Raises `TooManyTries`, or `Invalid` alike for an unknown name, a wrong password and a deactivated user.

    `device`: the cookie that an earlier sign-in of this browser left.
    """
    browser = devices.read(device)
    taken = _take(_counters(name, address, browser), now)
    user = authenticate(None, username=name, password=password[: MOST_PASSWORD + 1])
    if not isinstance(user, User):
        log.info("sign-in refused", source=source_of(address))
        raise Invalid(WRONG)
    _give_back(taken, now)
    actor = Actor(id=user.pk, name=user.username, address=address)
    record(actor, "sign in", "user", user.pk, user.username, tenant=None, role="owner")
    return Admitted(user, browser.with_name(user.username).cookie())


def _counters(name: str, address: str, browser: devices.Device) -> list[tuple[bytes, Patience]]:
    """What this try is counted by. In lower case: User names differ in more than that."""
    who, source = name.lower()[:200], source_of(address)
    if browser.knows(name):
        return [(_digest("device", browser.id, who), DEVICE)]
    return [(_digest("source", source), SOURCE), (_digest("pair", source, who), PAIR)]


def _digest(*words: str) -> bytes:
    return seal.digest(keyring.key_pepper(), "\n".join(("tries", *words)))


Taken = list[tuple[Tries, Patience]]


@unit_of_work
def _take(counters: Sequence[tuple[bytes, Patience]], now: datetime) -> Taken:
    """Count a try as failed. Raises `TooManyTries` while one of the counters has to wait, and counts nothing then."""
    rows = [
        (_counter(digest, now), patience) for digest, patience in sorted(counters, key=lambda each: each[0])
    ]
    wait = max(row.blocked_until - now for row, _ in rows)
    if wait > timedelta(0):
        raise TooManyTries(f"Too many wrong tries from here; try again {in_words(wait)}.")
    for row, patience in rows:
        row.failures = failures_so_far(row.failures, row.last_at, now) + 1
        row.last_at, row.blocked_until = now, now + patience.wait(row.failures)
        row.save()
    return rows


def _counter(digest: bytes, now: datetime) -> Tries:
    row = Tries.objects.select_for_update().filter(digest=digest).first()
    if row is not None:
        return row
    made = Tries.objects.create(digest=digest, last_at=now, blocked_until=now)
    old = Tries.objects.filter(last_at__lt=now - FORGOTTEN_AFTER).values_list("pk", flat=True)
    Tries.objects.filter(pk__in=list(old[:SWEPT])).delete()
    Tries.objects.filter(pk__lte=made.pk - MOST_TRIES).delete()
    return made


@unit_of_work
def _give_back(taken: Taken, now: datetime) -> None:
    """The password was right. A source keeps its other failures: its own account must not wash an attacker clean."""
    for row, patience in taken:
        mine = Tries.objects.filter(pk=row.pk)
        if patience is not SOURCE:
            mine.delete()
            continue
        mine.filter(failures__gt=0).update(failures=F("failures") - 1)
        mine.filter(blocked_until=row.blocked_until).update(blocked_until=now)


# ----- the password ---------------------------------------------------------------------------------------


@sensitive_variables("old", "new")
def change_password(
    *, actor: Actor, user: User, old: str, new: str, session: UUID | None = None, now: datetime
) -> User:
    """Somebody's own. Raises `Invalid` at `old` or `new`, and `TooManyTries`.

    Every session of theirs ends by it but `session`.
    """
    taken = _take(
        [(_digest("change", str(user.pk)), PAIR)], now
    )  # only who has a session of theirs gets here
    if not user.check_password(old[: MOST_PASSWORD + 1]):
        raise invalid_field("old", "This is not your present password.")
    _give_back(taken, now)
    if new == old:
        raise invalid_field("new", "The new password must differ from the present one.")
    check_password(user, new, field="new")
    return _put_password(actor, user, new, session)


@unit_of_work
@sensitive_variables("new")
def _put_password(actor: Actor, user: User, new: str, session: UUID | None) -> User:
    user.set_password(new)
    user.password_is_initial = False
    user.save(update_fields=["password", "password_is_initial"])
    Session.objects.filter(user=user).exclude(id=session or UUID(int=0)).delete()
    record(actor, "change password", "user", user.pk, user.username, tenant=None, role="owner")
    return user


@sensitive_variables("password")
def check_password(user: User, password: str, *, field: str = "password") -> None:
    """Raises `Invalid` at the field for one that is too weak for this user."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise invalid_field(field, " ".join(error.messages)) from None


# ----- sessions -------------------------------------------------------------------------------------------


@unit_of_work
def make_room(*, user: User, now: datetime) -> None:
    """Before a session begins: those that are over go, and the longest unused of somebody who has too many."""
    Session.objects.filter(Q(expire_date__lte=now) | Q(last_seen_at__lte=now - IDLE)).delete()
    unused = Session.objects.filter(user=user).order_by("-last_seen_at").values_list("pk", flat=True)
    Session.objects.filter(pk__in=list(unused[MOST_SESSIONS - 1 :])).delete()


def seen(*, session: Session, now: datetime) -> None:
    """Somebody did something with it. No audit row: it concerns nobody else."""
    if now - session.last_seen_at >= SEEN_EVERY:
        Session.objects.filter(pk=session.pk, last_seen_at__lt=now).update(last_seen_at=now)


@unit_of_work
def end_session(*, actor: Actor, session: Session) -> None:
    """One's own (`selectors.session_named`); whoever sits there is signed out at the next thing they do."""
    Session.objects.filter(pk=session.pk).delete()
    _say_ended(actor, "end session", {"session": str(session.id), "browser": browser_in_words(session.agent)})


@unit_of_work
def end_sessions(*, actor: Actor) -> int:
    """Sign out everywhere, here too. Returns how many it were."""
    ended, _ = Session.objects.filter(user=actor.id).delete()
    _say_ended(actor, "sign out everywhere", {"sessions": ended})
    return ended


def end_all(*, user: User) -> None:
    """Of somebody who is deactivated: for good, also after they are active again. The audit row is the caller's."""
    Session.objects.filter(user=user).delete()


def _say_ended(actor: Actor, verb: str, changes: dict[str, object]) -> None:
    assert actor.id is not None
    record(actor, verb, "user", actor.id, actor.name, tenant=None, role="owner", changes=changes)
