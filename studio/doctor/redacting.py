"""Text without secrets, for what leaves the machine. Pure.

Values of keys here are UUIDs and tokens are long runs of letters and digits, so all of these go; an id that is known
to be of a thing stays, or nobody could follow it. What is known to be secret goes first, whatever it looks like.
"""

import re
from collections.abc import Callable, Collection

GONE = "•••"
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}(?![0-9a-f])", re.I)
_LONG = re.compile(r"(?<![\w+-])(?=[\w/+-]*\d)(?=[\w/+-]*[A-Za-z])[\w+-]{20,}(?:/[\w+-]+)*={0,2}")
# Base64 with slashes anywhere, which the line above takes for a path of short names.
_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/])(?=[^\s=]*[A-Z])(?=[^\s=]*[a-z])(?=[A-Za-z0-9+/]*[\d=])[A-Za-z0-9+/]{40,}={0,2}"
)
_NAMED = re.compile(
    r"""(?ix) \b
        (?P<name> [\w-]* (?: password | passwd | secret | token | api[_-]?key | authorization | cookie | sessionid
            | csrf\w* | pepper | seal ) [\w-]* )
        (?P<is> ["']? \s* [=:] \s* (?: bearer \s+ | basic \s+ )? ["']? )
        (?P<value> [^\s"',;}&]+ )"""
)
_KEY = re.compile(r"""(?i)(?P<name>(?<![\w-])key["']?\s*[=:]\s*["']?)(?P<value>[^\s"',;}&]+)""")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+")
_HASH = re.compile(r"\b(?:pbkdf2|argon2|scrypt|bcrypt)\w*\$\S+")
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")


def redacted(text: str, *, secrets: Collection[str], is_id: Callable[[str], bool]) -> str:
    """`secrets`: values known to be some. `is_id`: whether a UUID is a thing's, and may be read."""
    for secret in sorted((each for each in secrets if each), key=len, reverse=True):
        text = text.replace(secret, GONE)
    text = _HASH.sub(GONE, _LOGIN.sub(f"{GONE}@", text))
    text = _BEARER.sub(lambda found: f"{found[1]} {GONE}", text)
    text = _NAMED.sub(lambda found: f"{found['name']}{found['is']}{_kept(found['value'], is_id)}", text)
    text = _KEY.sub(lambda found: f"{found['name']}{_kept(found['value'], is_id)}", text)
    text = _UUID.sub(lambda found: _kept(found[0], is_id), text)
    text = _BASE64.sub(GONE, text)
    return _LONG.sub(lambda found: _kept(found[0], is_id), text)


def uuids(text: str) -> set[str]:
    """All that a text has, to ask at once which are ids."""
    return {found[0].lower() for found in _UUID.finditer(text)}


def _kept(value: str, is_id: Callable[[str], bool]) -> str:
    return value if is_id(value) else GONE
