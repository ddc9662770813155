"""The locks install the same bytes everywhere and say nothing of where they were made."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), flags=re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_place(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(
        r"://|^\s*-|\s@\s|--(index|extra-index|find-links)", re.sub(r"    --hash=\S+", "", text), re.M
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock):
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_tests_run_on_the_versions_that_are_shipped():
    run, dev = (pins(lock) for lock in LOCKS)
    assert run.items() <= dev.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_direct_dependency_is_locked(lock):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {line for extra, lines in extras.items() if extra != "dev" or "dev" in lock for line in lines}
    names = {normal(re.match(r"[\w.-]+", line)[0]) for line in wanted}
    assert names - pins(lock).keys() == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_training_libraries_stay_out(lock):
    assert pins(lock).keys() & {"torch", "transformers", "numpy"} == set()
