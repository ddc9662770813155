"""Many snapi at once, as processes of their own, and one that watches an endpoint go Live through the front."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.platform import ROOT, Platform
from tests.support.waiting import eventually

PROGRAM = [sys.executable, "-m", "tests.snapi.program"]
many = pytest.mark.parametrize("many", [8, pytest.param(20, marks=pytest.mark.soak)])
SECONDS = 100


@pytest.fixture
def environment(up: Platform, tmp_path: Path) -> dict[str, str]:
    key = up.first_run["users"]["owen"]["platform_key"]
    own = {"SNAPI_HOST_NAME": up.url, "SNAPI_ACCESS_KEY": key, "SNAPI_CLI_CONFIG_DIR": str(tmp_path)}
    return {"PATH": os.environ["PATH"], "SNAPI_TIMEOUT": "90", **own}


@pytest.fixture
def desk(up: Platform) -> Iterator[Desk]:
    """What these tests create they delete."""
    desk = Desk(up)
    yield desk
    for row in desk.client.get(f"{up.url}/api/endpoints", headers=signed(desk)).json()["endpoints"]:
        if row["name"].startswith("together"):
            desk.delete(row)


def signed(desk: Desk) -> dict[str, str]:
    return {"Authorization": f"Bearer {desk.key}"}


def create(name: str, environment: dict[str, str], *more: str) -> "subprocess.Popen[str]":
    command = [*PROGRAM, *"endpoint create -p demo -m Help -a SN40L -n".split(), name, *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


@many
def test_creates_at_once_make_as_many_endpoints_and_hold_no_rdu_twice(
    up: Platform, desk: Desk, environment: dict[str, str], many: int
) -> None:
    processes = [create(f"together {number}", environment) for number in range(many)]
    told = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0] * many, told
    assert all(out.startswith("Successfully created endpoint together ") for out, _ in told)

    def held() -> list[tuple[str, int]]:
        nodes = desk.client.get(f"{up.url}/api/nodes", headers=signed(desk), timeout=30).json()["nodes"]
        return [(node["name"], rdu) for node in nodes for each in node["instances"] for rdu in each["rdus"]]

    def settled() -> bool:
        rows = desk.client.get(f"{up.url}/api/endpoints", headers=signed(desk), timeout=30).json()[
            "endpoints"
        ]
        ours = [row for row in rows if row["name"].startswith("together")]
        return len(ours) == many and all(row["status"] in ("Live", "AwaitingRDU") for row in ours)

    eventually(settled, timeout=SECONDS, what="each of them is Live or waits")
    assert len(held()) == len(set(held()))


@many
def test_creates_of_one_name_make_one_endpoint(
    up: Platform, desk: Desk, environment: dict[str, str], many: int
) -> None:
    processes = [create("together", environment) for _ in range(many)]
    told = [process.communicate(timeout=SECONDS) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0] + [1] * (many - 1), told
    assert desk.named("together")["name"] == "together"


def test_create_wait_tells_the_way_to_live_and_watch_the_end(
    up: Platform, desk: Desk, environment: dict[str, str]
) -> None:
    process = create("together", environment, "--wait", "--timeout", str(SECONDS))
    out, err = process.communicate(timeout=SECONDS + 30)
    assert process.returncode == 0, err
    assert out.startswith("Successfully created endpoint together")
    assert err.splitlines()[-1] == "Live: 1 of 1 instance ready"
    watch = [*PROGRAM, *"endpoint watch -p demo -e together --timeout 60".split()]
    watching = subprocess.Popen(watch, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert watching.stdout
    assert watching.stdout.readline() == "Live: 1 of 1 instance ready\n"
    desk.delete(desk.named("together"))
    last = watching.communicate(timeout=90)[0].splitlines()
    assert any(line.endswith("owen: delete endpoint together") for line in last)
    assert last[-1] == "Endpoint together is deleted, or not yours to see any more."
    ask = [*PROGRAM, *"endpoint predict -p demo -e hello --max-tokens 8 --prompt".split(), "What is an RDU?"]
    asked = subprocess.run(ask, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.strip()
