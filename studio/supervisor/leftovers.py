"""What a killed supervisor left behind: its record of processes, and the wait until they are gone.

Its processes end by themselves once it is gone, but they may take a moment, and one that is frozen takes
for ever. Two brokers on one append-only file, or two gateways on one port, must not meet.
"""

import json
import signal
import time
from pathlib import Path

from scheduler.agent import disk, procs

PATIENCE = 6.0


def record(path: Path, processes: dict[str, tuple[int, int]]) -> None:
    """Who runs now: name → (pid, start in the kernel's ticks)."""
    boot = procs.boot()
    found = {name: {"pid": pid, "started": start, "boot": boot} for name, (pid, start) in processes.items()}
    disk.write(str(path), json.dumps(found, indent=1).encode())


def clear(path: Path) -> None:
    """Returns when nothing of the record lives; what does not end by itself is killed."""
    boot = procs.boot()
    recorded = [
        (entry["pid"], entry["started"])
        for entry in (disk.read_json(str(path)) or {}).values()
        if entry["boot"] == boot and entry["pid"]
    ]
    _wait_for_the_end(recorded, PATIENCE)
    for pid, start in recorded:
        procs.send_group(pid, start, signal.SIGKILL)
    _wait_for_the_end(recorded, PATIENCE)


def _wait_for_the_end(recorded: list[tuple[int, int]], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(procs.alive(pid, start) for pid, start in recorded):
        time.sleep(0.02)
