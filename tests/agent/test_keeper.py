"""The keeper by itself: parent, log, lock, lifeline, and how little it weighs."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scheduler.agent import keeper, procs
from scheduler.agent.checkpoints import ROOT
from tests.agent.node import PATIENCE, eventually

QUIET = "import signal; print('up', flush=True); signal.pause()"


class Kept:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen] = []

    def start(self, code: str = QUIET, *, argv: list[str] | None = None, attempt: int = 1, **spec):
        whole = {
            "attempt": attempt, "argv": argv or [sys.executable, "-S", "-c", code], "env": {}, "token_file_env": "",
            "token_env": "", "host": "127.0.0.1", "port": 1, "stop_seconds": 5, "lifeline": "",
            "lifeline_seconds": 10, **spec,
        }  # fmt: skip
        (self.folder / "spec.json").write_text(json.dumps(whole))
        self.started.append(
            subprocess.Popen(
                [sys.executable, "-S", "-E", "-m", "scheduler.agent.keeper", str(self.folder / "spec.json")],
                cwd=ROOT,
                env={**os.environ, "STUDIO_ATTEMPT": "1", "STUDIO_NODE_ID": f"test+{self.folder}"},
                stderr=(self.folder / "keeper.log").open("wb"),
                start_new_session=True,
            )
        )
        return self.started[-1]

    def read(self, name: str) -> dict:
        path = self.folder / name
        return eventually(lambda: path.exists() and json.loads(path.read_text()), what=f"{name} is written")

    def log(self, name: str = "server.log") -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def clean(self) -> None:
        for one in self.started:
            one.kill()
            one.wait()
        for pid, start, _, _ in procs.marked(f"test+{self.folder}"):
            procs.send(pid, start, signal.SIGKILL)


@pytest.fixture
def kept(tmp_path: Path):
    made = Kept(tmp_path)
    try:
        yield made
    finally:
        made.clean()


def test_it_says_who_runs_and_how_it_ended(kept: Kept):
    one = kept.start("import sys; print('hello'); sys.exit(7)")
    assert one.wait(PATIENCE) == 0
    said = kept.read("keeper.json")
    assert (said["attempt"], said["keeper_pid"], said["port"]) == (1, one.pid, 1)
    ended = kept.read("exit.json")
    assert (ended["code"], ended["asked"], ended["error"]) == (7, "", "")
    assert kept.log() == "hello\n"


def test_it_passes_term_on_and_collects(kept: Kept):
    one = kept.start()
    eventually(lambda: "up" in kept.log())
    one.terminate()
    assert one.wait(PATIENCE) == 0
    ended = kept.read("exit.json")
    assert (ended["code"], ended["asked"]) == (-signal.SIGTERM, keeper.ASKED)


def test_it_kills_after_stop_seconds_with_everything_in_the_group(kept: Kept):
    code = "import os, signal; signal.signal(15, signal.SIG_IGN); os.fork(); print('up', flush=True); signal.pause()"
    one = kept.start(code, stop_seconds=0.2)
    eventually(lambda: kept.log().count("up") == 2)
    one.terminate()
    assert one.wait(PATIENCE) == 0
    assert kept.read("exit.json")["code"] == -signal.SIGKILL
    eventually(lambda: list(procs.marked(f"test+{kept.folder}")) == [])


def test_a_program_that_is_not_there_is_an_end_with_a_reason(kept: Kept):
    assert kept.start(argv=["/no/such/program"]).wait(PATIENCE) == 0
    ended = kept.read("exit.json")
    assert (ended["code"], ended["error"]) == (None, "/no/such/program: No such file or directory")
    assert not (kept.folder / "keeper.json").exists()


def test_the_log_is_bounded(kept: Kept):
    code = "for number in range(40000): print(number, 'x' * 80)"
    assert kept.start(code).wait(PATIENCE) == 0
    assert (kept.folder / "server.log").stat().st_size <= keeper.LOG_BYTES
    assert (kept.folder / "server.log.1").stat().st_size <= keeper.LOG_BYTES
    assert kept.log().endswith(f"39999 {'x' * 80}\n")
    assert len(list(kept.folder.glob("server.log*"))) == 2


def test_a_second_keeper_starts_nothing_while_anything_of_the_first_lives(kept: Kept):
    first = kept.start()
    pid = kept.read("keeper.json")["server_pid"]
    assert kept.start().wait(PATIENCE) == keeper.LOCKED
    first.kill()
    first.wait()
    # The keeper is gone, its server holds the lock on.
    assert psutil.pid_exists(pid)
    assert kept.start().wait(PATIENCE) == keeper.LOCKED
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: procs.started(pid) == procs.GONE)
    (kept.folder / "keeper.json").unlink()
    kept.start()
    assert kept.read("keeper.json")["server_pid"] != pid


def test_a_keeper_started_for_an_older_attempt_starts_nothing(kept: Kept):
    assert kept.start(attempt=2).wait(PATIENCE) == keeper.STALE
    assert not (kept.folder / "keeper.json").exists()


def test_a_server_does_not_end_with_its_keeper_by_itself(kept: Kept):
    one = kept.start()
    pid = kept.read("keeper.json")["server_pid"]
    eventually(
        lambda: "up" in kept.log(), what="the server has said its first word, to a keeper that still hears it"
    )
    one.kill()
    one.wait()
    assert procs.started(pid) != procs.GONE
    assert os.getsid(pid) == pid


def test_it_ends_when_its_lifeline_is_free(kept: Kept):
    lifeline = kept.folder / "lifeline"
    with lifeline.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        one = kept.start(lifeline=str(lifeline), lifeline_seconds=1)
        kept.read("keeper.json")
        assert not keeper.is_free(str(lifeline))
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(2.5)
    assert one.wait(PATIENCE) == 0
    ended = kept.read("exit.json")
    assert (ended["code"], ended["asked"]) == (-signal.SIGTERM, keeper.LIFELINE)


def test_a_lifeline_that_is_gone_is_free(tmp_path: Path):
    assert keeper.is_free(str(tmp_path / "gone"))


def test_it_weighs_little(kept: Kept):
    one = kept.start()
    eventually(lambda: "up" in kept.log())
    memory = psutil.Process(one.pid).memory_full_info()
    print(f"keeper: {memory.pss / 1e6:.1f} MB proportional, {memory.rss / 1e6:.1f} MB resident")
    assert memory.pss < 15e6
