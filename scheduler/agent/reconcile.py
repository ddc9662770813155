"""From a wish and what is there to the next steps. Pure: the same question gets the same answer.

The world may change while the steps are taken; the next round sees it. One step at most for an instance in
a round, and none that could let two processes of one instance live at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from scheduler.wire import Wish, Wished

# up: verifying to ready · draining · ending: its processes are being ended · exited: by itself, or it could
# not start · stopped: ended because somebody wished it
Life = Literal["up", "draining", "ending", "exited", "stopped"]
OVER: frozenset[Life] = frozenset({"exited", "stopped"})


@dataclass(frozen=True, slots=True)
class Known:
    """An instance the agent takes care of."""

    attempt: int
    life: Life


@dataclass(frozen=True, slots=True)
class Stray:
    """A living process with our marker."""

    pid: int
    start: int
    instance: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Start:
    """Begin this attempt. What an older attempt left in the folder goes."""

    wished: Wished


@dataclass(frozen=True, slots=True)
class Drain:
    wished: Wished


@dataclass(frozen=True, slots=True)
class Resume:
    """Wanted again before its process was told to end."""

    id: str


@dataclass(frozen=True, slots=True)
class End:
    id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing of it lives and nobody asks for it."""

    id: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a process that nobody takes care of."""

    stray: Stray


Action = Start | Drain | Resume | End | Forget | Kill


def reconcile(wish: Wish, known: Mapping[str, Known], marked: Iterable[Stray]) -> list[Action]:
    strays = unowned(known, marked)
    haunted = {stray.instance for stray in strays}
    named = {wished.id for wished in wish.instances}
    steps: list[Action | None] = [Kill(stray) for stray in strays]
    steps += [_wished(wished, known.get(wished.id), wished.id in haunted) for wished in wish.instances]
    steps += [_unnamed(id, known[id]) for id in sorted(known.keys() - named)]
    return [step for step in steps if step]


def unowned(known: Mapping[str, Known], marked: Iterable[Stray]) -> list[Stray]:
    """Marked processes of which no living attempt of a known instance takes care."""

    def owned(stray: Stray) -> bool:
        owner = known.get(stray.instance)
        return owner is not None and owner.life not in OVER and owner.attempt == stray.attempt

    return [stray for stray in marked if not owned(stray)]


def foreign(named: Collection[str], known: Mapping[str, Known], marked: Iterable[Stray]) -> list[str]:
    """Ids that no wish names and of which something still lives."""
    living = {id for id, one in known.items() if one.life not in OVER}
    living |= {stray.instance for stray in marked}
    return sorted(living - set(named))


def _wished(wished: Wished, known: Known | None, haunted: bool) -> Action | None:
    if known is None or known.life in OVER:
        return _wished_dead(wished, known, haunted)
    match known.life, wished.desired:
        case ("ending", _):
            return None
        case (_, "hold" | "stop"):
            return End(wished.id)
        case ("up", "drain"):
            return Drain(wished)
        case (_, "run") if known.attempt != wished.attempt:
            return End(wished.id)
        case ("draining", "run"):
            return Resume(wished.id)
    return None


def _wished_dead(wished: Wished, known: Known | None, haunted: bool) -> Action | None:
    begun = known is not None and known.attempt == wished.attempt
    if wished.desired == "run" and not begun and not haunted:
        return Start(wished)
    if wished.desired == "hold" and known is not None:
        return Forget(wished.id)
    return None


def _unnamed(id: str, known: Known) -> Action | None:
    if known.life in OVER:
        return Forget(id)
    return End(id) if known.life != "ending" else None
