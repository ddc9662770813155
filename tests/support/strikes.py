"""What can happen to a process: its end without a word, or standing still for a while."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from tests.support.desk import Endpoint
from tests.support.oracle import Oracle
from tests.support.platform import Platform
from tests.support.waiting import eventually

KINDS = ("gateway", "web", "control", "beat", "agent", "broker", "keeper", "server")
# Longer than whatever waits for the kind: silence until suspect, probes, timeouts of sockets.
FROZEN_SECONDS = {"control": 12.0, "agent": 12.0, "broker": 12.0, "server": 12.0}
FROZEN_OTHERWISE = 6.0
# Predictions need none of these.
NEEDLESS = ("web", "control", "beat", "agent", "broker")


class Strikes:
    """Signals to processes of one platform by kind; an agent, a keeper, a model server are those of `endpoint`."""

    def __init__(self, platform: Platform, oracle: Oracle) -> None:
        self.platform = platform
        self.oracle = oracle

    def pid_of(self, kind: str, endpoint: Endpoint) -> int:
        if kind == "agent":
            (row,) = self.oracle.instances(endpoint["id"])
            return self.platform.pid_of(f"agent-{row.node}")
        if kind == "keeper":
            return self.oracle.keeper_of(endpoint["id"]).pid
        if kind == "server":
            return self.oracle.server_of(endpoint["id"]).pid
        return self.platform.pid_of(kind)

    def strike(self, kind: str, how: str, endpoint: Endpoint) -> Callable[[], None]:
        """Kill or freeze; what is returned ends the trouble when its time is over."""
        pid = self.pid_of(kind, endpoint)
        if how == "kill":
            os.kill(pid, signal.SIGKILL)
            return lambda: None
        os.kill(pid, signal.SIGSTOP)
        seconds = FROZEN_SECONDS.get(kind, FROZEN_OTHERWISE)
        until = time.monotonic() + seconds

        def thaw() -> None:
            eventually(lambda: time.monotonic() >= until, timeout=seconds + 5, what="the freeze is over")
            with contextlib.suppress(ProcessLookupError):  # who stands still too long may be ended
                os.kill(pid, signal.SIGCONT)

        return thaw
