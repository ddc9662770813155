"""The same journey with PostgreSQL, Redis over TCP, and every process started by itself; web keeps its connections."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.environment import of_a_newcomer
from tests.support.services import Services, services
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)  # the platform begins from nothing
ASKED = {"instances": ["How do I create an endpoint?"]}


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    try:
        with services() as made:
            made.manage("importmodels")
            made.manage("createadmin", "olga", typed="a long enough pass-phrase\n")
            made.start_all()
            yield made
    except LookupError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def snapi(running: Services) -> Callable[..., str]:
    """`snapi` as olga, with a key made by the platform for her. Returns what it printed."""
    folder = running.folder / "snapi"
    folder.mkdir(mode=0o700)
    (folder / "config.json").write_text(json.dumps({"HOST_NAME": running.url, "CONFIG_DIR": str(folder)}))
    secret = folder / "secret.txt"
    secret.touch(mode=0o600)
    secret.write_text(running.manage("platformkey", "olga"))

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("snapi")), *words],
            env={**of_a_newcomer(), "SNAPI_CLI_CONFIG_DIR": str(folder)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_from_an_empty_database_to_a_prediction_with_a_second_agent_joined_by_its_token_file(
    running: Services, snapi: Callable[..., str]
) -> None:
    first, second = running.folder / "first.token", running.folder / "second.token"
    add_node(running, "one", first)
    running.start_agent("one", first)
    snapi("project", "create", "--project", "p")
    created = snapi(
        *("endpoint", "create", "--project", "p", "--endpoint_name", "e", "--model-checkpoint", "Help"),
        *("--arch", "sn40l", "--instances", "4"),
    )
    assert created.startswith("Successfully")
    eventually(lambda: seen(running)["instances_ready"] == 2, timeout=60, what="two of four on the one node")
    info = json.loads(snapi("endpoint", "info", "--project", "p", "--endpoint", "e", "--json"))
    assert info["status"] == "Live"
    assert {wait["reason"] for wait in info["waiting"]} == {"none_free"}

    add_node(running, "two", second)
    running.start_agent("two", second)
    eventually(
        lambda: seen(running)["instances_ready"] == 4, timeout=60, what="the joined node takes the others"
    )
    asked = {
        "url": running.url + info["url"],
        "headers": {"key": info["api_key"]},
        "json": ASKED,
        "timeout": 20,
    }
    predicted = httpx.post(**asked)
    assert predicted.status_code == 200
    assert predicted.json()["predictions"][0]["completion"].strip()

    snapi("endpoint", "stop", "--project", "p", "--endpoint", "e")
    eventually(lambda: seen(running)["status"] == "Stopped", timeout=30, what="it stops")
    refused = httpx.post(**asked)
    assert refused.status_code == 503
    assert "Stopped" in refused.json()["error"]["message"]


def test_connections_are_kept_and_made_anew_after_the_database_ended_them(
    running: Services, snapi: Callable[..., str]
) -> None:
    """Those of the web process."""
    assert "STUDIO_DATABASE_POOL" not in running.environment, "as an operator starts it"
    asked = partial(answer, running, "/api/projects")
    assert asked().status_code == 200
    kept = of_web(running, "pid")
    assert {asked().status_code for _ in range(5)} == {200}
    assert kept
    assert kept <= of_web(running, "pid")
    assert of_web(running, "pg_terminate_backend(pid)") == {True}
    assert {asked().status_code for _ in range(5)} == {200}
    assert kept.isdisjoint(of_web(running, "pid"))


def of_web(running: Services, what: str) -> set[int]:
    """`what` of each of its connections."""
    with psycopg.connect(running.environment["STUDIO_DATABASE_URL"], autocommit=True) as own:
        found = own.execute(f"SELECT {what} FROM pg_stat_activity WHERE application_name = 'web'")
        return {row[0] for row in found}


@pytest.mark.soak
def test_sqlite_refuses_a_node_on_another_machine() -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "--uts", "true"], check=False).returncode:
        pytest.skip("a machine of another name needs the right to make one (unshare --uts)")
    try:
        with services(on_postgres=False) as made:
            made.manage("importmodels")
            made.start_all()
            token = made.folder / "far.token"
            add_node(made, "far", token)
            elsewhere = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "sh")
            made.start_agent("far", token, before=elsewhere)
            eventually(lambda: "SQLite" in made.log("agent-far"), timeout=30, what="the agent says why")
            state = made.manage("shell", "-v", "0", "-c", NODE_STATE)
            assert state.split() == ["joining"]
    except LookupError as missing:
        pytest.skip(str(missing))


NODE_STATE = "from scheduler.models import Node; print(Node.objects.get(name='far').state)"


def add_node(made: Services, name: str, token: Path) -> None:
    rdus = ("--generation", "SN40L", "--rdus", "2", "--virtual")
    made.manage("addnode", name, *rdus, "--token-file", str(token))


def seen(running: Services) -> dict[str, Any]:
    """The endpoint, asked for without starting a program each time."""
    found = answer(running, "/api/endpoints/e", project="p")
    assert found.status_code == 200, found.text
    return found.json()


def answer(running: Services, path: str, **query: str) -> httpx.Response:
    key = (running.folder / "snapi" / "secret.txt").read_text().strip()
    told = {"params": query, "headers": {"Authorization": f"Bearer {key}"}, "timeout": 20, "verify": False}
    return httpx.get(f"{running.url}{path}", **told)
