"""All processes of the platform: started, waited for, looked after and stopped together."""

import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from scheduler.agent import state
from studio.supervisor import leftovers
from studio.supervisor.child import Child, Program
from studio.supervisor.ears import Ears
from studio.supervisor.folder import Folder
from studio.supervisor.refusal import CannotStart

LOOK_EVERY = 0.05  # while something is awaited
LOGS_EVERY = 10.0

# A stop of the machine, in seconds from its beginning: who is asked to end, and when the last of them is killed.
# Predictions drain while everything they need still runs; the broker goes when nobody can miss it.
GATEWAY_UNTIL = 5.5
OTHERS_UNTIL = 7.8
KEEPERS_UNTIL = 8.8
BROKER_UNTIL = 9.6


class Troop:
    def __init__(self, folder: Folder, ears: Ears, home: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.ears = ears
        self.home = home
        self.say = say
        self.children: dict[str, Child] = {}

    # --- starting -----------------------------------------------------------------------------------------

    def launch(self, programs: Iterable[Program]) -> None:
        """Start them, but for those that run already. Raises `CannotStart`."""
        for program in programs:
            if program.name not in self.children:
                self._start(program)

    def await_ready(self) -> None:
        """Until everything launched is ready. Raises `CannotStart` and `Stopped`."""
        begun = time.monotonic()
        waiting = list(self.children.values())
        while waiting:
            self._refuse_ended()
            waiting = [child for child in waiting if not child.ready()]
            late = [child for child in waiting if time.monotonic() - begun > child.program.seconds]
            if late:
                raise CannotStart(
                    f"{late[0].name} is not ready after {late[0].program.seconds:.0f} s; its log is {late[0].log}:",
                    late[0].last_lines(),
                )
            if waiting:
                self.ears.wait(LOOK_EVERY)

    def run_once(self, program: Program) -> None:
        """Start a program that ends by itself and wait for its end. Raises `CannotStart` and `Stopped`."""
        child = self._start(program)
        until = time.monotonic() + program.seconds
        while child.running() and time.monotonic() < until:
            self._refuse_ended(but=child)
            self.ears.wait(LOOK_EVERY)
        overdue = child.running()
        child.kill()
        del self.children[child.name]
        self._record()
        if overdue or child.how_it_ended() != "code 0":
            how = (
                f"is not done after {program.seconds:.0f} s"
                if overdue
                else f"ended with {child.how_it_ended()}"
            )
            raise CannotStart(f"{child.name} {how}; its log is {child.log}:", child.last_lines())

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look after everything until the condition holds. False when it does not in time. Raises `Stopped`."""
        until = time.monotonic() + seconds
        while not (held := condition()) and time.monotonic() < until:
            self.tend(0.2)
        return held

    def _start(self, program: Program) -> Child:
        child = Child(program, self.folder.log(program.name), self.home)
        self.children[program.name] = child
        try:
            child.start()
        except OSError as error:
            raise CannotStart(f"{program.name} cannot be started: {error.strerror}.") from None
        self._record()
        return child

    def _refuse_ended(self, but: Child | None = None) -> None:
        """While the platform starts, nothing is restarted: whoever waits at the terminal should read why."""
        for child in self.children.values():
            if child is not but and not child.running():
                raise CannotStart(
                    f"{child.name} ended with {child.how_it_ended()} while it started; its log is {child.log}:",
                    child.last_lines(),
                )

    # --- running ------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Restart what ends, until somebody asks to stop: raises `Stopped`."""
        while True:
            self.tend(LOGS_EVERY)
            for child in self.children.values():
                child.bound_log()

    def tend(self, seconds: float) -> None:
        """Look after the processes once, then wait at most so long. Raises `Stopped`."""
        now = time.monotonic()
        for child in self.children.values():
            if child.restart_at is None and not child.running():
                self._plan_restart(child, now)
            elif child.restart_at is not None and child.restart_at <= now:
                self._restart(child, now)
        due = [child.restart_at - now for child in self.children.values() if child.restart_at is not None]
        self.ears.wait(min([seconds, *due]))

    def _plan_restart(self, child: Child, now: float) -> None:
        pause = child.patience.after(now - child.since)
        child.restart_at = now + pause
        if child.patience.worth_a_word:
            times = child.patience.quick_ends
            again = f", {times} times in a row; its log is {child.log}" if times > 2 else ""
            self.say(
                f"{child.name} ended with {child.how_it_ended()}{again}. Starting it again in {pause:g} s."
            )
        self._record()

    def _restart(self, child: Child, now: float) -> None:
        try:
            child.start()
        except OSError as error:
            self.say(f"{child.name} cannot be started now: {error.strerror}.")
            child.restart_at = now + child.patience.after(0)
        self._record()

    def _record(self) -> None:
        running = {
            child.name: (child.pid, child.started) for child in self.children.values() if child.running()
        }
        with suppress(OSError):  # a full disk must not end the platform; the record serves the next start
            leftovers.record(self.folder.processes, running)

    # --- stopping -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Everything ends, in order, within ten seconds; what is late is killed. See the table above."""
        begun = time.monotonic()
        broker = self.children.get("broker")
        gateway = self.children.get("gateway")
        others = [child for child in self.children.values() if child not in (broker, gateway)]
        _end([gateway] if gateway else [], begun + GATEWAY_UNTIL)
        _end(others, begun + OTHERS_UNTIL)
        self._end_model_servers(begun + KEEPERS_UNTIL)
        _end([broker] if broker else [], begun + BROKER_UNTIL)
        self.children.clear()
        self._record()

    def _end_model_servers(self, until: float) -> None:
        """Their agents have ended, so none is started again."""
        nodes = self.folder.node_folders()
        if nodes:
            patience = max(min(until - time.monotonic(), 1.0), 0.2)
            with ThreadPoolExecutor(len(nodes)) as pool:
                list(pool.map(partial(state.end_all, seconds=patience), nodes))


def _end(children: list[Child], until: float) -> None:
    for child in children:
        child.send(signal.SIGTERM)
    while time.monotonic() < until and any(child.running() for child in children):
        time.sleep(0.02)
    for child in children:
        child.kill()
