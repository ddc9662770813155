"""The truth about a platform, beside what it says: its rows as they stand, and the real processes of its nodes.

Rows are read from SQLite without a lock; processes are found by the marker that their agents gave them.
"""

import contextlib
import json
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psutil

from tests.support.platform import Platform
from tests.support.waiting import eventually

RESTING = ("awaiting", "ready", "failed")
LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Node:
    name: str
    state: str
    intent: str
    width: int
    free: int
    intruder: str


@dataclass(frozen=True)
class Instance:
    id: str  # as hex
    endpoint: str  # as hex
    ordinal: int
    state: str
    node: str
    pid: int
    attempt: int
    rdus: int
    reason: dict[str, Any]


@dataclass(frozen=True)
class Process:
    """A keeper or a model server of an instance."""

    pid: int
    began: float
    instance: str  # as hex
    is_keeper: bool

    def lives(self) -> bool:
        try:
            found = psutil.Process(self.pid)
            return found.create_time() == self.began and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


class Oracle:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    # --- rows -----------------------------------------------------------------------------------------

    def nodes(self) -> dict[str, Node]:
        found = self._rows(
            "SELECT name, state, intent, width, free, intruder FROM scheduler_node WHERE state != 'removed'"
        )
        return {name: Node(name, *rest) for name, *rest in found}

    def instances(self, endpoint: str = "") -> list[Instance]:
        """Those that are not over; of one endpoint where its id is given."""
        found = self._rows(
            "SELECT i.id, i.endpoint_id, i.ordinal, i.state, coalesce(n.name, ''), i.pid, i.attempt, i.rdus, i.reason"
            " FROM scheduler_instance i LEFT JOIN scheduler_node n ON n.id = i.node_id"
            " WHERE i.state != 'stopped' ORDER BY i.ordinal"
        )
        rows = [Instance(*row[:8], json.loads(row[8] or "null") or {}) for row in found]
        return [row for row in rows if not endpoint or row.endpoint == UUID(endpoint).hex]

    def held(self) -> list[tuple[str, int, str]]:
        """(node, RDU index, instance) of every live allocation."""
        return self._rows(
            'SELECT n.name, r."index", a.instance_id FROM scheduler_allocation a'
            " JOIN scheduler_rdu r ON r.id = a.rdu_id JOIN scheduler_node n ON n.id = r.node_id"
            " WHERE a.released_at IS NULL AND n.state != 'removed'"
        )

    def _rows(self, query: str) -> list[Any]:
        file = self.platform.folder / "studio.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute(query).fetchall()

    # --- processes ------------------------------------------------------------------------------------

    def processes(self) -> list[Process]:
        markers = {path.read_text() for path in (self.platform.folder / "nodes").glob("*/marker")}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                said = process.environ()
                if said.get("STUDIO_NODE_ID") in markers and process.status() != psutil.STATUS_ZOMBIE:
                    is_keeper = "scheduler.agent.keeper" in process.cmdline()
                    id = UUID(said["STUDIO_INSTANCE_ID"]).hex
                    found.append(Process(process.pid, process.create_time(), id, is_keeper))
        return found

    def server_of(self, endpoint: str) -> Process:
        """The model server of an endpoint with one instance."""
        return self._process_of(endpoint, is_keeper=False)

    def keeper_of(self, endpoint: str) -> Process:
        return self._process_of(endpoint, is_keeper=True)

    def processes_of(self, endpoint: str) -> list[Process]:
        rows = {row.id for row in self.instances(endpoint)}
        return [process for process in self.processes() if process.instance in rows]

    def _process_of(self, endpoint: str, *, is_keeper: bool) -> Process:
        (process,) = [each for each in self.processes_of(endpoint) if each.is_keeper == is_keeper]
        return process

    # --- what must hold when everything has come to rest -------------------------------------------------

    def agrees(self, seconds: float = 60) -> None:
        """Rows and processes come to rest within this time, and say the same. Raises AssertionError."""
        eventually(self._assert_rest, timeout=seconds, every=0.2, what="rows and processes agree")

    def _assert_rest(self) -> bool:
        complaints = self.complaints()
        assert not complaints, "; ".join(complaints)
        return True

    def complaints(self) -> list[str]:
        processes, instances, held = self.processes(), self.instances(), self.held()
        return [
            *self._about_nodes(held),
            *self._about_wishes(instances),
            *_about_holders(instances, held),
            *_about_processes(instances, processes),
        ]

    def _about_nodes(self, held: list[tuple[str, int, str]]) -> Iterator[str]:
        taken = Counter(node for node, _, _ in held)
        for node in self.nodes().values():
            if node.free + taken[node.name] != node.width:
                yield f"{node.name}: {node.free} free and {taken[node.name]} held are not {node.width}"
            if node.state != node.intent:
                yield f"{node.name} is {node.state}"

    def _about_wishes(self, instances: list[Instance]) -> Iterator[str]:
        there = Counter(row.endpoint for row in instances)
        for id, name, desired, wanted in self._rows(
            "SELECT id, name, desired, instances FROM endpoints_endpoint"
        ):
            if there[id] != (wanted if desired == "running" else 0):
                yield f"{name}, to be {desired}, has {there[id]} of {wanted} instances"

    # --- what must hold at every moment -----------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Looks all the time; at the end of the block, whether an RDU ever had two model servers."""
        over, seen = threading.Event(), set[str]()

        def look() -> None:
            while not over.wait(LOOK_EVERY):
                with contextlib.suppress(sqlite3.OperationalError):
                    seen.update(self._shared_rdus())

        watcher = threading.Thread(target=look, name="watcher", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join(10)
        assert not seen, "; ".join(sorted(seen))

    def _shared_rdus(self) -> set[str]:
        """RDUs on which two living model servers were started: by every allocation their instances ever had."""
        servers = {p.instance: p for p in self.processes() if not p.is_keeper}
        users: dict[tuple[str, int], set[str]] = defaultdict(set)
        for node, index, instance in self._rows(
            'SELECT r.node_id, r."index", a.instance_id FROM scheduler_allocation a'
            " JOIN scheduler_rdu r ON r.id = a.rdu_id"
        ):
            if instance in servers:
                users[node, index].add(instance)
        # One may have ended while the other began; two that live now did not.
        return {
            f"RDU {index} is used by the instances {sorted(two)}"
            for (_, index), two in users.items()
            if len(two) > 1 and sum(servers[instance].lives() for instance in two) > 1
        }


def _about_holders(instances: list[Instance], held: list[tuple[str, int, str]]) -> Iterator[str]:
    rows = {row.id: row for row in instances}
    rdus = Counter((node, index) for node, index, _ in held)
    yield from (f"RDU {rdu} has {count} holders" for rdu, count in rdus.items() if count > 1)
    by_holder = Counter((instance, node) for node, _, instance in held)
    for (instance, node), count in by_holder.items():
        row = rows.get(instance)
        if row is None or row.state == "failed" or row.node != node or row.rdus != count:
            yield f"{count} RDUs of {node} are held for {row or instance}"
    for row in instances:
        if row.state == "ready" and by_holder[row.id, row.node] != row.rdus:
            yield f"{row} holds {by_holder[row.id, row.node]} RDUs"


def _about_processes(instances: list[Instance], processes: list[Process]) -> Iterator[str]:
    ready = {row.id: row for row in instances if row.state == "ready"}
    yield from (
        f"{row.endpoint} {row.ordinal} is {row.state}" for row in instances if row.state not in RESTING
    )
    yield from (f"{process} is an orphan" for process in processes if process.instance not in ready)
    for row in ready.values():
        keepers = [p.pid for p in processes if p.instance == row.id and p.is_keeper]
        servers = [p.pid for p in processes if p.instance == row.id and not p.is_keeper]
        if len(keepers) != 1 or servers != [row.pid]:
            yield f"{row} has the keepers {keepers} and the model servers {servers}"
