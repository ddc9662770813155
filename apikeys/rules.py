"""What holds for endpoint API keys: the First Key stays, revoked is final, and what a key may use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from studio.errors import Conflict, Invalid, invalid_field

FIRST_KEY = "First Key"
MASK = "••••"
MOST_DESCRIPTION = 120

# The names are the columns' and the wire's.
LIMITS: Mapping[str, str] = {
    "requests_per_minute": "Requests per minute",
    "tokens_per_minute": "Tokens per minute",
    "parallel": "Parallel requests",
    "tokens_per_day": "Tokens per day",
    "tokens_per_month": "Tokens per month",
}
MOST_LIMIT = 10**12
_WHOLE = re.compile(r"-?(?:[0-9]+|[0-9]{1,3}(?:([ ,_])[0-9]{3})(?:\1[0-9]{3})*)")  # 10000, 10,000

# For how long a replaced value is taken on: what is said for it, and in words.
GRACES: Mapping[str, tuple[timedelta, str]] = {
    "none": (timedelta(0), "Not at all: it stops working at once"),
    "1h": (timedelta(hours=1), "1 hour"),
    "1d": (timedelta(days=1), "1 day"),
    "7d": (timedelta(days=7), "7 days"),
}

ACTIVE, EXPIRED, REVOKED = "Active", "Expired", "Revoked"


def masked(prefix: str) -> str:
    """How a key is shown where its value is not: `6fbc8f9d-••••`."""
    return f"{prefix}-{MASK}"


def status(*, is_revoked: bool, expires_at: datetime | None, now: datetime) -> str:
    if is_revoked:
        return REVOKED
    return EXPIRED if expires_at is not None and expires_at <= now else ACTIVE


def status_in_json(status: str) -> str:
    return "Live" if status == ACTIVE else status


# ----- what may be done -----------------------------------------------------------------------------------


def check_may_edit(*, is_first: bool, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_first:
        raise Conflict("The First Key and its description cannot be edited.")
    check_may_limit(is_revoked=is_revoked)


def check_may_limit(*, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_revoked:
        raise Conflict("This API key is revoked; revoked is final.")


def check_may_revoke(*, is_first: bool, is_revoked: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if is_first:
        raise Conflict("The First Key cannot be revoked.")
    if is_revoked:
        raise Conflict("This API key is revoked already; revoked is final.")


def check_may_rotate(*, is_first: bool) -> None:
    """Raises `Conflict` with the sentence."""
    if not is_first:
        raise Conflict(
            "Only the First Key can be rotated; instead of this one add a new key, then revoke it."
        )


def read_grace(value: object) -> timedelta:
    """Raises `Invalid` at `grace`."""
    if not isinstance(value, str) or value not in GRACES:
        raise invalid_field("grace", f"The grace time is one of {', '.join(GRACES)}, not {_short(value)}.")
    return GRACES[value][0]


ONCE = "In this tenant values of API keys are shown once only, when they are made; this one can no longer be shown."


def check_may_show(*, is_revoked: bool, is_once: bool = False, is_kept: bool = True) -> None:
    """Raises `Conflict` with the sentence."""
    if is_revoked:
        raise Conflict("The value of a revoked API key can no longer be shown.")
    if is_once:
        raise Conflict(ONCE)
    if not is_kept:
        raise Conflict("The value of this API key was not kept, so it can no longer be shown.")


def check_still(seen: str, updated_at: datetime) -> None:
    """`seen`: the date of the last change that somebody looked at; "" for whatever it is.

    Raises `Conflict` when it was changed since.
    """
    if seen and seen != updated_at.astimezone(UTC).isoformat(timespec="microseconds"):
        raise Conflict("Somebody changed this API key meanwhile; look at it again and repeat your change.")


# ----- limits ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a key may use now, and the names that its endpoint's model answers to."""

    is_first: bool = False
    expires_at: datetime | None = None
    experts: Sequence[str] = ()
    names: Sequence[str] = ()


def read_terms(given: Mapping[str, object], terms: Terms, now: datetime) -> dict[str, object]:
    """Limits by name, `expires_at` and `experts` as they are to be stored; what is not given is absent.

    Raises `Invalid` with every fault at its field.
    """
    wanted: dict[str, object] = {}
    faults: dict[str, str] = {}
    for name, value in given.items():
        try:
            if name == "expires_at":
                wanted[name] = _read_expiry(value, terms, now)
            elif name == "experts":
                wanted[name] = _read_experts(value, terms)
            else:
                wanted[name] = _read_limit(name, value)
        except Invalid as fault:
            faults |= fault.fields
    if faults:
        raise Invalid(" ".join(faults.values()), faults)
    return wanted


def _read_limit(name: str, value: object) -> int | None:
    if name not in LIMITS:
        raise invalid_field(name, f"There is no limit {name!r}; there are: {', '.join(LIMITS)}.")
    if value is None or value == "":
        return None
    typed = str(value).strip()
    if isinstance(value, bool) or not _WHOLE.fullmatch(typed):
        raise invalid_field(
            name, f"{LIMITS[name]} must be a whole number, not {_short(value)}; leave it out for no limit."
        )
    digits = re.sub("[ ,_]", "", typed).lstrip("0")
    if not digits or digits.startswith("-"):
        raise invalid_field(name, f"{LIMITS[name]} must be at least 1; leave it out for no limit.")
    if len(digits) > len(str(MOST_LIMIT)) or int(digits) > MOST_LIMIT:
        raise invalid_field(
            name, f"{LIMITS[name]} must be at most {MOST_LIMIT:,}; leave it out for no limit."
        )
    return int(digits)


def _read_expiry(value: object, terms: Terms, now: datetime) -> datetime | None:
    """To the second. One that has passed may stay as it is, so that other limits of the key can change."""
    if value is None or value == "":
        return None
    if terms.is_first:
        raise invalid_field("expires_at", "The First Key cannot expire, as it cannot be revoked.")
    moment = _moment(value)
    if moment <= now and moment != terms.expires_at:
        raise invalid_field(
            "expires_at", f"The expiry must be in the future; it is {now:%d %b, %Y, %H:%M} in UTC now."
        )
    return moment


def _moment(value: object) -> datetime:
    """A date alone is its first moment; without a time zone UTC is meant."""
    try:
        parsed = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return parsed.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise invalid_field(
            "expires_at", f"The expiry must be a date like 2030-12-31T18:00, in UTC, not {_short(value)}."
        ) from None


def _read_experts(value: object, terms: Terms) -> list[str]:
    """In the spelling of the endpoint's model, in its order; a name the key has already may stay."""
    if value is None or value == "":
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise invalid_field("experts", "Allowed experts must be a list of model names.")
    known = list(dict.fromkeys([*terms.names, *terms.experts]))
    by_spelling = {name.lower(): name for name in reversed(known)}
    chosen = set()
    for name in value:
        found = name.strip() if name.strip() in known else by_spelling.get(name.strip().lower())
        if found is None:
            raise invalid_field(
                "experts", f"There is no model {_short(name)} at this endpoint; it has: {', '.join(known)}."
            )
        chosen.add(found)
    return [name for name in known if name in chosen]


def _short(value: object) -> str:
    return repr(value if len(str(value)) <= 40 else f"{str(value)[:40]}…")
