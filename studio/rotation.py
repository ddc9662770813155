"""New keys for the platform's rings, while it runs.

A rotation has two halves. `begin` puts a new key in front of the ring's file and makes anew what older keys made;
`finish` does the same with what was still made with an older key meanwhile, and takes those keys out of the ring that
nothing needs any more. Each step may be cut off at any moment and repeated: the ring is replaced as a whole, and what
is made anew is so some at a time, each read with every key of the ring.

Where processes run on several machines, `begin` is two steps with the copying of the files between: `announce` puts
the new key behind all others, where it is accepted and makes nothing, and `promote` puts it in front.

What each ring is for decides when an older key may go: `value_seal` when every box opens with the new one alone,
`audit_seal` when no row that is kept was marked or sealed with it, `secret_key` when no session is as old,
`routes_seal` and `routes_sign` when nothing in the broker was made with it, `key_pepper` when no key that may be used
is known by it alone.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

import redis
from django.conf import settings
from django.db.models import Model

from apikeys import peppers
from apikeys.models import ApiKey
from endpoints import resealing
from scheduler.agent import disk
from scheduler.models import Instance, Node
from studio import env, keyring, seal
from studio.audit import sealing
from studio.audit.services import record
from studio.errors import Conflict, Invalid
from studio.repeats.models import Answered
from studio.tenants.models import Organization
from studio.tenants.rules import STUDIO
from studio.unit import unit_of_work

RINGS = ("value_seal", "audit_seal", "secret_key", "key_pepper", "routes_seal", "routes_sign")
OF_ROUTES = {"routes_seal", "routes_sign"}
PUBLICS = "routes_verify"  # goes with routes_sign
BOXES: tuple[tuple[type[Model], str, str], ...] = (
    (ApiKey, "sealed", "api key"),
    (Node, "sealed_token", "join"),
    (Instance, "sealed_token", "instance"),
    (Answered, "sealed", "answer"),
)
BATCH = 200  # rows of one transaction
# A transaction that began with the old ring has ended by then, and its boxes are seen.
GRACE = timedelta(minutes=10)


@dataclass(slots=True)
class Boxes:
    """What a walk over everything that is sealed has found."""

    what: str = "boxes"
    old: int = 0  # opened with an older key; made anew unless it was a rehearsal
    lost: int = 0  # opened with no key of the ring
    away: bool = False  # the broker did not answer


def begin(name: str, *, rehearse: bool = False) -> str:
    """Raises `Conflict` for a ring that is a variable, which only its operator can change. Returns a sentence."""
    _check_files(name)
    said = f"{name}: a new key stands in front of {len(_keys(name))}"
    if rehearse:
        return f"{said.replace('stands', 'would stand')}{_told(_walk(rehearse=True, name=name))}."
    _note(name, "begin", 1)
    _add(name, in_front=True)
    return f"{said}{_told(_walk(rehearse=False, name=name))}."


def announce(name: str, *, rehearse: bool = False) -> str:
    """Raises `Conflict` as `begin` does. Returns a sentence."""
    _check_files(name)
    if not rehearse:
        _note(name, "announce", 1)
        _add(name, in_front=False)
    stands = "would stand" if rehearse else "stands"
    return f"{name}: a new key {stands} last, accepted and not used; copy the file, then promote it."


def promote(name: str, *, rehearse: bool = False) -> str:
    """Raises `Conflict` as `begin` does, and where no key was announced. Returns a sentence."""
    _check_files(name)
    *others, last = _keys(name)
    if not others:
        raise Conflict(f"{name} has one key; announce another one first.")
    if not rehearse:
        _note(name, "promote", 0)
        _write(name, [last, *others])
    found = _walk(rehearse=rehearse, name=name)
    return f"{name}: the last key {'would stand' if rehearse else 'stands'} in front of {len(others)}{_told(found)}."


def finish(name: str, *, now: datetime, rehearse: bool = False, abandon: bool = False) -> str:
    """Takes out what nothing needs. Returns a sentence that says what was done, or why an older key stays.

    `abandon`: peppers go though keys stand on them, which nobody can use any more then.
    """
    keys = _keys(name)
    if len(keys) == 1 and not _spare_publics(name):
        return f"{name}: one key, nothing to finish."
    found = _walk(rehearse=rehearse, name=name)
    reason = _needed(name, found, now, rehearse)
    if reason:
        return f"{name}: {len(keys) - 1} older stay, {reason}{_told(found)}."
    standing = _stood_on(keys[1:], now) if name == "key_pepper" else {}
    stay = [] if abandon else [key for key in keys[1:] if key in standing]
    more = f"{_told(found)}{_standing_told(standing, abandon)}."
    if len(stay) == len(keys) - 1 and not _spare_publics(name):
        return f"{name}: {len(stay)} older stay{more}"
    gone = len(keys) - 1 - len(stay)
    if not rehearse:
        _check_files(name)
        _note(name, "abandon" if abandon else "finish", -gone)
        _take_out(name, [keys[0], *stay])
    return f"{name}: {gone} older {'would be' if rehearse else 'were'} taken out{more}"


def _needed(name: str, found: Boxes, now: datetime, rehearse: bool) -> str:
    """Why all older keys have to stay; nothing where some may go."""
    wait = timedelta(seconds=settings.SESSION_COOKIE_AGE) if name == "secret_key" else GRACE
    since = _changed_at(name)
    if since is not None and now - since < wait:
        return f"since sessions or work that began with them may last until {since + wait:%Y-%m-%d %H:%M} UTC"
    if found.lost:
        return "since something opens with no key of this ring: perhaps another key was lost"
    if found.away:
        return "since the broker does not answer, which has things of theirs"
    if rehearse and found.old:
        return f"until {found.what} of theirs are made anew"
    if name == "audit_seal" and sealing.needs_more_than(keyring.audit_seal()[:1]):
        return "since rows of the audit were marked or sealed with them"
    if name == "key_pepper" and not resealing.is_published():
        return "since gateways do not know every route as it is now"
    return _needed_in_broker() if name in OF_ROUTES else ""


def _needed_in_broker() -> str:
    try:
        what = resealing.needs_older()
    except redis.RedisError:
        return "since the broker does not answer, which has things of theirs"
    return f"since the broker has {what} of theirs" if what else ""


def _stood_on(older: Sequence[str], now: datetime) -> dict[str, str]:
    """Pepper → how many keys are known by it alone; what was made before that was noted may be known by any."""
    counts = peppers.by_pepper(now)
    unnamed = counts.get("", peppers.Standing())
    told = {
        key: ", ".join(filter(None, (str(counts.get(_name(key), "")), _unnamed(unnamed)))) for key in older
    }
    return {key: said for key, said in told.items() if said}


def _unnamed(standing: peppers.Standing) -> str:
    return f"{standing} from before peppers were noted" if str(standing) else ""


def _standing_told(standing: dict[str, str], abandon: bool) -> str:
    """Of each older pepper that keys stand on."""
    does = "is gone, and nobody can use" if abandon else "stays for"
    return "".join(f"; the pepper {_name(key)} {does} {said}" for key, said in standing.items())


def _told(found: Boxes) -> str:
    parts = [
        f"; {found.old} {found.what} of older keys" if found.old else "",
        f"; {found.lost} that no key opens" if found.lost else "",
        "; the broker does not answer, so routes are published anew when this is finished"
        if found.away
        else "",
    ]
    return "".join(parts)


# ----- boxes ----------------------------------------------------------------------------------------------


def _walk(*, rehearse: bool, name: str) -> Boxes:
    """Over all that was made with the ring's older keys, and is not there to stay as it is."""
    found = Boxes()
    if name == "audit_seal" and not rehearse:
        sealing.close_anew()
    elif name == "key_pepper":
        found.what, found.old = "digests", peppers.digest_anew(rehearse=rehearse)
    elif name in OF_ROUTES:
        found.what = "routes"
        try:
            found.old = resealing.publish_anew(rehearse=rehearse)
        except redis.RedisError:
            found.away = True
    if name != "value_seal":
        return found
    for kind, field, purpose in BOXES:
        for ids in _in_batches(kind, field):
            _seal_anew(kind, field, purpose, ids, found, rehearse)
    return found


def _in_batches(kind: type[Model], field: str) -> Iterator[list[Any]]:
    rows = kind._default_manager.filter(**{f"{field}__isnull": False}).order_by("pk")
    after: Any = None
    while True:
        here = rows if after is None else rows.filter(pk__gt=after)
        ids = list(here.values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        yield ids
        after = ids[-1]


@unit_of_work
def _seal_anew(
    kind: type[Model], field: str, purpose: str, ids: Sequence[Any], found: Boxes, rehearse: bool
) -> None:
    """Only where the box is still the one that was read: whoever changed it meanwhile has sealed with the new key."""
    keys = keyring.value_seal()
    old = lost = 0
    rows = kind._default_manager.filter(pk__in=ids).order_by("pk")
    for pk, box in rows.values_list("pk", field):
        if not box or _opens(keys[:1], bytes(box), purpose) is not None:
            continue
        plain = _opens(keys[1:], bytes(box), purpose)
        if plain is None:
            lost += 1
            continue
        old += 1
        if not rehearse:
            still = kind._default_manager.filter(pk=pk, **{field: box})
            still.update(**{field: seal.seal(keys[0], plain, purpose)})
    found.old += old
    found.lost += lost


def _opens(keys: list[bytes], box: bytes, purpose: str) -> bytes | None:
    try:
        return seal.unseal(keys, box, purpose)
    except seal.Unsealable:
        return None


# ----- the ring's file ------------------------------------------------------------------------------------


def _keys(name: str) -> list[str]:
    return [part.strip() for part in env.secret(name).reveal().split(",") if part.strip()]


def _check_files(name: str) -> None:
    if name not in RINGS:
        raise Invalid(f"There is no ring {name!r}; there are: {', '.join(RINGS)}.")
    _check_file(name)
    if name == "routes_sign":
        _check_file(PUBLICS)


def _check_file(name: str) -> None:
    if env.secret_stamp(name) is None:
        raise Conflict(
            f"{name} is the variable STUDIO_{name.upper()}: change it there. Add the new key behind the others, with a"
            " comma between them, and start every process anew; then put it in front, start all anew again, and"
            " finish; then take the old one out."
        )


def _note(name: str, step: str, more: int) -> None:
    """In the audit, before the file: a step that was cut off is read there, and no step is missing."""
    whole = Organization.objects.first()
    if whole is not None:
        count = len(_keys(name))
        changes: dict[str, object] = {"ring": name, "step": step, "keys": [count, count + more]}
        about: dict[str, Any] = {"tenant": None, "role": "platform", "changes": changes}
        record(STUDIO, "rotate keys", "organization", whole.pk, whole.name, **about)


def _add(name: str, *, in_front: bool) -> None:
    fresh = token_urlsafe(48) if name == "secret_key" else seal.new_key()
    if name == "routes_sign":
        fresh, public = seal.new_signing_pair()
        _write(PUBLICS, [*_keys(PUBLICS), public])  # first: whoever reads what the new one signed finds it
    _write(name, [fresh, *_keys(name)] if in_front else [*_keys(name), fresh])


def _take_out(name: str, left: Sequence[str]) -> None:
    _write(name, left)
    if name == "routes_sign":
        _write(PUBLICS, [_public_of(key) for key in left])


def _spare_publics(name: str) -> bool:
    """Of a rotation that was cut off between the two files."""
    return name == "routes_sign" and len(_keys(PUBLICS)) > 1


def _public_of(private: str) -> str:
    return seal.spelled(seal.public_of(seal.ring(private)[0]))


def _name(pepper: str) -> str:
    return seal.fingerprint(seal.ring(pepper)[0])


@contextmanager
def alone() -> Iterator[None]:
    """Two at once would each write a ring without the other's new key. Raises `Conflict` while another is at work."""
    try:
        handle = os.open(env.secrets_dir(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # every ring is a variable: nothing is written
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another rotate-keys is at work; let it end first.") from None
        yield
    finally:
        os.close(handle)


def _write(name: str, keys: Sequence[str]) -> None:
    disk.write(str(env.secrets_dir() / name), f"{','.join(keys)}\n".encode())


def _changed_at(name: str) -> datetime | None:
    stamp = env.secret_stamp(name)
    return datetime.fromtimestamp(stamp[0] / 1e9, UTC) if stamp else None
