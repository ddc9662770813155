"""The platform's own keys, from the environment or their 0600 files.

Rings that `manage.py rotate-keys` changes are read anew when their file was: each use looks at the file's time, so
every process of this machine uses a new key from the next use on.
"""

from studio import env, seal

_rings: dict[str, tuple[object, list[bytes]]] = {}


def key_pepper() -> bytes:
    """What new digests are made with."""
    return key_peppers()[0]


def key_peppers() -> list[bytes]:
    """For digests of platform and endpoint keys: a key that is known is known by one of them."""
    return _ring("key_pepper")


def digests(value: str) -> list[bytes]:
    """A value's digest by each pepper, the newest first."""
    return [seal.digest(pepper, value) for pepper in key_peppers()]


def new_digest(value: str) -> tuple[bytes, str]:
    """The digest to keep of a value, and the name of the pepper it is made with."""
    pepper = key_pepper()
    return seal.digest(pepper, value), seal.fingerprint(pepper)


def value_seal() -> list[bytes]:
    """For values kept to be shown or used later: endpoint keys, join and instance tokens."""
    return _ring("value_seal")


def audit_seal() -> list[bytes]:
    """For marks and seals of audit rows: whoever holds the database alone cannot make one."""
    return _ring("audit_seal")


def routes_seal() -> list[bytes]:
    """For routes on their way to the gateways, and usage on its way back."""
    return _ring("routes_seal")


def routes_sign() -> bytes:
    """Control's private key; gateways hold only the public ones (`routes_verify`)."""
    return _ring("routes_sign")[0]


def routes_verify() -> list[bytes]:
    return _ring("routes_verify")


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
