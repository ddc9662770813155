"""`manage.py up`: the whole platform on this machine, from one command until Ctrl-C.

This process stays small: it knows no Django, and has neither the database nor the keys open. What needs
them runs as its child. Exit code 0 after a stop, 1 with one sentence when the platform cannot start.
"""

import os
import socket
import sys
from contextlib import suppress

from studio import env
from studio.supervisor import first_run, health, keyfiles, leftovers, programs, valkey
from studio.supervisor.ears import Ears, Stopped
from studio.supervisor.folder import Folder
from studio.supervisor.greeting import greeting
from studio.supervisor.refusal import CannotStart
from studio.supervisor.troop import Troop

BROKER_SECONDS = 30  # a long append-only file takes its time
LIVE_SECONDS = 90


def up() -> int:
    os.umask(0o077)
    folder = Folder(env.data_dir())
    try:
        lifeline = claim(folder)
    except CannotStart as refusal:
        return _refused(refusal)
    troop = Troop(folder, Ears(), programs.HOME, say)
    try:
        run(folder, troop)
    except Stopped:
        say("Stopping.")
    except CannotStart as refusal:
        return _refused(refusal)
    finally:
        troop.stop()
        os.close(lifeline)
    return 0


def claim(folder: Folder) -> int:
    """Everything that can be refused before anything is started. Returns the lock. Raises `CannotStart`."""
    folder.make()
    lifeline = folder.lock()
    leftovers.clear(folder.processes)
    refuse_taken_port(env.host(), env.port())
    keyfiles.ensure(env.secrets_dir(), has_data=(folder.root / "studio.sqlite3").exists())
    return lifeline


def run(folder: Folder, troop: Troop) -> None:
    """Start, greet, and look after it all. Raises `CannotStart`, and `Stopped` when asked to stop."""
    # 1. What everything needs: the broker.
    base = programs.base_environment(folder)
    if env.text("STUDIO_BROKER_URL"):
        _need_broker(troop)
    else:
        troop.launch([programs.broker(folder, base)])
        troop.await_ready()
    # 2. What needs no database starts beside its preparation: the gateway, and agents that have joined before.
    is_first = not folder.first_run.exists()
    troop.launch(programs.without_database(folder, base))
    troop.run_once(programs.prepare(base))
    first_run.follow_address(folder, env.public_url())
    # 3. Everything else, with the agents of nodes that are new; each counts as up when it says so itself.
    troop.launch(programs.with_database(folder, base))
    troop.launch(programs.without_database(folder, base))
    troop.await_ready()
    # 4. A newcomer's first request must not meet a model that is still loading.
    if is_first and folder.first_run.exists():
        _wait_for_hello(folder, troop)
    say(greeting(folder, env.public_url(), sys.executable))
    troop.watch()


def refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise CannotStart(
                f"Port {port} on {host} cannot be used ({error.strerror}); stop what listens there,"
                " or choose another port with STUDIO_PORT."
            ) from None


def say(words: str) -> None:
    """A closed terminal or pipe is no reason to end the platform."""
    with suppress(OSError):
        print(words, flush=True)


def _need_broker(troop: Troop) -> None:
    if not troop.wait_until(lambda: valkey.answers(env.redis_url()), BROKER_SECONDS):
        raise CannotStart(f"The broker named by STUDIO_BROKER_URL does not answer within {BROKER_SECONDS} s.")


def _wait_for_hello(folder: Folder, troop: Troop) -> None:
    content = first_run.read(folder)
    url, key = content["url"] + content["endpoint"]["url"], content["endpoint"]["api_key"]
    say("Waiting for the endpoint hello to be Live.")
    if not troop.wait_until(lambda: health.endpoint_answers(url, key), LIVE_SECONDS):
        say(
            f"The endpoint hello is not Live after {LIVE_SECONDS} s; its window says why. It goes on by itself."
        )


def _refused(refusal: CannotStart) -> int:
    print(refusal, *(f"  {line}" for line in refusal.tail), sep="\n", file=sys.stderr, flush=True)
    return 1
