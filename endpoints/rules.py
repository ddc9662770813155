"""The endpoint's rules: what its status is, and the next step from what is to what is wished.

Both are pure. The status is never stored; each predicate below has a twin as a queryset in
`endpoints.selectors`, and a property test holds them together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from studio.errors import Conflict, invalid_field

MOST_INSTANCES: Final = 1000
KEPT: Final = timedelta(hours=24)  # what was deleted can be restored for as long
FORGOTTEN: Final = KEPT + timedelta(hours=1)  # then the rest goes; clocks of two processes may differ

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
    at_work = _at_work(outdated)
    ready = sum(part.state == "ready" for part in current)
    ending = at_work[: max(0, len(at_work) - max(0, wanted - ready))]
    if not ending and _needs_room(current, parts):
        ending = [part for part in at_work if part.makes_room and not part.moving][:1]
    return [part.id for part in (*idle, *ending)]


def surplus(wanted: int, parts: Sequence[Part]) -> list[Part]:
    """Of outdated ones, those that end before any new one is ready: fewer are wished than are at work."""
    at_work = _at_work(parts)
    return at_work[: max(0, len(at_work) - wanted)]


def _at_work(parts: Sequence[Part]) -> list[Part]:
    """In the order in which they end."""
    return sorted(
        (part for part in parts if part.state in AT_WORK), key=lambda p: (REMOVE_FIRST[p.state], -p.ordinal)
    )


def _needs_room(current: Sequence[Part], parts: Sequence[Part]) -> bool:
    on_the_way = any(part.state in ("placed", "starting", "warming") for part in current)
    leaving = any(part.state == "draining" and part.makes_room for part in parts)
    return not on_the_way and not leaving and any(part.waits_for_room for part in current)


# ----- how an edit will be applied ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the steps after an edit will come to, as things stand: a word for it, and a sentence for people.

    `kept`: instances that go on as they are. `opens`, `ends`: how many begin and go.
    """

    effect: str
    sentence: str
    kept: int = 0
    opens: int = 0
    ends: int = 0


NOTHING: Final = "nothing"
LATER: Final = "later"
STARTS: Final = "starts"
STOPS: Final = "stops"
UNTOUCHED: Final = "untouched"
MORE: Final = "more"
FEWER: Final = "fewer"
REPLACES: Final = "replaces"
ROLLS: Final = "rolls"
IN_TURN: Final = "in turn"
GAP: Final = "gap"
WAITS: Final = "waits"


def forecast(
    *,
    was: str,
    desired: str,
    wanted: int,
    config: int,
    differs: bool,
    rolls: bool,
    parts: Sequence[Part],
    spare: int = 0,
    lacking: int = 0,
    holds: Mapping[str, int] | None = None,
) -> Forecast:
    """How an edit will be applied: what `next_step` will do, told before.

    `was` and `desired`: the wish before and after. `parts` as the step sees them, `makes_room` for the new
    configuration. `spare`: new instances that could be placed while all others but the surplus stand;
    `lacking`: RDUs that the node with room still lacks for one; `holds`: part → its RDUs.
    """
    present = [part for part in parts if part.state in REMOVE_FIRST]
    current = [part for part in present if part.config == config and not part.moving]
    if not differs:
        return Forecast(NOTHING, "Nothing is changed yet.", kept=len(current))
    if desired != "running":
        return _forecast_stopped(was, present)
    if was != "running":
        return Forecast(STARTS, f"It starts: {_count(wanted)}, {_as_rdus_come(wanted)}.", opens=wanted)
    if not rolls:
        return _forecast_count(wanted, current)
    return _forecast_rollout(wanted, present, spare, lacking, holds or {})


def _forecast_stopped(was: str, present: Sequence[Part]) -> Forecast:
    if was == "running":
        return Forecast(
            STOPS,
            "It stops, as Stop does: requests that are being answered are finished, then its RDUs are free.",
            ends=len(present),
        )
    return Forecast(LATER, "Nothing runs now; this holds from its next restart on.")


def _forecast_count(wanted: int, current: Sequence[Part]) -> Forecast:
    kept = min(wanted, len(current))
    if wanted > len(current):
        more = wanted - len(current)
        start = "starts" if more == 1 else "start,"
        says = f"Nothing restarts: {_count(more, 'more')} {start} {_as_rdus_come(more)}."
        return Forecast(MORE, says, kept, more)
    if wanted < len(current):
        fewer = len(current) - wanted
        says = f"Nothing restarts: {_count(fewer)} will finish what {'it does' if fewer == 1 else 'they do'} and end."
        return Forecast(FEWER, says, kept, ends=fewer)
    return Forecast(UNTOUCHED, "Nothing restarts.", kept)


def _forecast_rollout(
    wanted: int, present: Sequence[Part], spare: int, lacking: int, holds: Mapping[str, int]
) -> Forecast:
    """1. Nobody answers: nothing to interrupt. 2. One new instance finds room: no old one goes before it is
    ready. 3. Else old ones with room go in their order until one new instance fits; do others answer meanwhile?
    """
    serving = {part.id for part in present if part.state == "ready"}
    gone = {part.id for part in surplus(wanted, present)}
    stay = [part for part in _at_work(present) if part.id not in gone]

    def comes(effect: str, sentence: str) -> Forecast:
        return Forecast(effect, sentence, opens=wanted, ends=len(present))

    if not serving:
        return comes(REPLACES, "No instance answers now; new ones take the place of the present ones.")
    if spare:
        return comes(
            ROLLS, "Rolling, without interruption: each present instance answers until a new one is Live."
        )
    makers = [part for part in stay if part.makes_room and not part.moving]
    while lacking > 0 and makers:
        gone.add(makers[0].id)
        lacking -= holds.get(makers.pop(0).id, 0)
    if lacking > 0:
        return comes(
            WAITS,
            "The new instances wait for RDUs, as no room can be made for them; the present ones answer meanwhile.",
        )
    if serving - gone:
        return comes(
            IN_TURN, "In place, one after another, because no RDU is spare: fewer instances answer meanwhile."
        )
    return comes(
        GAP, "In place with a gap, because no RDU is spare: nothing answers until a new instance is Live."
    )


def _count(number: int, word: str = "") -> str:
    return f"{number}{f' {word}' if word else ''} instance{'' if number == 1 else 's'}"


def _as_rdus_come(instances: int) -> str:
    """The forecast knows of no places: some may have to wait."""
    return f"{'' if instances == 1 else 'each '}as soon as there are RDUs for it"


# ----- what people type --------------------------------------------------------------------------------------


def check_restorable(name: str, deleted_at: datetime | None, now: datetime) -> None:
    """Raises `Conflict` when the day in which a deleted endpoint can be restored is over."""
    if deleted_at is None or now - deleted_at >= KEPT:
        raise Conflict(f"Endpoint {name} was deleted more than 24 hours ago; it cannot be restored any more.")


def whole(text: str, digits: int) -> int | None:
    """The number, where it has so many digits at most: of thousands int() itself would make an error."""
    return int(text) if text.isdecimal() and len(text) <= digits else None


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
