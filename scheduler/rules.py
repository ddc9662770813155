"""The scheduler's rules: which states there are, who may draw which arrow, deadlines, budgets, sentences.

        planner           agent               agent              agent
awaiting ──▶ placed ──▶ starting ──▶ warming ──▶ ready ─┐
   │            ▲───────────┴── crash: control ──────────┘
   │ control    │ control (re-adopted)        control ──▶ draining ──▶ stopped (agent confirms)
   └▶ stopped   lost ◀── control, from any state on a node that fell silent
                failed ◀── control, when the restart budget is used up
"""

import re
import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from studio import env
from studio.errors import invalid_field


class InstanceState:
    AWAITING: Final = "awaiting"
    PLACED: Final = "placed"
    STARTING: Final = "starting"
    WARMING: Final = "warming"
    READY: Final = "ready"
    DRAINING: Final = "draining"
    STOPPED: Final = "stopped"
    FAILED: Final = "failed"
    LOST: Final = "lost"


# from state → {to state: owner of the arrow}
ARROWS: Final[Mapping[str, Mapping[str, str]]] = {
    "awaiting": {"placed": "planner", "stopped": "control"},
    "placed": {
        "starting": "agent",
        "warming": "agent",
        "ready": "agent",
        "placed": "control",
        "draining": "control",
        "failed": "control",
        "lost": "control",
    },
    "starting": {
        "warming": "agent",
        "ready": "agent",
        "placed": "control",
        "draining": "control",
        "failed": "control",
        "lost": "control",
    },
    "warming": {
        "starting": "agent",
        "ready": "agent",
        "placed": "control",
        "draining": "control",
        "failed": "control",
        "lost": "control",
    },
    "ready": {
        "starting": "agent",
        "warming": "agent",
        "placed": "control",
        "draining": "control",
        "failed": "control",
        "lost": "control",
    },
    "draining": {"stopped": "agent"},
    "lost": {
        "placed": "control",
        "starting": "control",
        "warming": "control",
        "ready": "control",
        "draining": "control",
        "failed": "control",
        "stopped": "control",
    },
    "failed": {"stopped": "control"},
    "stopped": {},
}
STATES: Final = tuple(ARROWS)
COMING: Final = ("placed", "starting", "warming")  # on a node, not yet ready


class IllegalArrow(ValueError):
    """Somebody tried to write a transition that does not exist. A fault of ours, never of a user."""


def check_arrow(before: str, after: str) -> None:
    """Raises `IllegalArrow` unless the table has the arrow."""
    if after not in ARROWS.get(before, {}):
        raise IllegalArrow(f"{before} → {after}")


class NodeState:
    JOINING: Final = "joining"
    READY: Final = "ready"
    CORDONED: Final = "cordoned"
    DRAINING: Final = "draining"
    SUSPECT: Final = "suspect"
    LOST: Final = "lost"
    RETURNING: Final = "returning"
    REMOVED: Final = "removed"


NODE_STATES: Final = ("joining", "ready", "cordoned", "draining", "suspect", "lost", "returning", "removed")

# Seconds of silence that control could have heard.
SUSPECT_AFTER: Final = env.number("STUDIO_SUSPECT_SECONDS", 10, least=1, most=3600)
LOST_AFTER: Final = env.number("STUDIO_LOST_SECONDS", 30, least=2, most=86400)
FROZEN_SHARE: Final = 1 / 3  # more nodes than this falling silent together is our fault, not theirs


def silence(before: float, heard: bool, elapsed: float, interval: float) -> float:
    """Seconds of silence after a look at the registers.

    `elapsed` since the last look; a look that came late (control was away) counts as one interval only.
    """
    return 0.0 if heard else before + min(elapsed, 2 * interval)


def too_many_silent(silent: int, known: int) -> bool:
    """Whether to freeze the clocks: more than a third silent at once, and more than one node."""
    return silent > 1 and silent > known * FROZEN_SHARE


def heard_state(state: str, intent: str, silent_seconds: float) -> str:
    """The state a node is in by what was heard of it. `returning` ends elsewhere, with a clean report."""
    if state in (NodeState.JOINING, NodeState.REMOVED):
        return state
    if state == NodeState.LOST:
        return NodeState.LOST if silent_seconds else NodeState.RETURNING
    if silent_seconds >= LOST_AFTER:
        return NodeState.LOST
    if state == NodeState.RETURNING:
        return NodeState.RETURNING
    return NodeState.SUSPECT if silent_seconds >= SUSPECT_AFTER else intent


def answers(state: str, heard_at: datetime | None, now: datetime) -> bool:
    """Whether its agent was heard lately; while silence is not counted, the state alone does not say it."""
    if state in (NodeState.LOST, NodeState.JOINING, NodeState.SUSPECT):
        return False
    return heard_at is not None and now - heard_at < timedelta(seconds=LOST_AFTER)


# ----- joining ---------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,63}")
_PASSWORD = re.compile(r"(?<=://)([^/@]*:)[^/@]+(?=@)")


def clean_address(field: str, value: str) -> str:
    """A host name or an IP address, "" for none. Raises `Invalid` at the field."""
    address = value.strip()
    if address and not _ADDRESS.fullmatch(address):
        raise invalid_field(field, "An address is a host name or an IP address, without port and scheme.")
    return address


def join_command(node: str, address: str, broker: str) -> str:
    """The one command that starts the node's agent. It reads the token from standard input and keeps it, 0600.

    A password in the broker's address is replaced by the word PASSWORD.
    """
    told = {
        "STUDIO_NODE": node,
        "STUDIO_NODE_DIR": f"$HOME/studio-nodes/{node}",
        "STUDIO_NODE_TOKEN_FILE": "-",
        **({"STUDIO_NODE_ADDRESS": address} if address else {}),
        "STUDIO_BROKER_URL": _PASSWORD.sub(r"\1PASSWORD", broker),
    }
    words = [f"{name}={_quoted(value)}" for name, value in told.items()]
    return " ".join([*words, "python -m scheduler.agent"])


def _quoted(value: str) -> str:
    """For a shell; a leading $HOME stays what it is."""
    home, rest = ("$HOME", value[5:]) if value.startswith("$HOME/") else ("", value)
    return home + shlex.quote(rest)


# ----- restarts --------------------------------------------------------------------------------------------

BACK_OFF: Final = (0.0, 1.0, 4.0, 12.0, 30.0)  # seconds before the next attempt; then the budget is used up
STEADY_AFTER: Final = timedelta(minutes=10)  # ready this long clears the count


def restart_delay(crashes: int) -> timedelta | None:
    """Wait before the next attempt after this many crashes in a row (from 1); None: give up."""
    if crashes > len(BACK_OFF):
        return None
    return timedelta(seconds=BACK_OFF[crashes - 1])


def crashes_so_far(crashes: int, ready_at: datetime | None, now: datetime) -> int:
    """The count that still matters: a long ready spell forgives."""
    return 0 if ready_at is not None and now - ready_at >= STEADY_AFTER else crashes


# ----- deadlines: state → seconds without progress ----------------------------------------------------------

PLACED_SECONDS: Final = 30
WARMING_SECONDS: Final = 60
SILENT_SERVER_SECONDS: Final = 15  # a server that was ready and does not answer any more


def is_stuck(
    state: str,
    since: datetime,
    progress_at: datetime | None,
    start_seconds: int,
    was_ready: bool,
    now: datetime,
) -> bool:
    """Whether an instance has stood still too long. The node must be ready; else its clocks stand still."""
    moved = max(since, progress_at) if progress_at else since
    limit = {
        InstanceState.PLACED: PLACED_SECONDS,
        InstanceState.STARTING: SILENT_SERVER_SECONDS if was_ready else start_seconds,
        InstanceState.WARMING: WARMING_SECONDS,
    }.get(state)
    return limit is not None and now - moved > timedelta(seconds=limit)


# ----- quotas ----------------------------------------------------------------------------------------------

MOST_OF_A_QUOTA: Final = 1_000_000


def check_quota(generation: str, guaranteed: int, maximum: int | None) -> None:
    """Raises `Invalid` at `guaranteed` or `maximum`."""
    for field, number in (("guaranteed", guaranteed), ("maximum", maximum)):
        if number is not None and not 0 <= number <= MOST_OF_A_QUOTA:
            raise invalid_field(field, f"{generation}: RDUs from 0 to {MOST_OF_A_QUOTA}, not {number}.")
    if maximum is not None and guaranteed > maximum:
        raise invalid_field(
            "guaranteed", f"{generation}: {guaranteed} cannot be guaranteed where {maximum} is the most."
        )


def quota_in_words(guaranteed: int, maximum: int | None) -> str:
    return f"{guaranteed} guaranteed, {'no limit' if maximum is None else f'at most {maximum}'}"


# ----- sentences -------------------------------------------------------------------------------------------


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def reason_sentence(reason: Mapping[str, Any] | None, generation: str) -> str:
    """Why an instance waits or failed, in plain words with the numbers. "" when there is no reason."""
    if not reason:
        return ""
    code = reason.get("code", "")
    if code in WAITING_SENTENCES:
        return WAITING_SENTENCES[code](reason, generation)
    return str(reason.get("sentence", ""))


def _needs(reason: Mapping[str, Any]) -> str:
    return f"needs {counted(int(reason.get('rdus', 0)), 'RDU')} in a single node"


def _elsewhere(reason: Mapping[str, Any]) -> str:
    states = sorted((str(word), int(many)) for word, many in dict(reason.get("waiting_nodes", {})).items())
    if not states:
        return ""
    return " (not counted: " + ", ".join(f"{counted(many, 'node')} {word}" for word, many in states) + ")"


WAITING_SENTENCES: Final = {
    "new": lambda r, g: f"Waiting to be placed: {_needs(r)}.",
    "no_nodes": lambda r, g: f"There is no {g} node on this platform; it {_needs(r)}.",
    "reserved": lambda r, g: f"Every {g} node is assigned to another tenant; it {_needs(r)}.",
    "too_wide": lambda r, g: (
        f"No {g} node is wide enough: it {_needs(r)}, the widest has {r.get('any_width', 0)}."
    ),
    "unusable": lambda r, g: f"No {g} node takes instances now{_elsewhere(r)}; it {_needs(r)}.",
    "none_free": lambda r, g: (
        f"Nothing is free: it {_needs(r)}, all {r.get('total', 0)} {g} RDUs are in use{_elsewhere(r)}."
        if not r.get("free")
        else f"Too few are free: it {_needs(r)}; {r.get('free')} of {r.get('total', 0)} {g} RDUs"
        f" are free{_elsewhere(r)}."
    ),
    "fragmented": lambda r, g: (
        f"Not enough together: it {_needs(r)}; {r.get('free', 0)} of {r.get('total', 0)} {g} RDUs are free, "
        f"at most {r.get('widest_free', 0)} together ({r.get('widest_node', '')}){_elsewhere(r)}."
    ),
    "quota": lambda r, g: (
        f"The tenant's quota is reached: it {_needs(r)}, and {r.get('quota_used', 0)} of "
        f"{r.get('quota_maximum', 0)} {g} RDUs that the tenant may hold are in use."
    ),
    "held": lambda r, g: f"RDUs are kept for an older request; it {_needs(r)}.",
    "behind": lambda r, g: f"Behind an older request; it {_needs(r)}.",
}


def waits_for_room(reason: Mapping[str, Any] | None) -> bool:
    """Whether the release of RDUs by the same endpoint could help."""
    return reason is not None and reason.get("code") in ("none_free", "fragmented", "quota")


def in_queue(position: int | None) -> str:
    return (
        ""
        if not position
        else "First in the queue."
        if position == 1
        else f"Position {position} in the queue."
    )
