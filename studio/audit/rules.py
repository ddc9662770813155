"""How audit rows are marked and chained (pure): what changes one of them without the key is found.

A row gets its mark as it is written: an HMAC of what it says, so that nobody without the key writes one. Sealing
gives it its place in the chain of its tenant and a seal: an HMAC of the seal before it, of its place and of the whole
row. Places are given by the sealing, since ids are not committed in their order. Keys come as a ring: the first one
makes marks and seals, all are accepted.
"""

import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

SALT = 16
GENESIS = bytes(32)  # what the first row of a chain follows
# What a row says; its id, its time, its place and its seal come later.
TOLD = (
    "tenant_id", "actor_id", "actor_name", "role", "address", "request_id", "verb", "thing_type", "thing_id",
    "thing_name", "changes", "concerns",
)  # fmt: skip
ROW = ("id", "at", *TOLD, "open_until", "mark", "position")
Head = tuple[
    str, int, bytes, int, bytes
]  # chain, last place, its seal, first place kept, the seal before that


def canonical(facts: Mapping[str, object]) -> bytes:
    """The same bytes for the same facts, whichever database has kept them meanwhile."""
    return json.dumps(_plain(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def new_mark(keys: Sequence[bytes], facts: Mapping[str, object], salt: bytes | None = None) -> bytes:
    """`facts`: at least what is `TOLD`. The salt makes two rows that say the same differ."""
    salt = salt or os.urandom(SALT)
    return salt + _hmac(keys[0], b"mark", salt, canonical({name: facts[name] for name in TOLD}))


def is_marked(keys: Sequence[bytes], facts: Mapping[str, object]) -> bool:
    mark = facts["mark"]
    if not isinstance(mark, bytes | memoryview) or len(mark) <= SALT:
        return False
    told, salt = canonical({name: facts[name] for name in TOLD}), bytes(mark[:SALT])
    return _is_one_of(bytes(mark[SALT:]), (_hmac(key, b"mark", salt, told) for key in keys))


def new_seal(keys: Sequence[bytes], before: bytes, facts: Mapping[str, object]) -> bytes:
    """`facts`: the row with its place. `before`: the seal of the row that stands before it."""
    return _hmac(keys[0], b"seal", before, canonical({name: facts[name] for name in ROW}))


def is_sealed(keys: Sequence[bytes], before: bytes, facts: Mapping[str, object], seal: bytes) -> bool:
    row = canonical({name: facts[name] for name in ROW})
    return _is_one_of(seal, (_hmac(key, b"seal", before, row) for key in keys))


def new_ledger(keys: Sequence[bytes], heads: Iterable[Head]) -> bytes:
    """One seal over the ends of all chains, so that none is shortened or taken away as a whole."""
    return _hmac(keys[0], b"ledger", _told(heads))


def is_ledger(keys: Sequence[bytes], heads: Iterable[Head], mac: bytes) -> bool:
    told = _told(heads)
    return _is_one_of(mac, (_hmac(key, b"ledger", told) for key in keys))


def _told(heads: Iterable[Head]) -> bytes:
    return b"\n".join(sorted(canonical({str(place): each for place, each in enumerate(h)}) for h in heads))


def _hmac(key: bytes, *parts: bytes) -> bytes:
    """Each part with its length, so that no two lists of parts are the same bytes."""
    return hmac.digest(key, b"".join(len(part).to_bytes(8, "big") + part for part in parts), "sha256")


def _is_one_of(given: bytes, made: Iterable[bytes]) -> bool:
    return any(hmac.compare_digest(given, each) for each in made)


def _plain(value: object) -> object:
    """A whole number is the same whether it was kept as 1 or as 1.0."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(value, UUID) else value
