"""New keys for the platform's rings, while it runs.

A rotation has two halves. `begin` puts a new key in front of the ring's file and seals anew what older keys sealed;
`finish` seals what was still sealed with an older key meanwhile, and takes those keys out of the ring that nothing
needs any more. Each step may be cut off at any moment and repeated: the ring is replaced as a whole, and boxes are
sealed anew some at a time, each read with every key of the ring.

What each ring is for decides when an older key may go: `value_seal` when every box opens with the new one alone,
`audit_seal` when no row that is kept was marked or sealed with it, `secret_key` when no session is as old.
`key_pepper` is no ring: a digest cannot be made anew without the value, so a new pepper would mean new keys for all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.db.models import Model

from apikeys.models import ApiKey
from scheduler.agent import disk
from scheduler.models import Instance, Node
from studio import env, keyring, seal
from studio.audit import sealing
from studio.errors import Conflict, Invalid
from studio.repeats.models import Answered
from studio.unit import unit_of_work

RINGS = ("value_seal", "audit_seal", "secret_key")
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

    old: int = 0  # opened with an older key; sealed anew unless it was a rehearsal
    lost: int = 0  # opened with no key of the ring


def begin(name: str, *, rehearse: bool = False) -> str:
    """Raises `Conflict` for a ring that is a variable, which only its operator can change. Returns a sentence."""
    _check_file(name)
    said = f"{name}: a new key stands in front of {len(_keys(name))}"
    if rehearse:
        return f"{said.replace('stands', 'would stand')}{_told(_walk(rehearse=True, name=name))}."
    fresh = token_urlsafe(48) if name == "secret_key" else seal.new_key()
    _write(name, [fresh, *_keys(name)])
    return f"{said}{_told(_walk(rehearse=False, name=name))}."


def finish(name: str, *, now: datetime, rehearse: bool = False) -> str:
    """Takes out what nothing needs. Returns a sentence that says what was done, or why an older key stays."""
    keys = _keys(name)
    if len(keys) == 1:
        return f"{name}: one key, nothing to finish."
    found = _walk(rehearse=rehearse, name=name)
    reason = _needed(name, found, now, rehearse)
    if reason:
        return f"{name}: {len(keys) - 1} older stay, {reason}{_told(found)}."
    if not rehearse:
        _check_file(name)
        _write(name, keys[:1])
    return f"{name}: {len(keys) - 1} older {'would be' if rehearse else 'were'} taken out{_told(found)}."


def _needed(name: str, found: Boxes, now: datetime, rehearse: bool) -> str:
    """Why an older key has to stay; nothing where it may go."""
    wait = timedelta(seconds=settings.SESSION_COOKIE_AGE) if name == "secret_key" else GRACE
    since = _changed_at(name)
    if since is not None and now - since < wait:
        return f"since sessions or work that began with them may last until {since + wait:%Y-%m-%d %H:%M} UTC"
    if found.lost:
        return "since something opens with no key of this ring: perhaps another key was lost"
    if name == "value_seal" and rehearse and found.old:
        return "until what they sealed is sealed anew"
    if name == "audit_seal" and sealing.needs_more_than(keyring.audit_seal()[:1]):
        return "since rows of the audit were marked or sealed with them"
    return ""


def _told(found: Boxes) -> str:
    parts = [
        f"; {found.old} boxes of older keys" if found.old else "",
        f"; {found.lost} that no key opens" if found.lost else "",
    ]
    return "".join(parts)


# ----- boxes ----------------------------------------------------------------------------------------------


def _walk(*, rehearse: bool, name: str) -> Boxes:
    """Over all that is sealed with `value_seal`; the ledger of the audit is closed with its newest key."""
    found = Boxes()
    if name == "audit_seal" and not rehearse:
        sealing.close_anew()
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


def _check_file(name: str) -> None:
    if name not in RINGS:
        raise Invalid(f"There is no ring {name!r}; there are: {', '.join(RINGS)}.")
    if env.secret_stamp(name) is None:
        raise Conflict(
            f"{name} is the variable STUDIO_{name.upper()}: change it there, with the new key in front of the old one"
            " and a comma between them, start every process anew, and finish; then take the old one out."
        )


def _write(name: str, keys: Sequence[str]) -> None:
    disk.write(str(env.secrets_dir() / name), f"{','.join(keys)}\n".encode())


def _changed_at(name: str) -> datetime | None:
    stamp = env.secret_stamp(name)
    return datetime.fromtimestamp(stamp[0] / 1e9, UTC) if stamp else None
