"""Signing in, and what people do with their own account: the password and the sessions.

A try is counted before the password is looked at, so that many at once are no more than many in a row; what
was counted for nothing is taken back after a right password. The hash is computed outside of a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from studio import keyring, seal
from studio.accounts import devices
from studio.accounts.models import Tries
from studio.accounts.rules import (
    DEVICE,
    FORGOTTEN_AFTER,
    MOST_PASSWORD,
    PAIR,
    SOURCE,
    Patience,
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
def change_password(*, actor: Actor, user: User, old: str, new: str, now: datetime) -> User:
    """Somebody's own. Raises `Invalid` at `old` or `new`, and `TooManyTries`.

    Every session of theirs ends by it but the one that is told of the new password.
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
    return _put_password(actor, user, new)


@unit_of_work
@sensitive_variables("new")
def _put_password(actor: Actor, user: User, new: str) -> User:
    user.set_password(new)
    user.password_is_initial = False
    user.save(update_fields=["password", "password_is_initial"])
    record(actor, "change password", "user", user.pk, user.username, tenant=None, role="owner")
    return user


@sensitive_variables("password")
def check_password(user: User, password: str, *, field: str = "password") -> None:
    """Raises `Invalid` at the field for one that is too weak for this user."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise invalid_field(field, " ".join(error.messages)) from None
