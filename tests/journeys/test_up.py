"""`manage.py up` as a newcomer meets it: the first run, refusals, stops, kills, and the next start."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
import urllib.request

import pytest

from tests.support.platform import Platform, platform
from tests.support.waiting import eventually

STOP_SECONDS = 10
AFTER_KILL_SECONDS = 20
SECOND_START_SECONDS = 30


def refused(started: Platform) -> str:
    """What is printed by a start that fails: exit code 1, without a traceback."""
    assert started.launch().wait(30) == 1
    assert "Traceback" not in started.output
    return started.output


def printed_commands(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if line.startswith("    "))


def ask_hello(started: Platform) -> int:
    endpoint = started.first_run["endpoint"]
    request = urllib.request.Request(
        started.url + endpoint["url"],
        json.dumps({"instances": ["How do I create an endpoint?"]}).encode(),
        {"key": endpoint["api_key"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


def live(started: Platform) -> bool:
    try:
        return ask_hello(started) == 200
    except OSError:
        return False


# --- the first run, on the shared platform ----------------------------------------------------------------


def test_what_is_printed_works_when_it_is_pasted(up):
    done = subprocess.run(["sh", "-c", printed_commands(up.output)], capture_output=True, text=True)
    assert json.loads(done.stdout)["predictions"][0]["completion"], done.stdout + done.stderr


def test_no_secret_is_printed_or_logged(up):
    said = up.output + "".join(path.read_text() for path in (up.folder / "logs").iterdir())
    people = up.first_run["users"].values()
    keys = [path.read_text().strip() for path in (up.folder / "secrets").iterdir()]
    tokens = [path.read_text().strip() for path in (up.folder / "nodes").glob("*/token")]
    secrets = [up.first_run["endpoint"]["api_key"], *keys, *tokens]
    secrets += [person[kind] for person in people for kind in ("password", "platform_key")]
    assert [secret for secret in secrets if secret in said] == []


def test_first_run_tells_who_can_sign_in(up):
    first = up.first_run
    people = {name: (person["role"], person["tenant"]) for name, person in first["users"].items()}
    assert people == {
        "olga": ("OrgAdmin", "default"),
        "tina": ("TenantAdmin", "default"),
        "owen": ("member", "default"),
        "mila": ("member", "default"),
        "oskar": ("member", "research"),
        "otto": ("operator", "default"),
    }
    assert first["url"] == up.url
    assert first["project"]["name"] == "demo"
    assert first["endpoint"]["name"] == "hello"


def test_only_the_owner_reads_the_data_folder(up):
    def mode(*parts: str) -> int:
        return stat.S_IMODE(up.folder.joinpath(*parts).stat().st_mode)

    assert mode() == 0o700
    assert mode("first-run.json") == mode("snapi", "secret.txt") == mode("nodes", "sn40l-1", "token") == 0o600
    assert {mode("secrets", path.name) for path in (up.folder / "secrets").iterdir()} == {0o600}


def test_a_process_that_dies_is_started_again(up):
    before = up.pid_of("beat")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: up.processes().get("beat", before) != before, timeout=5, what="another beat runs")
    assert "beat ended with signal 9" in up.output


def test_a_second_up_on_the_same_data_is_refused(up):
    second = Platform(up.folder, up.port + 1)
    second.output_path = up.folder.with_name("second.out")
    assert refused(second) == f"Studio runs already on the data folder {up.folder}; stop it there first.\n"
    assert ask_hello(up) == 200


# --- refusals ---------------------------------------------------------------------------------------------


def test_a_taken_port_is_refused(own_platform):
    with socket.create_server(("127.0.0.1", own_platform.port)):
        assert f"Port {own_platform.port} on 127.0.0.1 cannot be used" in refused(own_platform)
    assert own_platform.everything() == {}


def test_a_folder_that_cannot_be_written_is_refused(own_platform, tmp_path):
    (tmp_path / "file").touch()
    own_platform.settings["STUDIO_DATA_DIR"] = str(tmp_path / "file" / "data")
    assert "cannot be written (Not a directory)" in refused(own_platform)


def test_a_process_that_does_not_start_is_named_with_its_last_words(own_platform):
    own_platform.settings |= {"STUDIO_BODY_LIMIT_MB": "many", "STUDIO_DEMO": "0"}
    said = refused(own_platform)
    assert said.startswith("gateway ended with code 1 while it started")
    assert "STUDIO_BODY_LIMIT_MB must be a whole number, not 'many'." in said
    assert own_platform.everything() == {}


# --- the life of one data folder --------------------------------------------------------------------------


@pytest.mark.timeout(400)
@pytest.mark.slow
def test_stop_start_kill_and_start_again(own_platform):
    """One story, since each part begins where the one before ends."""
    # 1. Killed in the middle of the first run, the next start completes it.
    own_platform.launch()
    draft = own_platform.folder / "first-run.draft.json"
    eventually(draft.exists, timeout=60, what="the demo is begun")
    own_platform.kill()
    nothing_stays(own_platform)
    own_platform.start()
    assert ask_hello(own_platform) == 200
    assert not draft.exists()
    first = own_platform.first_run
    # 2. Ctrl-C: everything ends in time, with exit code 0.
    assert len(own_platform.everything()) > 8
    begun = time.monotonic()
    assert own_platform.stop() == 0
    assert time.monotonic() - begun <= STOP_SECONDS
    assert own_platform.everything() == {}
    # 3. The second start is quick: hello is Live again within seconds of the command.
    own_platform.launch()
    eventually(lambda: live(own_platform), timeout=SECOND_START_SECONDS, what="hello is Live")
    eventually(own_platform.greeted, timeout=30, what="the platform greets")
    assert own_platform.first_run == first
    # 4. A start right after kill -9 of the supervisor keeps the model servers: their lifeline is taut again in time.
    servers = model_servers(own_platform)
    own_platform.kill()
    own_platform.start()
    eventually(lambda: live(own_platform), timeout=20, what="hello is Live")
    assert len(servers) == 1
    assert model_servers(own_platform) == servers


def model_servers(started: Platform) -> set[int]:
    return {pid for pid, command in started.everything().items() if "scheduler.agent.serve" in command}


def nothing_stays(killed: Platform) -> None:
    eventually(lambda: killed.everything() == {}, AFTER_KILL_SECONDS, what="every process has ended")


@pytest.mark.soak
@pytest.mark.timeout(240)
@pytest.mark.slow
def test_without_the_demo_an_admin_is_made_by_hand():
    with platform(STUDIO_DEMO="0") as bare:
        bare.start()
        assert "createadmin NAME" in bare.output
        assert not (bare.folder / "first-run.json").exists()
        refusal = bare.manage("createadmin", "ada", typed="short\n")
        assert refusal.returncode == 1
        assert "too short" in refusal.stderr
        done = bare.manage("createadmin", "ada", "--operator", typed="correct horse battery\n")
        assert done.stdout == "ada is an OrgAdmin and an operator now.\n"
        assert bare.manage("mintincarnation").stdout == "Control is in incarnation 2 now.\n"
        assert bare.stop(signal.SIGTERM) == 0
