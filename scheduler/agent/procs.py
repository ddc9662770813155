"""Processes by pid *and* start time, and by the markers in their environment. Standard library only.

A pid alone names nobody: it is given to someone else after its owner's end. A zombie counts as gone, since
it holds nothing; the first process of a container may never collect it.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

INSTANCE = "STUDIO_INSTANCE_ID"
NODE = "STUDIO_NODE_ID"
ATTEMPT = "STUDIO_ATTEMPT"

GONE = 0  # the start time of nobody


def started(pid: int) -> int:
    """Start time in clock ticks since the boot of the machine, `GONE` for no process or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name stands in parentheses and may hold anything, so the fields are counted from its end.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return GONE
    return GONE if len(fields) < 20 or fields[0] in b"ZX" else int(fields[19])


def alive(pid: int, start: int) -> bool:
    return pid > 0 and start != GONE and started(pid) == start


def send(pid: int, start: int, number: int) -> bool:
    """Signals exactly this process, or nobody: the handle is taken first and the start time compared after."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not alive(pid, start):
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
        return True
    finally:
        os.close(handle)


def send_group(pid: int, start: int, number: int) -> bool:
    """The same for a process that leads its own group, with everybody in it."""
    if not alive(pid, start):
        return False
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
    return True


def boot() -> str:
    """Start times count from the boot, so a record of a process is worth nothing after the next one."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def marked(node: str) -> Iterator[tuple[int, int, str, int]]:
    """(pid, start, instance, attempt) of each living process that carries this node's marker."""
    marker = f"{NODE}={node}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        start = started(int(name)) if marker in environment.split(b"\0") else GONE
        if start != GONE:
            entries = environment.decode(errors="replace").split("\0")
            found = {key: value for key, _, value in (entry.partition("=") for entry in entries)}
            attempt = found.get(ATTEMPT, "")
            yield int(name), start, found.get(INSTANCE, ""), int(attempt) if attempt.isdigit() else 0
