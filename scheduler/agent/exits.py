"""Learning of a process's end at once and without asking, also of one that is not our child."""

import asyncio
import os
from collections.abc import Iterable

from scheduler.agent import procs
from scheduler.agent.state import Process


class FirstExit:
    """`gone` is set as soon as one of the processes has ended."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._handles: list[int] = []
        for process in processes:
            self._watch(process)

    def _watch(self, process: Process) -> None:
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:
            self.gone.set()
            return
        self._handles.append(handle)
        self._loop.add_reader(handle, self._ended)
        # Compared after the handle was taken: from now on the pid cannot become another's unnoticed.
        if not procs.alive(process.pid, process.start):
            self.gone.set()

    def _ended(self) -> None:
        self.gone.set()
        self.close()

    def close(self) -> None:
        for handle in self._handles:
            self._loop.remove_reader(handle)
            os.close(handle)
        self._handles = []
