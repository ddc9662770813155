"""Nodes that fall silent, are given up and come back; an agent that claims the name of another."""

import contextlib
import os
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


@pytest.fixture(scope="module")
def impatient() -> Iterator[Platform]:
    """A platform that gives up a silent node after six seconds."""
    with platform(STUDIO_SUSPECT_SECONDS="3", STUDIO_LOST_SECONDS="6") as own:
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
