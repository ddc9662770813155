"""The platform's own keys, from the environment or their 0600 files.

Rings that `manage.py rotate-keys` changes are read anew when their file was: each use looks at the file's time, so
every process of this machine uses a new key from the next use on.
"""

import base64
from functools import cache

from studio import env, seal

_rings: dict[str, tuple[object, list[bytes]]] = {}


@cache
def key_pepper() -> bytes:
    """For digests of platform and endpoint keys. One key, not a ring: a digest cannot be made anew."""
    return seal.ring(env.secret("key_pepper").reveal())[0]


def value_seal() -> list[bytes]:
    """For values kept to be shown or used later: endpoint keys, join and instance tokens."""
    return _ring("value_seal")


def audit_seal() -> list[bytes]:
    """For marks and seals of audit rows: whoever holds the database alone cannot make one."""
    return _ring("audit_seal")


@cache
def routes_seal() -> list[bytes]:
    return seal.ring(env.secret("routes_seal").reveal())


@cache
def routes_sign() -> bytes:
    """Control's private key; gateways hold only the public one (`routes_verify`)."""
    return base64.urlsafe_b64decode(env.secret("routes_sign").reveal())


def seal_value(plain: str, purpose: str) -> bytes:
    return seal.seal(value_seal()[0], plain.encode(), purpose)


def open_value(box: bytes | memoryview, purpose: str) -> str:
    """Raises `seal.Unsealable`."""
    return seal.unseal(value_seal(), bytes(box), purpose).decode()


def _ring(name: str) -> list[bytes]:
    stamp = env.secret_stamp(name)
    known = _rings.get(name)
    if known is None or (stamp is not None and known[0] != stamp):
        known = _rings[name] = (stamp, seal.ring(env.secret(name).reveal()))
    return known[1]
