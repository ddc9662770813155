"""Imports go downwards only, and nothing stands outside the floors (contracts in pyproject.toml)."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("studio", "endpoints", "apikeys", "scheduler")
# Django's own names for things that are found by their place, and the shipped models' training scripts.
OUTSIDE = re.compile(r"\.apps$|\.migrations(\.|$)|^studio\.hub\.shipped(\.|$)")


def contract() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def floors() -> set[str]:
    layers = next(one["layers"] for one in contract()["contracts"] if one["id"] == "floors")
    return {name for layer in layers for name in re.findall(r"[\w.]+", layer)}


def modules() -> list[str]:
    """Every module with something in it; packages count by their modules, as their `__init__` is empty."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name != "__init__.py" and not OUTSIDE.search(name):
                found.append(name)
    return found


def test_imports_go_downwards_only():
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_module_stands_on_a_floor():
    known = floors()
    nowhere = [
        module
        for module in modules()
        if not any(module == floor or module.startswith(f"{floor}.") for floor in known)
    ]
    assert nowhere == [], "name them in a layer of the contract `floors` in pyproject.toml"


def test_init_files_are_empty():
    found = [path for package in (*PACKAGES, "snapi") for path in (ROOT / package).rglob("__init__.py")]
    assert [str(path) for path in found if path.read_text()] == []
