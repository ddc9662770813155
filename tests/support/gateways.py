"""More gateways of a running platform, each a process of its own that shares the platform's broker and secrets."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx

from tests.support.environment import of_a_newcomer
from tests.support.platform import ROOT, Platform, free_port
from tests.support.waiting import eventually

START_SECONDS = 30


class Beside:
    """One gateway; `start` again after its end goes on with the same spool and address."""

    def __init__(self, up: Platform, name: str, **settings: str) -> None:
        self.up = up
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = up.folder.with_name(f"{name}.log")
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        own = {
            "STUDIO_DATA_DIR": str(self.up.folder),
            "STUDIO_PORT": str(self.port),
            "STUDIO_GATEWAY_SPOOL": str(self.up.folder / f"spool-{self.name}"),
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "endpoints.gateway"],
                cwd=ROOT, env={**of_a_newcomer(), **own, **self._settings},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def start(self) -> "Beside":
        self.launch()
        eventually(self.is_ready, timeout=START_SECONDS, what=f"the gateway {self.name} has its routes")
        return self

    def is_ready(self) -> bool:
        return self.health("/readyz") == 200

    def health(self, path: str) -> int:
        """0 where nobody answers."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return httpx.get(self.url + path, timeout=5, verify=False).status_code
        except httpx.TransportError:
            return 0

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)
            self._process.wait(20)


@contextlib.contextmanager
def beside(up: Platform, *names: str, **settings: str) -> Iterator[list[Beside]]:
    """All of them ready, gone with the block."""
    made = [Beside(up, name, **settings) for name in names]
    try:
        for each in made:
            each.launch()
        for each in made:
            eventually(each.is_ready, timeout=START_SECONDS, what=f"the gateway {each.name} has its routes")
        yield made
    finally:
        for each in made:
            each.stop()
