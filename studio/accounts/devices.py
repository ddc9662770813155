"""The browsers that somebody signed in with before: a signed cookie, which opens nothing.

It only says whose tries are counted apart from those of strangers (OWASP calls it a device cookie).
"""

import hmac
import secrets
from dataclasses import dataclass, field

from django.core import signing

from studio import keyring

COOKIE = "device"
SALT = "studio.device"
YEAR = 365 * 24 * 3600
MOST_NAMES = 8  # people who share a browser


@dataclass(frozen=True, slots=True)
class Device:
    """`names`: digests of the user names that signed in there, the latest last."""

    id: str = field(default_factory=lambda: secrets.token_hex(12))
    names: tuple[str, ...] = ()

    def knows(self, name: str) -> bool:
        wanted = _digests(name)
        return any(hmac.compare_digest(digest, each) for digest in wanted for each in self.names)

    def with_name(self, name: str) -> "Device":
        newest, *older = _digests(name)
        others = tuple(each for each in self.names if each not in (newest, *older))
        return Device(self.id, (*others, newest)[-MOST_NAMES:])

    def cookie(self) -> str:
        return signing.dumps([self.id, *self.names], salt=SALT)


def read(cookie: str) -> Device:
    """A new one where there is no cookie, or none of ours."""
    try:
        given, *names = signing.loads(cookie, salt=SALT, max_age=YEAR)
    except (signing.BadSignature, ValueError):
        return Device()
    return Device(str(given), tuple(str(name) for name in names))


def _digests(name: str) -> list[str]:
    """By each pepper: a browser's cookie may be older than the newest."""
    return [digest.hex()[:24] for digest in keyring.digests(f"device name:{name.lower()}")]
