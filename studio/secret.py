"""Values that never print themselves, for our own use and for libraries that insist on a `str`."""

import hmac
from typing import NoReturn

MASK = "••••"


class Secret:
    """Masked in `repr`, `str`, f-strings, logs and tracebacks; it cannot be pickled, nor written as JSON.

    `reveal()` is the one way to the value, easy to search for.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __format__(self, how: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not written anywhere; reveal() it where it has to be.")


class MaskedText(str):
    """A secret for a library that takes nothing but text: masked where a setting or a local variable is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"
