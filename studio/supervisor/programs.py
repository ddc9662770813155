"""The processes of the embedded default: what each is started with, and when it counts as up.

Names are those of the log files and of `run/processes.json`: broker, prepare, gateway, web, control, beat,
agent-<node>.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from studio import env
from studio.supervisor import health, valkey
from studio.supervisor.child import Program
from studio.supervisor.folder import Folder

HOME = Path(__file__).resolve().parents[2]  # of manage.py
QUEUES = "placement,driving,reports"
DRAIN_SECONDS = "4"  # a stop of the machine; a service of its own may give its gateway longer

SECRETS = {
    f"STUDIO_{name}"
    for name in (
        "SECRET_KEY",
        "KEY_PEPPER",
        "VALUE_SEAL",
        "ROUTES_SEAL",
        "ROUTES_SIGN",
        "ROUTES_VERIFY",
        "AUDIT_SEAL",
    )
}
OF_THE_GATEWAY = {"STUDIO_KEY_PEPPER", "STUDIO_ROUTES_SEAL", "STUDIO_ROUTES_VERIFY"}
OF_DJANGO = {"DJANGO_SETTINGS_MODULE", "STUDIO_DATABASE_URL"}


def base_environment(folder: Folder, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every process gets: the operator's variables, with folders spelled out since they run elsewhere."""
    spelled = {"STUDIO_DATA_DIR": str(folder.root), "PYTHONUNBUFFERED": "1"}
    for name in ("STUDIO_SECRETS_DIR", "STUDIO_STORE"):
        if given.get(name, "").strip():
            spelled[name] = str(Path(given[name].strip()).expanduser().resolve())
    return {**given, **spelled}


def broker(folder: Folder, base: Mapping[str, str]) -> Program:
    """Raises `CannotStart` where no server program is found."""
    return Program(
        "broker",
        valkey.command(valkey.program(), folder.broker, folder.broker_socket),
        _without(base, SECRETS | OF_DJANGO),
        ready=lambda pid: valkey.answers(env.redis_url()),
    )


def prepare(base: Mapping[str, str]) -> Program:
    """Migrates and makes the demo; ends by itself."""
    argv = [sys.executable, str(HOME / "manage.py"), "prepare"]
    return Program("prepare", argv, base, ready=lambda pid: False, seconds=300)


def with_database(folder: Folder, base: Mapping[str, str]) -> list[Program]:
    return [_web(folder, base), _control(folder, base)]


def without_database(folder: Folder, base: Mapping[str, str]) -> list[Program]:
    """The gateway, the beat, and an agent for each node whose join token lies here."""
    bare = _without(base, SECRETS | OF_DJANGO)
    agents = [_agent(folder, node, bare) for node in folder.node_folders()]
    return [_gateway(folder, base), _beat(folder, bare), *agents]


def _web(folder: Folder, base: Mapping[str, str]) -> Program:
    argv = [
        *(sys.executable, "-m", "uvicorn", "studio.asgi:application", "--uds", str(folder.web_socket)),
        *("--loop", "uvloop", "--http", "httptools", "--ws", "none", "--lifespan", "off"),
        # Each request has a thread while it is worked on, so the number of requests bounds the threads.
        # Half of them may be streams of open pages (studio.standing), which have none.
        *("--limit-concurrency", "512", "--timeout-graceful-shutdown", "2"),
        # The front's headers are read by studio.middleware, the socket's peer has no address.
        *("--no-access-log", "--no-proxy-headers", "--no-server-header"),
    ]
    return Program("web", argv, base, lambda pid: health.web_answers(folder.web_socket, env.public_url()))


def _control(folder: Folder, base: Mapping[str, str]) -> Program:
    words = [
        *("worker", "--queues", QUEUES, "--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    return _celery(folder, base, "control", "studio.celery", words)


def _beat(folder: Folder, base: Mapping[str, str]) -> Program:
    # The schedule is a few sweeps of some seconds: nothing of it is worth a file that a kill may tear.
    words = ["beat", "--scheduler", "celery.beat:Scheduler", "--loglevel", "WARNING"]
    return _celery(folder, base, "beat", "studio.beat", words)


def _celery(folder: Folder, base: Mapping[str, str], name: str, app: str, words: list[str]) -> Program:
    ready = folder.ready_file(name)
    argv = [sys.executable, "-m", "celery", "-A", app, *words]
    return Program(
        name, argv, {**base, "STUDIO_READY_FILE": str(ready)}, lambda pid: health.says_ready(ready, pid)
    )


def _gateway(folder: Folder, base: Mapping[str, str]) -> Program:
    environment = {
        "STUDIO_STOP_SECONDS": DRAIN_SECONDS,
        **_without(base, SECRETS - OF_THE_GATEWAY | OF_DJANGO),
        "STUDIO_WEB_SOCKET": str(folder.web_socket),
    }
    host, port = env.host(), env.port()
    return Program(
        "gateway",
        [sys.executable, "-m", "endpoints.gateway"],
        environment,
        lambda pid: all(health.gateway_answers(host, port, path) for path in ("/healthz", "/readyz")),
    )


def _agent(folder: Folder, node: Path, base: Mapping[str, str]) -> Program:
    environment = {
        **base,
        "STUDIO_NODE": node.name,
        "STUDIO_NODE_DIR": str(node),
        "STUDIO_NODE_TOKEN_FILE": str(node / "token"),
        "STUDIO_LIFELINE": str(folder.lifeline),
    }
    url = env.redis_url()
    before = health.report_number(url, node.name)
    return Program(
        f"agent-{node.name}",
        [sys.executable, "-m", "scheduler.agent"],
        environment,
        lambda pid: health.report_number(url, node.name) > before,
    )


def _without(base: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in base.items() if name not in names}
