"""The platform's own keys, read once per process from the environment or their 0600 files."""

import base64
from functools import cache

from studio import env, seal


@cache
def key_pepper() -> bytes:
    """For digests of platform and endpoint keys. One key, not a ring: a digest cannot be made anew."""
    return seal.ring(env.secret("key_pepper"))[0]


@cache
def value_seal() -> list[bytes]:
    """For values kept to be shown or used later: endpoint keys, join and instance tokens."""
    return seal.ring(env.secret("value_seal"))


@cache
def audit_seal() -> list[bytes]:
    """For marks and seals of audit rows: whoever holds the database alone cannot make one."""
    return seal.ring(env.secret("audit_seal"))


@cache
def routes_seal() -> list[bytes]:
    return seal.ring(env.secret("routes_seal"))


@cache
def routes_sign() -> bytes:
    """Control's private key; gateways hold only the public one (`routes_verify`)."""
    return base64.urlsafe_b64decode(env.secret("routes_sign"))


def seal_value(plain: str, purpose: str) -> bytes:
    return seal.seal(value_seal()[0], plain.encode(), purpose)


def open_value(box: bytes | memoryview, purpose: str) -> str:
    """Raises `seal.Unsealable`."""
    return seal.unseal(value_seal(), bytes(box), purpose).decode()
