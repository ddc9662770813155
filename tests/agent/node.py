"""A node for a test: a real agent process, and control's side of its two registers."""

import functools
import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import msgspec
import redis
from celery import Celery

from scheduler import registers, wire
from scheduler.agent import procs
from studio import seal
from tests.support import waiting

# A start costs a second of a core, and the tests of the whole project share the machine.
PATIENCE = 45.0
eventually = functools.partial(waiting.eventually, timeout=PATIENCE)

FAKE = Path(__file__).parent / "fake_server.py"
TOKEN = "join-token-of-the-test-node"


def runtime(*options: str, **changes) -> wire.Runtime:
    values = {
        "name": "fake",
        "version": "1",
        "argv": [
            "{python}", "-S", str(FAKE), "--host", "{host}", "--port", "{port}", "--name", "{name}",
            "--devices", "{devices}", *options,
        ],
        "token_file_env": "FAKE_TOKEN_FILE",
        "device_env": "FAKE_DEVICES",
        "metrics_path": "/metrics",
        "in_flight_metrics": ["fake_running", "fake_waiting"],
        "start_seconds": 20,
        "stop_seconds": 2,
        **changes,
    }  # fmt: skip
    return wire.Runtime(**values)


def wished(id: str = "", desired: wire.Desired = "run", attempt: int = 1, **changes) -> wire.Wished:
    values = {
        "id": id or f"i-{uuid.uuid4().hex[:8]}",
        "endpoint": "e-1",
        "desired": desired,
        "attempt": attempt,
        "name": "fake-model",
        "experts": [],
        "runtime": runtime(),
        "rdus": [2, 3],
        "parameters": {},
        "token": f"token-{uuid.uuid4().hex}",
        "drain_seconds": 20,
        **changes,
    }
    return wire.Wished(**values)


def but(one: wire.Wished, **changes) -> wire.Wished:
    return msgspec.structs.replace(one, **changes)


class Node:
    def __init__(
        self, folder: Path, broker: redis.Redis, url: str, name: str = "node-1", **environment: str
    ) -> None:
        self.name = name
        self.folder = folder
        self.broker = broker
        self.url = url
        self.extra = environment
        self.control = Celery("control", broker=url, fixups=[], set_as_current=False)
        self.key = seal.derive(TOKEN, "node-wire")
        self.epoch = 0
        self.incarnation = 1
        self.agents: list[subprocess.Popen] = []

    # --- the agent --------------------------------------------------------------------------------------

    def start(self, *, folder: Path | None = None, **environment: str) -> subprocess.Popen:
        folder = folder or self.folder
        folder.mkdir(parents=True, exist_ok=True)
        token = folder.parent / f"{folder.name}.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
        agent = subprocess.Popen(
            [sys.executable, "-m", "scheduler.agent"],
            env={
                **inherited,
                "STUDIO_NODE": self.name,
                "STUDIO_NODE_DIR": str(folder),
                "STUDIO_NODE_TOKEN_FILE": str(token),
                "STUDIO_BROKER_URL": self.url,
                **self.extra,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(folder.parent / f"{folder.name}.log").open("ab"),
        )
        self.agents.append(agent)
        return agent

    @property
    def agent(self) -> subprocess.Popen:
        return self.agents[-1]

    def kill_agent(self) -> None:
        self.agent.kill()
        self.agent.wait()

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    # --- control's side ---------------------------------------------------------------------------------

    def heard(self, *instances: wire.Wished) -> wire.Report:
        """The first report that has applied this wish."""
        number = self.wish(*instances).number

        def applied() -> wire.Report | None:
            report = self.report()
            return report if wire.packed(report.incarnation, report.epoch) == number else None

        return eventually(applied, what=f"the agent applied {number}")

    def wish(
        self, *instances: wire.Wished, agent: str = "", epoch: int | None = None, nudge: bool = True
    ) -> wire.Wish:
        self.epoch = self.epoch + 1 if epoch is None else epoch
        wish = wire.Wish(self.name, agent, self.incarnation, self.epoch, list(instances))
        registers.put_wish(self.broker, self.name, wish.number, self.sealed(wish))
        if nudge:
            queue = f"node.{self.name}"
            self.control.send_task("scheduler.agent.wake", queue=queue, expires=10, ignore_result=True)
        return wish

    def sealed(self, wish: wire.Wish) -> bytes:
        return seal.seal(self.key, wire.encode(wish), wire.wish_purpose(self.name))

    def report(self) -> wire.Report:
        """The newest report. An AssertionError, "not yet" for `eventually`, while there is none."""
        found = registers.get_reports(self.broker, [self.name])
        assert found, "no report yet"
        opened = seal.unseal([self.key], found[self.name][1], wire.wish_purpose(self.name))
        return wire.decode_report(opened)

    def seen(self, id: str) -> wire.Seen:
        found = [seen for seen in self.report().instances if seen.id == id]
        assert found, f"{id} is not in the report"
        return found[0]

    def until(self, id: str, *states: str) -> wire.Seen:
        def there() -> wire.Seen | None:
            seen = self.seen(id)
            assert seen.state in states, seen
            return seen

        try:
            return eventually(there, what=f"{id} is {'/'.join(states)}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    # --- the machine ------------------------------------------------------------------------------------

    def ours(self) -> dict[int, str]:
        """pid → command line of each living process with this node's marker."""
        marker = self.folder / "marker"
        if not marker.exists():
            return {}
        found = {}
        for pid, start, _, _ in procs.marked(marker.read_text()):
            line = (
                Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") if procs.alive(pid, start) else ""
            )
            if line:
                found[pid] = line
        return found

    def servers(self) -> list[int]:
        return [pid for pid, line in self.ours().items() if "scheduler.agent.keeper" not in line]

    def keepers(self) -> list[int]:
        return [pid for pid, line in self.ours().items() if "scheduler.agent.keeper" in line]

    def clean(self) -> None:
        for agent in self.agents:
            agent.kill()
            agent.wait()
            if agent.stdout:
                agent.stdout.close()
        self.control.close()
        for pid in self.ours():
            os.kill(pid, signal.SIGKILL)


def ask(seen: wire.Seen, one: wire.Wished, path: str, method: str = "GET", timeout: float = 5.0) -> dict:
    """One request to the fake server, with the instance's token."""
    request = urllib.request.Request(
        f"http://{seen.host}:{seen.port}{path}",
        method=method,
        data=b"" if method == "POST" else None,
        headers={"Authorization": f"Bearer {one.token}"},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)
