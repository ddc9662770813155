"""The keys that a gateway reads with, which change while it runs.

Their files are looked at with each poll of the routes. What control makes with a new key it makes after it wrote that
key, so a look before a route is taken finds every key that the route needs. A key that has left its file is held until
the table has been compared with the broker's once more: what control made without it is known by then.
"""

from collections.abc import Mapping

import structlog

from studio import env, seal

log = structlog.get_logger()

PEPPERS, KEYS, PUBLICS = "key_pepper", "routes_seal", "routes_verify"

Told = Mapping[str, list[bytes]]


class Rings:
    """`peppers`: of the digests of keys. `keys`, `publics`: they open a route and prove who wrote it.

    `peppers` is a new list after each change, and only then.
    """

    def __init__(self, told: Told, stamps: Mapping[str, env.Stamp | None] | None = None) -> None:
        """`stamps`: of the files that `told` was read from; without them nothing is read anew."""
        self.told = told  # what the files say
        self._stamps = dict(stamps or {})
        self._hold(told)

    def look(self) -> bool:
        """Whether there was something new. A file that is away or cannot be read changes nothing."""
        before = self.told
        for name, stamp in self._stamps.items():
            now = env.secret_stamp(name)
            if now is not None and now != stamp:
                self._stamps[name] = now
                self._read(name)
        return self.told is not before

    def let_go(self, before: Told) -> None:
        """Of what the files said neither then nor now."""
        kept = {
            name: _joined(ring, _only(self._held[name], before[name])) for name, ring in self.told.items()
        }
        if kept != self._held:
            self._hold(kept)

    def _read(self, name: str) -> None:
        try:
            ring = _ring(name)
        except env.BadSetting as error:
            log.error("ring not read; the one known stays", ring=name, reason=str(error))
            return
        self.told = {**self.told, name: ring}
        self._hold({**self._held, name: _joined(ring, self._held[name])})
        log.info("ring read anew", ring=name, keys=len(ring))

    def _hold(self, held: Told) -> None:
        self._held = held
        self.peppers, self.keys, self.publics = held[PEPPERS], held[KEYS], held[PUBLICS]


def from_environment() -> Rings:
    """Raises `studio.env.BadSetting`."""
    names = (PEPPERS, KEYS, PUBLICS)
    stamps = {name: env.secret_stamp(name) for name in names}  # before the reading: a later change is seen
    return Rings({name: _ring(name) for name in names}, stamps)


def _ring(name: str) -> list[bytes]:
    try:
        return seal.ring(env.secret(name).reveal())
    except ValueError as error:
        raise env.BadSetting(f"The secret {name} is malformed: {error}.") from None


def _joined(first: list[bytes], others: list[bytes]) -> list[bytes]:
    return [*first, *(key for key in others if key not in first)]


def _only(ring: list[bytes], of: list[bytes]) -> list[bytes]:
    return [key for key in ring if key in of]
