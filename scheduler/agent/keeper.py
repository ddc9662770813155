"""The parent of one model server: `python -m scheduler.agent.keeper <folder>/spec.json`.

It outlives its agent, so that the agent's restart touches no model server. Standard library only, and
little of it: there is one keeper for each instance. In the instance's folder it holds

    lock         flock, inherited by the server: while any of them lives, no second keeper starts one
    spec.json    what to start (written by the agent, without the token)
    token        the instance's token, 0600 (written by the agent)
    keeper.json  who runs: pids with start times (for the next agent)
    exit.json    how it ended
    server.log   what the server printed, bounded: server.log.1 is the part before

TERM: the server gets TERM, after `stop_seconds` its group gets KILL. Lifeline: a file that the supervisor
holds locked; when it has been free for `lifeline_seconds`, the machine's Studio is gone and so is this.
"""

import fcntl
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from scheduler.agent import disk, procs

LOG_BYTES = 1_000_000
PIPE_BYTES = 1 << 20
LIFELINE_EVERY = 1.0
ASKED = "term"
LIFELINE = "lifeline"

LOCKED = 75  # exit code: the folder's instance is still alive
STALE = 76  # exit code: the folder holds another attempt by now


class Log:
    """The server's output, at most two files of `LOG_BYTES`. A full disk costs lines, never the server."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self.file = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, text: bytes) -> None:
        with suppress(OSError):
            if self.size and self.size + len(text) > LOG_BYTES:
                os.replace(self.path, self.path + ".1")
                os.close(self.file)
                self.file, self.size = self._open(), 0
            self.size += os.write(self.file, text)


class Keeper:
    def __init__(self, folder: str, spec: dict[str, Any]) -> None:
        self.folder = folder
        self.spec = spec
        self.log = Log(f"{folder}/server.log")
        self.output, self.printed = os.pipe()
        self.signals, wakeup = os.pipe()
        for end in (self.output, self.signals, wakeup):
            os.set_blocking(end, False)
        with suppress(OSError, AttributeError):
            # Room for a burst of lines while this process is frozen; else the server would stand still too.
            fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._asked_to_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.reason = ""  # why the server is being ended, "" while it is not
        self.kill_at = 0.0
        self.free_seconds = 0.0
        self.next_look = time.monotonic() + LIFELINE_EVERY
        self.server = 0

    def _asked_to_end(self, *_: object) -> None:
        self.reason = self.reason or ASKED

    # --- start ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Raises OSError where the program cannot be started."""
        argv = self.spec["argv"]
        self.server = os.posix_spawnp(
            argv[0],
            argv,
            self._environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, self.printed, 1),
                (os.POSIX_SPAWN_DUP2, self.printed, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP],
        )
        os.close(self.printed)
        disk.write_json(
            f"{self.folder}/keeper.json",
            {
                "attempt": self.spec["attempt"],
                "boot": procs.boot(),
                "keeper_pid": os.getpid(),
                "keeper_start": procs.started(os.getpid()),
                "server_pid": self.server,
                "server_start": procs.started(self.server),
                "host": self.spec["host"],
                "port": self.spec["port"],
            },
        )

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, **self.spec["env"]}
        path = f"{self.folder}/token"
        if self.spec["token_file_env"]:
            environment[self.spec["token_file_env"]] = path
        if self.spec["token_env"]:
            with open(path, encoding="utf-8") as file:
                environment[self.spec["token_env"]] = file.read()
        return environment

    # --- while it runs ----------------------------------------------------------------------------------

    def run(self) -> int:
        """Until the server has ended; returns its exit code, negative for a signal."""
        poller = select.poll()
        poller.register(self.output, select.POLLIN)
        poller.register(self.signals, select.POLLIN)
        while not self._ended():
            for file, _ in poller.poll(self._pause()):
                if file == self.signals:
                    with suppress(BlockingIOError):
                        os.read(self.signals, 512)
                elif not self._pump():
                    poller.unregister(self.output)
            self._look_at_lifeline()
            self._end_server()
        return self._collect()

    def _pause(self) -> int | None:
        """Milliseconds until something is due, None for as long as nothing happens."""
        due = [self.kill_at] if self.kill_at else []
        if self.spec["lifeline"] and not self.reason:
            due.append(self.next_look)
        return max(0, int((min(due) - time.monotonic()) * 1000) + 1) if due else None

    def _pump(self) -> bool:
        """Moves what was printed into the log; False at the end of the pipe."""
        with suppress(BlockingIOError):
            while text := os.read(self.output, 65536):
                self.log.write(text)
            return False
        return True

    def _look_at_lifeline(self) -> None:
        # Looks are counted, not time: after a freeze of the machine nobody has seen the file free meanwhile.
        now = time.monotonic()
        if not self.spec["lifeline"] or now < self.next_look:
            return
        self.next_look = now + LIFELINE_EVERY
        self.free_seconds = self.free_seconds + LIFELINE_EVERY if is_free(self.spec["lifeline"]) else 0.0
        if self.free_seconds >= self.spec["lifeline_seconds"]:
            self.reason = self.reason or LIFELINE

    def _end_server(self) -> None:
        if not self.reason:
            return
        now = time.monotonic()
        if not self.kill_at:
            self.kill_at = now + self.spec["stop_seconds"]
            os.kill(self.server, signal.SIGTERM)  # our child, not yet collected: the pid is still its own
        elif now >= self.kill_at:
            self.kill_at = now + 1.0
            with suppress(ProcessLookupError):
                os.killpg(self.server, signal.SIGKILL)

    # --- the end ----------------------------------------------------------------------------------------

    def _ended(self) -> bool:
        return os.waitid(os.P_PID, self.server, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _collect(self) -> int:
        # The group goes first: while its leader is not collected, nobody else can have this number.
        with suppress(ProcessLookupError):
            os.killpg(self.server, signal.SIGKILL)
        _, status = os.waitpid(self.server, 0)
        self._pump()
        return os.waitstatus_to_exitcode(status)

    def abandon(self) -> None:
        """Nobody would know of a server that this process cannot keep."""
        if self.server:
            with suppress(ProcessLookupError):
                os.killpg(self.server, signal.SIGKILL)


def is_free(path: str) -> bool:
    """Whether nobody holds the lock file; one that is gone is held by nobody."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def lock(folder: str) -> bool:
    """Takes the folder for this process and everything it starts; released when the last of them ends."""
    handle = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(handle, True)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keep(folder: str) -> int:
    # 1. One keeper in a folder, and only for the attempt it was started for.
    if not lock(folder):
        return LOCKED
    spec = disk.read_json(f"{folder}/spec.json")
    if spec is None or str(spec["attempt"]) != os.environ.get(procs.ATTEMPT):
        return STALE
    os.chdir(folder)
    keeper = Keeper(folder, spec)
    ended: dict[str, Any] = {"attempt": spec["attempt"], "code": None, "error": ""}
    try:
        # 2. Start; a program that cannot be started is an end like another, with a sentence.
        try:
            keeper.start()
        except OSError as error:
            ended["error"] = f"{spec['argv'][0]}: {error.strerror or error}"
        else:
            # 3. Stay until it ends.
            ended["code"] = keeper.run()
    finally:
        if ended["code"] is None:
            keeper.abandon()
    # 4. Say how it ended.
    disk.write_json(f"{folder}/exit.json", {**ended, "asked": keeper.reason, "at": time.time()})
    return 0


if __name__ == "__main__":
    sys.exit(keep(os.path.dirname(os.path.abspath(sys.argv[1]))))
