"""What the platform calls by itself: nothing that a person names. There is no address for it to be sent to."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLERS = {
    "http.client", "urllib.request", "urllib3", "aiohttp", "httpx", "requests", "ftplib", "smtplib", "telnetlib",
    "socket", "websockets",
}  # fmt: skip
# Module → whom it calls. The gateway calls the instances of its routes and web's socket; snapi calls Studio.
KNOWN = {
    "studio/supervisor/health.py": "its own processes, on loopback and on web's socket",
    "studio/supervisor/main.py": "nobody: it looks whether its port is free",
    "scheduler/agent/loop.py": "nobody: it asks for the name of its machine",
    "scheduler/agent/ports.py": "nobody: it looks for a free port",
}
FOLDERS = ("studio", "scheduler", "apikeys", "endpoints")
LEFT_OUT = ("endpoints/gateway/", "studio/hub/shipped/train/")


def modules() -> list[Path]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if not str(path.relative_to(ROOT)).startswith(LEFT_OUT)]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_web_control_and_agents_fetch_nothing() -> None:
    """Models come from the checkpoint store alone; no address of a form, a body or a manifest is ever called."""
    callers = {str(path.relative_to(ROOT)) for path in modules() if imported(path) & CALLERS}
    assert callers == set(KNOWN)


def test_an_agent_connects_to_its_own_instances_only() -> None:
    calls = [
        str(path.relative_to(ROOT))
        for path in modules()
        if any(word in path.read_text() for word in ("open_connection(", "create_connection(", "urlopen("))
    ]
    assert calls == ["scheduler/agent/probe.py"]  # at the place where the keeper itself started the server


def test_no_shell_is_involved() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            assert not any(word.arg == "shell" for word in node.keywords), path
            assert ast.unparse(node.func) not in {"os.system", "os.popen", "eval", "exec", "pickle.loads"}, (
                path
            )


@pytest.mark.parametrize("name", ["studio.celery", "studio.beat", "scheduler.agent.app", "studio.enqueue"])
def test_messages_are_json_and_nothing_else(name: str) -> None:
    """Whoever writes to the broker could otherwise have objects made of what they wrote."""
    import importlib

    module = importlib.import_module(name)
    app = getattr(module, "app", None) or module.producer
    assert set(app.conf.accept_content) == {"json"}
    assert (app.conf.task_serializer, app.conf.result_serializer) == ("json", "json")
