"""The agent as a program: what it imports, what it refuses, whom it nudges."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scheduler.agent import app as program
from scheduler.agent import settings
from scheduler.agent.state import StateFolder
from studio import env
from tests.agent.node import PATIENCE, Node, eventually, wished


def test_it_needs_no_django():
    # kombu looks whether there is one; here there is none.
    absent = "django environ psycopg aiohttp uvicorn xllamacpp".split()
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import scheduler.agent.app"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("STUDIO_", "DJANGO_"))
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_keepers_need_the_standard_library_only():
    code = "import sys, scheduler.agent.keeper, scheduler.agent.verify; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    foreign = {name.split(".")[0] for name in said.stdout.split()} - sys.stdlib_module_names - {"__main__"}
    assert foreign == {"scheduler"}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A good one, to be spoiled."""
    token = tmp_path / "join-token"
    token.write_text("the-token")
    token.chmod(0o600)
    monkeypatch.setenv("STUDIO_NODE", "n")
    monkeypatch.setenv("STUDIO_NODE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STUDIO_NODE_TOKEN_FILE", str(token))
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("STUDIO_NODE", "../n", "STUDIO_NODE must name this node"),
        ("STUDIO_NODE_DIR", "", "STUDIO_NODE_DIR must name the folder"),
        ("STUDIO_NODE_DIR", "/proc/nothing", "The state folder /proc/nothing cannot be used"),
        ("STUDIO_NODE_TOKEN_FILE", "", "STUDIO_NODE_TOKEN_FILE must name the file"),
        ("STUDIO_NODE_TOKEN_FILE", "/no/token", "The join token /no/token cannot be read"),
        ("STUDIO_LIFELINE_SECONDS", "0", "must be between 1 and 3600"),
    ],
)
def test_a_bad_environment_is_one_sentence(environment, name: str, value: str, sentence: str):
    environment.setenv(name, value)
    with pytest.raises(env.BadSetting, match=sentence):
        settings.from_environment()


def test_a_refused_start_is_one_line_and_exit_code_1(node: Node):
    assert node.start(STUDIO_NODE="").wait(PATIENCE) == 1
    assert node.log() == "STUDIO_NODE must name this node: letters, digits, . _ -, at most 63.\n"


def test_a_token_others_may_read_is_refused(environment, tmp_path: Path):
    (tmp_path / "join-token").chmod(0o644)
    with pytest.raises(env.BadSetting, match="can be read by others; run: chmod 600"):
        settings.from_environment()


def test_a_token_from_standard_input_is_kept(environment, tmp_path: Path):
    environment.setenv("STUDIO_NODE_TOKEN_FILE", "-")
    environment.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(env.BadSetting, match="cannot be read: No such file"):
        settings.from_environment()
    environment.setattr(sys, "stdin", io.StringIO("said-once\n"))
    assert settings.from_environment().token.reveal() == "said-once"
    environment.setattr(sys, "stdin", io.StringIO(""))
    assert settings.from_environment().token.reveal() == "said-once"
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_the_boot_counter_only_grows(tmp_path: Path):
    folder = StateFolder(tmp_path)
    assert [folder.next_boot(), folder.next_boot(), folder.next_boot(above=9)] == [1, 2, 10]
    assert folder.agent_id() == folder.agent_id()


def test_control_is_nudged_when_the_report_says_something_new(running: Node):
    one = wished()
    running.heard()
    running.broker.delete("reports")
    running.wish(one)
    running.until(one.id, "ready")
    message = json.loads(eventually(lambda: running.broker.lpop("reports")))
    assert message["headers"]["task"] == "scheduler.tasks.take_reports"
    assert message["headers"]["expires"]
    # Heartbeats say nothing new.
    eventually(lambda: running.broker.lpop("reports") is None)
    seq = running.report().seq
    eventually(lambda: running.report().seq > seq)
    assert running.broker.llen("reports") == 0


def test_the_nudge_gives_up_at_once_where_there_is_no_broker(tmp_path: Path):
    sender = program.nudger(f"redis+socket://{tmp_path}/nobody.sock")
    begun = time.monotonic()
    with pytest.raises(Exception, match=r"nobody\.sock"):
        sender.send_task(program.TAKE_REPORTS, queue="reports", retry=False, ignore_result=True)
    assert time.monotonic() - begun < 1.5


def test_an_idle_agent_costs_little(running: Node):
    one = wished()
    running.wish(one)
    running.until(one.id, "ready")
    process = psutil.Process(running.agent.pid)
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    seq = running.report().seq
    eventually(lambda: running.report().seq >= seq + 2)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    print(f"agent: {share:.2%} of a core idle, {process.memory_info().rss / 1e6:.0f} MB resident")
    assert share < 0.03
