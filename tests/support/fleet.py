"""Nodes without processes: simulated agents that read real wishes from the registers and write real reports.

They follow `scheduler.agent.reconcile` in small. A "process" is an entry that holds RDUs; two on one RDU are
an error of whoever wished it, and raise at once.
"""

import platform
from dataclasses import dataclass, field

import redis

from scheduler import registers, wire
from scheduler.models import Node
from studio import keyring, seal

PHASES = ("starting", "warming", "ready")
OVER = ("exited", "stopped")


@dataclass
class Process:
    """`state` as a report says it; `rdus` are in use until it is over."""

    attempt: int
    state: str
    rdus: tuple[int, ...]
    port: int
    error: str = ""

    @property
    def lives(self) -> bool:
        return self.state not in OVER


class TwoHolders(AssertionError):
    """Control wished two living processes on one RDU."""


@dataclass
class Agent:
    """The agent of one node, and the machine under it. `away`: the broker and it do not reach each other."""

    broker: redis.Redis
    node: str
    token: str
    id: str = ""
    machine: str = field(default_factory=platform.node)
    boot: int = 1
    seq: int = 0
    away: bool = False
    wish: wire.Wish | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    next_port: int = 9000

    def __post_init__(self) -> None:
        self.id = self.id or f"agent of {self.node}"

    @property
    def key(self) -> bytes:
        return seal.derive(self.token, "node-wire")

    # --- its life ------------------------------------------------------------------------------------------

    def hear(self) -> wire.Wish | None:
        """Read the register, and make the node so as far as one round goes."""
        found = None if self.away else registers.get_wish(self.broker, self.node)
        if found:
            wish = wire.decode_wish(seal.unseal([self.key], found[1], wire.wish_purpose(self.node)))
            if wish.agent in ("", self.id) and (self.wish is None or wish.number >= self.wish.number):
                self.wish = wish
        self._reconcile()
        return self.wish

    def progress(self) -> None:
        """Every process that starts comes one phase further; what drains is done."""
        for process in self.processes.values():
            if process.state == "draining":
                process.state = "stopped"
            elif process.state in PHASES[:-1]:
                process.state = PHASES[PHASES.index(process.state) + 1]
        self._reconcile()

    def crash(self, instance: str, error: str = "crash") -> None:
        process = self.processes[instance]
        process.state, process.error = "exited", error

    def reboot(self) -> None:
        """The machine went down and came back: no process lives, the agent remembers what there was."""
        for process in self.processes.values():
            if process.lives:
                process.state, process.error = "exited", "machine"
        self.restart()

    def restart(self) -> None:
        """The agent alone: processes stay."""
        self.boot, self.seq = self.boot + 1, 0

    def forget_everything(self) -> None:
        """A new disk: neither wish nor instances, and no process."""
        self.wish, self.processes = None, {}
        self.restart()

    def report(self) -> wire.Report:
        self.seq += 1
        seen = [self._seen(wished) for wished in self.wish.instances] if self.wish else []
        named = {wished.id for wished in self.wish.instances} if self.wish else set()
        return wire.Report(
            node=self.node,
            agent=self.id,
            boot=self.boot,
            seq=self.seq,
            incarnation=self.wish.incarnation if self.wish else 0,
            epoch=self.wish.epoch if self.wish else 0,
            host="127.0.0.1",
            machine=self.machine,
            instances=seen,
            foreign=sorted(name for name, one in self.processes.items() if one.lives and name not in named),
        )

    def sealed(self, report: wire.Report) -> bytes:
        return seal.seal(self.key, wire.encode(report), wire.wish_purpose(self.node))

    def say(self) -> wire.Report | None:
        """Write a report to the register; None while away."""
        if self.away:
            return None
        report = self.report()
        standing = registers.put_report(self.broker, self.node, self.id, report.number, self.sealed(report))
        if not standing.taken:
            self.boot, self.seq = wire.unpacked(standing.number)[0] + 1, 0
            return self.say()
        return report

    def round(self) -> wire.Report | None:
        """Hear, come one phase further, say."""
        self.hear()
        self.progress()
        return self.say()

    def living(self) -> dict[str, Process]:
        return {name: process for name, process in self.processes.items() if process.lives}

    # --- reconcile in small ----------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        if self.wish is None:
            return
        for wished in self.wish.instances:
            known = self.processes.get(wished.id)
            if known is not None and known.lives:
                self._steer(known, wished)
            elif wished.desired == "run" and (known is None or known.attempt != wished.attempt):
                self._start(wished)
            elif wished.desired == "hold":
                self.processes.pop(wished.id, None)
        for name in self.processes.keys() - {wished.id for wished in self.wish.instances}:
            del self.processes[name]

    def _steer(self, known: Process, wished: wire.Wished) -> None:
        if wished.desired == "drain":
            known.state = "draining"
        elif wished.desired in ("hold", "stop") or known.attempt != wished.attempt:
            known.state = "stopped"

    def _start(self, wished: wire.Wished) -> None:
        taken = {rdu: name for name, process in self.living().items() for rdu in process.rdus}
        for rdu in wished.rdus:
            if rdu in taken:
                raise TwoHolders(f"RDU {rdu} of {self.node}: {taken[rdu]} lives, {wished.id} was wished")
        self.next_port += 1
        self.processes[wished.id] = Process(wished.attempt, "starting", tuple(wished.rdus), self.next_port)

    def _seen(self, wished: wire.Wished) -> wire.Seen:
        process = self.processes.get(wished.id)
        leaves = wished.desired in ("drain", "stop")
        if process is None:
            return wire.Seen(wished.id, wished.attempt, "stopped" if leaves else "absent")
        if leaves and not process.lives:
            return wire.Seen(wished.id, wished.attempt, "stopped")
        where = {"pid": 1, "host": "127.0.0.1", "port": process.port} if process.lives else {}
        return wire.Seen(wished.id, process.attempt, process.state, error=process.error, **where)


def agent_of(broker: redis.Redis, node: Node, **facts: object) -> Agent:
    return Agent(broker, node.name, keyring.open_value(node.sealed_token, "join"), **facts)
