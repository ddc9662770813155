"""An instance's way through the agent, with real processes: start, drain, stop, fail."""

import time
from pathlib import Path

import pytest

from scheduler import registers
from tests.agent.node import Node, ask, but, eventually, runtime, wished


def test_a_wished_instance_gets_ready_and_answers_with_its_token(running: Node):
    one = wished()
    running.wish(one)
    seen = running.until(one.id, "ready")
    said = ask(seen, one, "/fake")
    assert said["warm"] == 1
    assert said["environment"]["FAKE_DEVICES"] == "2,3"
    assert seen.pid in running.servers()


def test_the_token_stands_in_its_0600_file_only(running: Node):
    one = wished()
    running.wish(one)
    said = ask(running.until(one.id, "ready"), one, "/fake")
    assert "STUDIO_BROKER_URL" not in said["environment"]
    assert one.token not in str(said["environment"]) + "".join(running.ours().values()) + running.log()
    holding = [
        path
        for path in running.folder.rglob("*")
        if path.is_file() and path.name != "server.log" and one.token.encode() in path.read_bytes()
    ]
    assert [path.name for path in holding] == ["token"]
    assert holding[0].stat().st_mode & 0o777 == 0o600


def test_a_token_can_be_passed_in_a_variable(running: Node):
    one = wished(runtime=runtime(token_file_env="", token_env="FAKE_TOKEN"))
    running.wish(one)
    assert ask(running.until(one.id, "ready"), one, "/fake")["environment"]["FAKE_TOKEN"] == one.token


def test_an_attempt_that_ended_is_told_and_not_repeated_and_the_next_one_runs(running: Node):
    failing = wished(runtime=runtime("--exit", "3"))
    running.wish(failing)
    seen = running.until(failing.id, "exited")
    assert (seen.attempt, seen.exit_code, seen.error) == (1, 3, "launch")
    assert seen.sentence == "The model server ended by itself with exit code 3."
    assert seen.log_tail == [f"line {number}" for number in range(20, 40)]
    running.heard(failing)
    assert running.seen(failing.id) == seen

    running.wish(but(failing, attempt=2, runtime=runtime()))
    assert running.until(failing.id, "ready").attempt == 2


def test_a_log_line_with_the_token_is_told_without_it(running: Node):
    one = wished(runtime=runtime("--collide", "/no/such/folder/file"))
    running.wish(one)
    tail = running.until(one.id, "exited").log_tail
    assert tail[0] == "fake server fake-model with token ••••"


def test_a_new_attempt_ends_the_process_of_the_older_one_first(running: Node):
    one = wished()
    running.wish(one)
    before = running.until(one.id, "ready").pid
    running.wish(but(one, attempt=2))
    eventually(lambda: running.seen(one.id).attempt == 2 and running.seen(one.id).state == "ready")
    assert running.servers() == [running.seen(one.id).pid]
    assert before not in running.servers()


def test_hold_keeps_no_process(running: Node):
    one = wished()
    running.wish(but(one, desired="hold"))
    running.until(one.id, "absent")
    running.wish(one)
    running.until(one.id, "ready")
    running.wish(but(one, desired="hold"))
    running.until(one.id, "absent")
    assert running.ours() == {}


def test_stop_ends_it_at_once_and_kills_a_deaf_server(running: Node):
    polite = wished()
    deaf = wished(runtime=runtime("--deaf", stop_seconds=1))
    running.wish(polite, deaf)
    running.until(polite.id, "ready")
    pid = running.until(deaf.id, "ready").pid
    running.wish(but(polite, desired="stop"), but(deaf, desired="stop"))
    running.until(polite.id, "stopped")
    assert pid in running.servers()
    running.until(deaf.id, "stopped")
    assert running.ours() == {}


def test_drain_waits_for_unfinished_requests(running: Node):
    one = wished()
    running.wish(one)
    seen = running.until(one.id, "ready")
    ask(seen, one, "/fake/busy?n=2", "POST")
    running.wish(but(one, desired="drain"))
    eventually(lambda: running.seen(one.id).state == "draining" and running.seen(one.id).in_flight == 2)
    # Looked at for longer than the shortest drain: it is the request that keeps it.
    looks = []
    eventually(lambda: looks.append(running.report().seq) or looks[-1] >= looks[0] + 1)
    assert running.seen(one.id).state == "draining"
    ask(seen, one, "/fake/busy?n=0", "POST")
    running.until(one.id, "stopped")
    assert running.ours() == {}


def test_drain_ends_with_its_deadline(running: Node):
    one = wished(drain_seconds=1)
    running.wish(one)
    ask(running.until(one.id, "ready"), one, "/fake/busy?n=1", "POST")
    running.wish(but(one, desired="drain"))
    running.until(one.id, "stopped")


def test_a_drained_instance_wanted_again_stays_with_its_process(running: Node):
    one = wished()
    running.wish(one)
    seen = running.until(one.id, "ready")
    ask(seen, one, "/fake/busy?n=1", "POST")
    running.wish(but(one, desired="drain"))
    running.until(one.id, "draining")
    running.wish(one)
    assert running.until(one.id, "ready").pid == seen.pid


def test_an_idle_drain_lasts_a_second_at_least(running: Node):
    one = wished()
    running.wish(one)
    running.until(one.id, "ready")
    running.wish(but(one, desired="drain"))
    running.until(one.id, "draining")
    begun = time.monotonic()
    running.until(one.id, "stopped")
    assert 0.8 < time.monotonic() - begun < 15


def test_what_no_wish_names_is_ended_and_foreign_until_then(running: Node):
    one = wished(runtime=runtime("--deaf", stop_seconds=1))
    running.wish(one)
    running.until(one.id, "ready")
    assert running.heard().foreign == [one.id]
    eventually(lambda: running.report().foreign == [])
    assert running.ours() == {}
    eventually(lambda: not (running.folder / "instances" / one.id).exists())


def test_processes_that_a_server_left_behind_are_ended_with_it(running: Node):
    one = wished(runtime=runtime("--child"))
    running.wish(one)
    running.until(one.id, "ready")
    assert len(running.servers()) == 2
    running.wish(but(one, desired="stop"))
    running.until(one.id, "stopped")
    assert running.ours() == {}


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["/no/such/program", "{port}"], "could not be started: /no/such/program: No such file"),
        (["{python}", "{secret}"], "unknown field {secret}"),
        ([], "has no command"),
    ],
)
def test_what_cannot_be_started_says_why(running: Node, argv: list[str], sentence: str):
    one = wished(runtime=runtime(argv=argv))
    running.wish(one)
    seen = running.until(one.id, "exited")
    assert seen.error == "launch"
    assert sentence in seen.sentence


def test_a_lost_race_for_the_port_costs_no_attempt(running: Node, tmp_path: Path):
    one = wished(runtime=runtime("--collide", str(tmp_path / "collided")))
    running.wish(one)
    assert running.until(one.id, "ready").attempt == 1
    assert (tmp_path / "collided").exists()


def test_a_server_that_never_gets_ready_is_given_up(running: Node):
    one = wished(runtime=runtime("--start-seconds", "60", start_seconds=1))
    running.wish(one)
    seen = running.until(one.id, "exited")
    assert (seen.error, seen.sentence) == ("launch", "The model server did not get ready within 1 seconds.")
    assert running.ours() == {}


def test_a_lost_nudge_costs_a_moment_only(running: Node):
    one = wished()
    running.wish(one, nudge=False)
    running.until(one.id, "ready")


def test_an_older_wish_is_refused_and_one_after_a_restore_is_followed(running: Node):
    one = wished()
    running.wish(one)
    running.until(one.id, "ready")
    running.broker.delete(registers.wish_key(running.name))
    running.wish(epoch=running.epoch - 1)
    eventually(lambda: "older than the one followed" in running.log())
    assert running.seen(one.id).state == "ready"
    running.incarnation += 1
    running.epoch = 0
    running.heard()
    eventually(lambda: running.ours() == {})


def test_a_wish_sealed_for_another_token_is_refused(running: Node):
    one = wished()
    running.wish(one)
    running.until(one.id, "ready")
    right, running.key = running.key, bytes(32)
    running.wish()
    running.key = right
    eventually(lambda: "was not sealed for the join token here" in running.log())
    assert running.servers()
