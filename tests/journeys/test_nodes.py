"""Nodes that fall silent, are given up and come back; an agent that claims the name of another; a checkpoint that is
not what its manifest says: it is never served, and repaired it is."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.oracle import Instance, Oracle
from tests.support.platform import ROOT, Platform, platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)


SHIPPED = ROOT / "studio" / "hub" / "shipped"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of its own with what is shipped."""
    folder = tmp_path_factory.mktemp("own") / "store"
    return Path(shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("train")))


@pytest.fixture(scope="module")
def impatient(store: Path) -> Iterator[Platform]:
    """A platform that gives up a silent node after six seconds, and takes its checkpoints from `store`."""
    told = {"STUDIO_SUSPECT_SECONDS": "3", "STUDIO_LOST_SECONDS": "6", "STUDIO_STORE": str(store)}
    with platform(**told) as own:
        yield own.start()


@pytest.fixture
def desk(impatient: Platform) -> Desk:
    return Desk(impatient)


@pytest.fixture
def oracle(impatient: Platform) -> Oracle:
    return Oracle(impatient)


def test_an_endpoint_moves_off_a_lost_node_and_its_old_instance_ends_when_the_node_returns(
    impatient: Platform, desk: Desk, oracle: Oracle
) -> None:
    hello = desk.hello()
    desk.until(hello, "Live")
    oracle.agrees()
    (before,) = oracle.instances(hello["id"])
    old_server = oracle.server_of(hello["id"])
    with oracle.watching(), desk.calling(hello) as answers:
        with frozen(impatient, before.node):
            until_node(oracle, before.node, "lost")
            assert old_server.lives(), "nothing is released on lost"
            eventually(
                lambda: moved(oracle, hello["id"], before), timeout=60, what="the replacement is ready"
            )
        oracle.agrees(90)
    (after,) = oracle.instances(hello["id"])
    assert after.node != before.node
    assert not old_server.lives()
    assert set(answers) == {200}
    desk.until_it_answers(hello)


def test_an_instance_that_could_not_move_is_adopted_when_its_node_returns(
    impatient: Platform, desk: Desk, oracle: Oracle
) -> None:
    """There is one SN30 node, so nothing else can take it."""
    rooted = desk.create("rooted", arch="SN30")
    desk.until(rooted, "Live")
    oracle.agrees()
    server = oracle.server_of(rooted["id"])
    with oracle.watching(), desk.calling(rooted) as answers:
        with frozen(impatient, "sn30-1"):
            until_node(oracle, "sn30-1", "lost")
            eventually(lambda: waits(oracle, rooted["id"]), timeout=30, what="its replacement waits")
        desk.until(rooted, "Live", 90)
        oracle.agrees(90)
    assert oracle.server_of(rooted["id"]) == server, "the model server is another"
    assert set(answers) == {200}, "it answered all the time"
    desk.delete(rooted)


def test_a_second_agent_of_the_same_name_touches_nothing(
    impatient: Platform, desk: Desk, oracle: Oracle, tmp_path: Path
) -> None:
    hello = desk.hello()
    desk.until(hello, "Live")
    oracle.agrees()
    (row,) = oracle.instances(hello["id"])
    server = oracle.server_of(hello["id"])
    token = impatient.folder / "nodes" / row.node / "token"
    with (
        oracle.watching(),
        desk.calling(hello) as answers,
        agent(impatient, row.node, tmp_path, token) as log,
    ):
        eventually(lambda: "another agent" in log.read_text(), timeout=30, what="it is told")
        eventually(lambda: oracle.nodes()[row.node].intruder, timeout=30, what="operators see it")
        made = desk.create("beside")
        desk.until(made, "Live")
        desk.delete(made)
    oracle.agrees()
    assert server.lives()
    assert set(answers) == {200}
    assert not (tmp_path / "instances").exists()


def test_a_second_agent_in_the_same_folder_refuses_to_start(impatient: Platform, oracle: Oracle) -> None:
    folder = impatient.folder / "nodes" / "sn30-1"
    done = subprocess.run(
        [sys.executable, "-m", "scheduler.agent"],
        cwd=ROOT, env=agent_environment(impatient, "sn30-1", folder, folder / "token"),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Another agent already works" in done.stderr
    oracle.agrees()


def test_a_flipped_byte_fails_the_endpoint_by_name_of_the_file_until_it_is_repaired(
    desk: Desk, oracle: Oracle, store: Path
) -> None:
    desk.until(desk.hello(), "Live")
    weights = store / "help" / "2" / "model.gguf"
    flip(weights)

    broken = desk.create("broken")  # of the newest version, 2
    desk.until(broken, "Failed")
    shown = desk.info(broken)
    assert shown["status_reason"] == (
        "The checkpoint does not match its manifest: help/2/model.gguf has another sha256."
    )
    oracle.agrees()
    assert not oracle.processes_of(broken["id"]), "nothing was started"
    assert sum(node.free for node in oracle.nodes().values()) == 23, "only hello holds an RDU"
    assert desk.predict(broken) == 503

    flip(weights)
    desk.restart(broken)
    desk.until(broken, "Live")
    desk.until_it_answers(broken)
    oracle.agrees()
    desk.delete(broken)
    oracle.agrees()


# --- what is looked at ----------------------------------------------------------------------------------


def until_node(oracle: Oracle, name: str, state: str) -> None:
    eventually(lambda: oracle.nodes()[name].state == state, timeout=40, what=f"{name} is {state}")


def moved(oracle: Oracle, endpoint: str, before: Instance) -> bool:
    return any(row.state == "ready" and row.id != before.id for row in oracle.instances(endpoint))


def waits(oracle: Oracle, endpoint: str) -> bool:
    return any(row.state == "awaiting" and row.reason for row in oracle.instances(endpoint))


# --- what is done ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def frozen(up: Platform, node: str) -> Iterator[None]:
    pid = up.pid_of(f"agent-{node}")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def flip(file: Path) -> None:
    """One bit of the last byte."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@contextlib.contextmanager
def agent(up: Platform, node: str, folder: Path, token: Path) -> Iterator[Path]:
    """Another agent for a node that has one, in a folder of its own; yields its log."""
    log = folder / "agent.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scheduler.agent"],
            cwd=ROOT, env=agent_environment(up, node, folder, token), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


def agent_environment(up: Platform, node: str, folder: Path, token: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    return {
        **kept,
        "STUDIO_DATA_DIR": str(up.folder),
        "STUDIO_NODE": node,
        "STUDIO_NODE_DIR": str(folder),
        "STUDIO_NODE_TOKEN_FILE": str(token),
    }
