"""A run says what it left out, and may leave out nothing where everything is required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.requirements import required

ROOT = Path(__file__).parents[2]


def run_a_skipping_test(folder: Path, workers: int, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text("import pytest\ndef test_it(): pytest.skip('no browser here')\n")
    plugins = ["-p", "xdist", "-p", "tests.support.requirements", "-n", str(workers)]
    command = [sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-c", os.devnull, "-rs", *plugins]
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env={**os.environ, "STUDIO_REQUIRE": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_is_counted_aloud(tmp_path):
    result = run_a_skipping_test(tmp_path, workers=0)
    assert result.returncode == 0, result.stdout
    assert "no browser here" in result.stdout
    assert "1 skipped" in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skip_fails_the_run_where_something_is_required(tmp_path, workers):
    result = run_a_skipping_test(tmp_path, workers, STUDIO_REQUIRE="chromium")
    assert result.returncode == 1, result.stdout
    assert "FAILED: 1 skipped, and STUDIO_REQUIRE=chromium allows no skip." in result.stdout
    assert "1 skipped" in result.stdout.splitlines()[-1]


def test_a_misspelled_requirement_is_refused(monkeypatch):
    monkeypatch.setenv("STUDIO_REQUIRE", "postgres,chrome")
    with pytest.raises(SystemExit, match="not chrome"):
        required()


@pytest.mark.parametrize(("require", "code"), [("", 0), ("redis", 0), ("postgres,redis", 1)])
def test_without_postgresql_the_second_run_is_left_out_aloud(monkeypatch, capsys, require, code):
    monkeypatch.setattr(postgres, "programs", lambda: None)
    monkeypatch.setenv("STUDIO_REQUIRE", require)
    assert postgres.main(["--", "false"]) == code
    assert "SKIPPED on PostgreSQL" in capsys.readouterr().out
