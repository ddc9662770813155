"""What counts as a wedge: something that stands still, or two places that contradict each other. Pure.

Each check takes facts of one moment and says what it finds. A platform that works has such moments too (a nudge is on
its way, a process is about to end), so what counts is what two looks with a pause between them find alike: `lasting`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from scheduler.rules import COMING, InstanceState, NodeState, counted, is_stuck

GRACE: Final = timedelta(seconds=30)  # after a deadline, for the sweeps to have seen it
ANSWERING: Final = (NodeState.READY, NodeState.CORDONED, NodeState.DRAINING)

# Sweep → seconds between two, as `studio.beat` asks for them.
SWEEPS: Final[Mapping[str, float]] = {
    "watch": 3.0,
    "seal audit": 10.0,
    "forget audit": 600.0,
    "settle": 10.0,
    "forget deleted": 600.0,
    "forget usage": 600.0,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject`: the id or name of what it is about. `evidence`: what has to be the same at a second look.

    `repairs`: what the repair does, in a sentence; "" where only a person can help, and `remedy` says how.
    """

    code: str
    subject: str
    sentence: str
    evidence: str = ""
    repairs: str = ""
    remedy: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.code, self.subject, self.evidence


def lasting(first: Iterable[Finding], second: Iterable[Finding]) -> list[Finding]:
    """What both looks found, with the same evidence."""
    before = {finding.key for finding in first}
    return [finding for finding in second if finding.key in before]


def as_plain(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """For programs."""
    return [
        {
            "code": each.code,
            "subject": each.subject,
            "sentence": each.sentence,
            "repair": each.repairs,
            "remedy": each.remedy,
        }
        for each in findings
    ]


# ----- instances ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """An instance that is on its way somewhere, with what its deadlines depend on."""

    id: str
    state: str
    since: datetime
    attempt: int = 1
    progress_at: datetime | None = None
    retry_at: datetime | None = None
    was_ready: bool = False
    start_seconds: int = 120
    stop_seconds: int = 5
    drain_seconds: int = 0  # 0 where it is to stop at once
    has_reason: bool = False
    node: str = ""
    node_state: str = ""
    clock_since: datetime | None = None  # its clocks stood still before


def check_instance(row: Standing, now: datetime) -> Finding | None:
    """First match wins: 1. its node is gone; 2. nobody looked at it; 3. a deadline passed while its node answers."""
    seconds = int((now - row.since).total_seconds())
    evidence = f"{row.state} {row.attempt} {row.since.isoformat()}"
    if row.node_state == NodeState.REMOVED:
        says = f"Instance {row.id} is {row.state} on {row.node}, which was removed."
        return Finding("instance-on-removed-node", row.id, says, evidence, "ends it and gives its RDUs back")
    if row.state == InstanceState.AWAITING:
        if row.has_reason or now - row.since <= GRACE:
            return None
        says = f"Instance {row.id} waits for {seconds} seconds and no planner has looked at it."
        return Finding("instance-unplanned", row.id, says, evidence, "plans its generation")
    if row.node_state not in ANSWERING:
        return None  # its clocks stand still; a lost node is an operator's decision
    since = max(row.since, row.clock_since) if row.clock_since else row.since
    if not _overdue(row, since, now - GRACE):
        return None
    says = f"Instance {row.id} on {row.node} is {row.state} for {seconds} seconds, and no task moves it."
    return Finding("instance-stuck", row.id, says, evidence, _REPAIRS_OF_STUCK[row.state])


_REPAIRS_OF_STUCK: Final = {
    **dict.fromkeys(COMING, "counts a crash and lets the node start it anew"),
    InstanceState.DRAINING: "tells the node to end it now",
    InstanceState.LOST: "tells the node its wish anew",
}


def _overdue(row: Standing, since: datetime, then: datetime) -> bool:
    if row.retry_at is not None:
        return row.retry_at < then
    if row.state == InstanceState.DRAINING:
        return since + timedelta(seconds=row.drain_seconds + row.stop_seconds) < then
    if row.state == InstanceState.LOST:
        return since < then
    return is_stuck(row.state, since, row.progress_at, row.start_seconds, row.was_ready, then)


# ----- RDUs -----------------------------------------------------------------------------------------------


def check_rdus(node: str, width: int, indices: Collection[int]) -> Finding | None:
    missing = sorted(set(range(width)) - set(indices))
    beyond = sorted(index for index in indices if index >= width)
    if missing:
        says = f"Node {node} has {counted(width, 'RDU')} and rows for {len(set(indices))} of them."
        return Finding("rdus-missing", node, says, str(missing), f"adds {counted(len(missing), 'row')}")
    if beyond:
        says = f"Node {node} has {counted(width, 'RDU')} and rows beyond them: {_list(beyond)}."
        return Finding(
            "rdus-beyond", node, says, str(beyond), remedy="Drain the node, remove it, add it again."
        )
    return None


def check_free(node: str, width: int, free: int, held: int) -> Finding | None:
    """`held`: live allocations on the node."""
    if free == width - held:
        return None
    says = (
        f"Node {node} counts {free} of {counted(width, 'RDU')} free; {held} are held, so {width - held} are."
    )
    return Finding("free-drift", node, says, f"{free} {held}", "counts anew")


def check_allocation(rdu: str, instance: str, state: str, same_node: bool) -> Finding | None:
    """A live allocation: its instance has to be on that node, and may not be over."""
    if state not in (InstanceState.STOPPED, InstanceState.AWAITING) and same_node:
        return None
    why = f"is {state}" if state in (InstanceState.STOPPED, InstanceState.AWAITING) else "is elsewhere"
    says = f"RDU {rdu} is held by instance {instance}, which {why}."
    return Finding("rdu-held-by-nobody", f"{rdu} {instance}", says, state, "gives the RDU back")


# ----- nodes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """A node's row beside what its agent reported last, once that has applied the present wish."""

    name: str
    rows: Collection[str]
    seen: Collection[str]
    foreign: Collection[str]


def check_report(said: NodeSaid) -> list[Finding]:
    orphans = [
        Finding(
            "process-orphaned",
            f"{said.name} {each}",
            f"Node {said.name} runs a process of instance {each}, which no wish names.",
            repairs="tells the node its wish anew, which ends what it does not name",
        )
        for each in sorted(set(said.foreign) | (set(said.seen) - set(said.rows)))
    ]
    forgotten = [
        Finding(
            "instance-forgotten",
            f"{said.name} {each}",
            f"Instance {each} is on {said.name}, and the node's newest report does not know it.",
            repairs="tells the node its wish anew",
        )
        for each in sorted(set(said.rows) - set(said.seen))
    ]
    return orphans + forgotten


def check_wish(node: str, epoch: int, wished: int, wanted: int, standing: int | None) -> Finding | None:
    """`wanted`: the number its register should have; `standing`: the one it has, None for none."""
    if wished == epoch and standing == wanted:
        return None
    has = "is not there" if standing is None else "is an older one" if standing < wanted else "is another one"
    says = f"Node {node} should know wish {epoch}; the one in the broker {has}."
    return Finding("wish-not-written", node, says, f"{epoch} {standing}", "writes it")


# ----- control --------------------------------------------------------------------------------------------


def check_sweeps(last: Mapping[str, datetime], made: datetime, now: datetime) -> list[Finding]:
    """`made`: when the database became what it is. One that never ran since then counts too."""
    return [finding for name in SWEEPS if (finding := _check_sweep(name, last.get(name), made, now))]


def _check_sweep(name: str, last: datetime | None, made: datetime, now: datetime) -> Finding | None:
    limit = timedelta(seconds=4 * SWEEPS[name] + 60)
    if now - limit <= (last or made) <= now + GRACE:
        return None
    when = "never ran" if last is None else f"ran last at {last:%Y-%m-%d %H:%M:%S} UTC"
    why = ", which is in the future" if last and last > now else ""
    return Finding(
        "sweep-stale",
        name,
        f"The sweep “{name}” {when}{why}; it is due every {SWEEPS[name]:g} seconds.",
        str(last),
        "runs it now",
        "See that beat and a control worker run, and that both reach the broker.",
    )


def check_plan(
    generation: str, demand: int, planned: int, held_until: datetime | None, now: datetime, lease: timedelta
) -> Finding | None:
    """Wishes that no planner has met. One that works holds a lease, at most `lease` into the future."""
    if demand == planned:
        return None
    if held_until is not None and now <= held_until <= now + lease + GRACE:
        return None
    says = f"{generation}: wish {demand} is the newest, and planned is {planned}."
    return Finding("plan-behind", generation, says, f"{demand} {planned}", "plans now")


def check_step(endpoint: str, opens: int, ends: Sequence[str]) -> Finding | None:
    """A step of an endpoint that is due and that nobody takes."""
    if not opens and not ends:
        return None
    parts = [f"{counted(opens, 'instance')} should be opened"] if opens else []
    parts += [f"{counted(len(ends), 'instance')} should end"] if ends else []
    says = f"Endpoint {endpoint}: {' and '.join(parts)}, and nobody does it."
    return Finding("endpoint-unsettled", endpoint, says, f"{opens} {_list(ends)}", "takes the step")


def check_routes(unpublished: Sequence[str], absent: Sequence[str]) -> list[Finding]:
    """Endpoints whose newest route the broker does not have; and those of which it has none at all."""
    found = []
    if unpublished:
        says = f"{counted(len(unpublished), 'endpoint')} changed, and the gateways have not been told."
        found.append(Finding("routes-unpublished", "routes", says, _list(unpublished), "publishes them"))
    if absent:
        says = f"The broker has no route of {counted(len(absent), 'endpoint')}."
        found.append(Finding("routes-absent", "broker", says, _list(absent), "publishes them"))
    return found


def check_kept(answers: int, values: int) -> list[Finding]:
    """What a sweep should have forgotten: answers to repeated creates, and keys of deleted endpoints."""
    found = []
    if answers:
        says = f"{counted(answers, 'answer')} of creates are kept for longer than their day."
        found.append(Finding("answers-kept", "answers", says, repairs="forgets them"))
    if values:
        says = f"{counted(values, 'deleted endpoint')} still has values of API keys after its day."
        found.append(Finding("values-kept", "values", says, repairs="destroys them"))
    return found


def _list(words: Sequence[object]) -> str:
    return ", ".join(str(word) for word in words)
