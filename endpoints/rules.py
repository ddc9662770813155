"""The endpoint's rules: what its status is, and the next step from what is to what is wished.

Both are pure. The status is never stored; each predicate below has a twin as a queryset in
`endpoints.selectors`, and a property test holds them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from studio.errors import invalid_field

MOST_INSTANCES: Final = 1000

DELETING: Final = "Deleting"
STOPPING: Final = "Stopping"
STOPPED: Final = "Stopped"
UPDATING: Final = "Updating"
LIVE: Final = "Live"
SETTING_UP: Final = "Setting Up"
AWAITING_RDU: Final = "Awaiting RDU"
FAILED: Final = "Failed"

IN_JSON: Final = {SETTING_UP: "SettingUp", AWAITING_RDU: "AwaitingRDU"}


def status_in_json(status: str) -> str:
    return IN_JSON.get(status, status)


@dataclass(frozen=True, slots=True)
class Tally:
    """An endpoint's wish and how many of its instances are in which state. `new`: awaiting, not yet planned."""

    desired: str
    new: int = 0
    awaiting: int = 0
    coming: int = 0
    ready: int = 0
    draining: int = 0
    failed: int = 0
    failed_held: int = 0  # of the failed: still hold RDUs
    outdated: int = 0  # at work with an older configuration


# First match wins.
STATUSES: Final[Sequence[tuple[str, Callable[[Tally], bool]]]] = (
    (DELETING, lambda t: t.desired == "deleted"),
    (STOPPING, lambda t: t.desired == "stopped" and bool(t.coming or t.ready or t.draining or t.failed_held)),
    (STOPPED, lambda t: t.desired == "stopped"),
    (UPDATING, lambda t: t.ready > 0 and t.outdated > 0),
    (LIVE, lambda t: t.ready > 0),
    (SETTING_UP, lambda t: t.coming > 0 or t.new > 0),
    (AWAITING_RDU, lambda t: t.awaiting > 0),
    (FAILED, lambda t: t.failed > 0),
    (SETTING_UP, lambda t: True),  # wished, its instances not yet written down
)


def status(tally: Tally) -> str:
    return next(word for word, holds in STATUSES if holds(tally))


# ----- from what is to what is wished ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """An instance as the step sees it.

    `waits_for_room`: the planner looked at the present wishes, and only a release would help. `makes_room`: what
    it holds could be used by those that wait, once it ends. `moving`: its node is to be emptied.
    """

    id: str
    ordinal: int
    state: str
    config: int
    replaces: str | None = None
    waits_for_room: bool = False
    makes_room: bool = True
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    ordinal: int
    replaces: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now; a later step follows when this one has shown. Ids are disjoint between the two lists."""

    opens: tuple[Opening, ...] = ()
    ends: tuple[str, ...] = ()


AT_WORK: Final = ("placed", "starting", "warming", "ready")
REMOVE_FIRST: Final = {"awaiting": 0, "failed": 1, "placed": 2, "starting": 3, "warming": 4, "ready": 5}


def next_step(*, desired: str, wanted: int, config: int, parts: Sequence[Part]) -> Step:
    """The next step towards `wanted` instances of configuration `config`.

    1. Not wished: everything ends. 2. Missing ones are opened, lost ones replaced first. 3. Surplus ends,
    from what serves least; of two that serve, the one that came back after the other had replaced it.
    4. Outdated ones end as far as current ones are ready; when a current one only waits for room and nothing
    else is on its way, one outdated instance that has it makes it (in place, with a gap).
    What stands on a node that is to be emptied counts as outdated, but never makes room: it serves until
    its replacement does.
    """
    parts = sorted(parts, key=lambda part: (part.ordinal, part.id))
    present = [part for part in parts if part.state in REMOVE_FIRST]
    if desired != "running":
        return Step(ends=tuple(part.id for part in present))
    current = [part for part in present if part.config == config and not part.moving]
    outdated = [part for part in present if part.config != config or part.moving]
    superseded = {part.replaces for part in present}
    surplus = sorted(
        current, key=lambda part: (REMOVE_FIRST[part.state], part.id not in superseded, -part.ordinal)
    )[: max(0, len(current) - wanted)]
    ends = [part.id for part in surplus]
    opens = _openings(wanted, config, current, parts)
    ends += _outdated_to_end(wanted, current, outdated, parts)
    return Step(tuple(opens), tuple(ends))


def _openings(wanted: int, config: int, current: Sequence[Part], parts: Sequence[Part]) -> list[Opening]:
    missing = wanted - len(current)
    if missing <= 0:
        return []
    replaced = {part.replaces for part in parts if part.replaces and part.state != "stopped"}
    taken = {part.ordinal for part in current}
    lost = [part for part in parts if part.state == "lost" and part.id not in replaced]
    openings: list[Opening] = []
    for part in lost:
        if len(openings) < missing and part.ordinal not in taken:
            openings.append(Opening(part.ordinal, part.id, "move"))
            taken.add(part.ordinal)
    free = (number for number in range(1, wanted + len(taken) + 1) if number not in taken)
    cause = "create" if config == 1 else "rollout"
    return openings + [Opening(next(free), None, cause) for _ in range(missing - len(openings))]


def _outdated_to_end(
    wanted: int, current: Sequence[Part], outdated: Sequence[Part], parts: Sequence[Part]
) -> list[str]:
    idle = [part for part in outdated if part.state not in AT_WORK]
    at_work = sorted(
        (part for part in outdated if part.state in AT_WORK),
        key=lambda p: (REMOVE_FIRST[p.state], -p.ordinal),
    )
    ready = sum(part.state == "ready" for part in current)
    ending = at_work[: max(0, len(at_work) - max(0, wanted - ready))]
    if not ending and _needs_room(current, parts):
        ending = [part for part in at_work if part.makes_room and not part.moving][:1]
    return [part.id for part in (*idle, *ending)]


def _needs_room(current: Sequence[Part], parts: Sequence[Part]) -> bool:
    on_the_way = any(part.state in ("placed", "starting", "warming") for part in current)
    leaving = any(part.state == "draining" and part.makes_room for part in parts)
    return not on_the_way and not leaving and any(part.waits_for_room for part in current)


# ----- what people type --------------------------------------------------------------------------------------


def read_instances(value: object, *, least: int = 1) -> int:
    """Raises `Invalid` at `instances` for anything but a whole number from `least` to 1000."""
    try:
        number = int(str(value).strip())
    except ValueError:
        raise invalid_field(
            "instances", f"Number of instances must be a whole number, not {value!r}."
        ) from None
    if not least <= number <= MOST_INSTANCES:
        raise invalid_field(
            "instances", f"Number of instances must be from {least} to {MOST_INSTANCES}, not {number}."
        )
    return number
