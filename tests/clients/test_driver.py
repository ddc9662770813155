"""What runs the clients' scripts notices a failure, a crash and a hang, and builds an environment anew when it must."""

import sys
from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.scripted import PARTS, SCRIPTS, Run, run_script


def run_of(folder: Path, script: str, seconds: float = 30) -> Run:
    path = folder / "script.py"
    path.write_text(script)
    return run_script("openai", path, Path(sys.executable), {"HOME": str(folder)}, seconds)


def test_a_run_is_good_when_every_check_held_and_it_came_to_its_end(tmp_path):
    run = run_of(tmp_path, "print('ok chat: v1'); print('ok chat: v2'); print('done')")
    assert run.is_good()
    assert (run.cell("chat"), run.cell("stream")) == ("2/2", "–")


@pytest.mark.parametrize(
    "then",
    [
        "print('FAILED chat: v2: why'); print('done')",
        "raise KeyError('x')",
        "print('done'); raise SystemExit(1)",
    ],
)
def test_a_failed_check_and_a_crash_are_no_good_run(tmp_path, then):
    run = run_of(tmp_path, f"print('ok chat: v1')\n{then}")
    assert not run.is_good()
    assert run.held("chat") == ["ok chat: v1"]


def test_a_script_that_hangs_is_killed_and_what_it_said_is_kept(tmp_path):
    run = run_of(tmp_path, "print('ok chat: v1', flush=True)\nimport signal; signal.pause()", seconds=1)
    assert not run.is_good()
    assert run.held("chat") == ["ok chat: v1"]


def test_a_script_hears_nothing_but_what_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody")
    run = run_of(tmp_path, "import os; print(sorted(os.environ))")
    assert "OPENAI_API_KEY" not in run.output


def test_every_client_has_a_script_requirements_and_known_parts():
    scripts = {script for script, _ in SCRIPTS.values()}
    folder = Path(environments.__file__).parent / "scripts"
    assert {path.name for path in folder.glob("with_*.py")} == scripts
    assert {path.stem for path in environments.REQUIREMENTS.glob("*.txt")} == set(SCRIPTS)
    assert {part for _, parts in SCRIPTS.values() for part in parts} == set(PARTS)


@pytest.mark.clients  # an environment takes its time
def test_an_environment_is_kept_until_its_requirements_change(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "environments")
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    requirements, built = tmp_path / "mine.txt", tmp_path / "environments" / "mine"
    requirements.write_text("# nothing\n")
    python = environments.python_of("mine")
    mark = built / "mark"
    mark.touch()
    assert environments.python_of("mine") == python
    assert mark.exists()

    requirements.write_text("no such name at all\n")
    with pytest.raises(RuntimeError, match="no such name at all"):
        environments.python_of("mine")
    assert not mark.exists()
    assert not environments.is_complete("mine")
