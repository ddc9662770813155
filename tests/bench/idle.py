"""`python -m tests.bench.idle [seconds]`: how soon the platform is there, and what it costs while nobody asks.

Starts it in a temporary folder, twice; then measures CPU time and proportional memory of every process of
it, with one Live endpoint. Goals: hello Live within 15 s of the second start, 3 % of one core, 800 MB.
"""

import sys
import time
from dataclasses import dataclass

import psutil

from tests.support.desk import Desk
from tests.support.oracle import Oracle
from tests.support.platform import Platform, platform
from tests.support.waiting import eventually

SECONDS = 30.0
SETTLED_SECONDS = 15.0  # after a start, caches and pools are still being filled


@dataclass(frozen=True)
class Usage:
    name: str
    pid: int
    percent: float
    megabytes: float
    switches: float


def main(seconds: float = SECONDS) -> int:
    with platform(from_nothing=True) as own:
        first, second = live_after(own), live_again_after(own)
        rest(SETTLED_SECONDS)
        table = usage(own, seconds)
    print(f"hello Live after {first:.1f} s on the first start, {second:.1f} s on the second (goal 15)\n")
    print(f"{'process':18}{'pid':>8}{'CPU %':>8}{'PSS MB':>8}{'switches/s':>12}")
    for one in table:
        print(f"{one.name:18}{one.pid:8}{one.percent:8.2f}{one.megabytes:8.1f}{one.switches:12.1f}")
    percent, megabytes = sum(one.percent for one in table), sum(one.megabytes for one in table)
    print(f"\nidle CPU {percent:.2f} % of one core (goal 3), memory {megabytes:.0f} MB (goal 800)")
    return 0 if percent <= 3 and megabytes <= 800 else 1


def live_after(own: Platform) -> float:
    begun = time.monotonic()
    own.start()
    desk = Desk(own)
    desk.until(desk.hello(), "Live", 120)
    return time.monotonic() - begun


def live_again_after(own: Platform) -> float:
    own.stop()
    return live_after(own)


def rest(seconds: float) -> None:
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, timeout=seconds + 5, every=0.5, what="it has settled")


def usage(own: Platform, seconds: float) -> list[Usage]:
    """Of every process there is at the beginning; one that ends meanwhile is left out."""
    processes = {"supervisor": own.pid_of("supervisor"), **own.processes()}
    for process in Oracle(own).processes():
        processes["keeper" if process.is_keeper else "model server"] = process.pid
    found = {name: psutil.Process(pid) for name, pid in processes.items()}
    before = {name: spent(process) for name, process in found.items()}
    begun = time.monotonic()
    rest(seconds)
    elapsed = time.monotonic() - begun
    table = []
    for name, process in found.items():
        cpu, switches = spent(process)
        table.append(
            Usage(
                name,
                process.pid,
                100 * (cpu - before[name][0]) / elapsed,
                process.memory_full_info().pss / 1e6,
                (switches - before[name][1]) / elapsed,
            )
        )
    return table


def spent(process: psutil.Process) -> tuple[float, int]:
    times = process.cpu_times()
    return times.user + times.system, process.num_ctx_switches().voluntary


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
