"""`manage.py doctor`: what it prints, what it asks, and its exit codes."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder

from scheduler.models import Node
from tests.db.test_doctor import settle, site
from tests.support.environment import of_a_newcomer
from tests.support.site import Site

__all__ = ["site"]
ROOT = Path(__file__).parents[2]


def run(*words: str) -> tuple[int, str]:
    printed = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--pause", "0", *words, stdout=printed, stderr=StringIO())
    return int(ended.value.code or 0), printed.getvalue()


def test_healthy_is_zero(site: Site) -> None:
    assert run() == (0, "Healthy: nothing is wedged.\n")


def test_findings_are_one_with_the_way_out(site: Site) -> None:
    Node.objects.update(free=1)
    code, said = run()
    assert code == 1
    assert said == "Node sn40l-1 counts 1 of 8 RDUs free; 2 are held, so 6 are. --repair counts anew.\n"
    assert site.fresh().free == 1


def test_with_repair_and_yes_it_ends_healthy(site: Site) -> None:
    Node.objects.update(free=1)
    code, said = run("--repair", "--yes")
    settle(site)
    assert site.fresh().free == 6
    assert "Done: counts anew." in said
    assert code in (0, 1)  # it raised a demand, and nobody plans here
    assert run()[0] == 0


@pytest.mark.parametrize(("answer", "free"), [("y", 6), ("n", 1), ("", 1)])
def test_it_asks_for_each(site: Site, monkeypatch: pytest.MonkeyPatch, answer: str, free: int) -> None:
    Node.objects.update(free=1)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    run("--repair")
    assert site.fresh().free == free


def test_programs_read_json(site: Site) -> None:
    Node.objects.update(free=1)
    code, said = run("--json")
    told = json.loads(said)
    assert code == 1
    assert [each["code"] for each in told["findings"]] == ["free-drift"]
    assert told["findings"][0]["subject"] == "sn40l-1"
    with pytest.raises(CommandError, match="add --yes") as refused:
        call_command("doctor", "--json", "--repair")
    assert refused.value.returncode == 2


def test_a_database_of_another_version_is_not_looked_at(site: Site, tmp_path: Path) -> None:
    MigrationRecorder.Migration.objects.filter(app="repeats").delete()
    with pytest.raises(CommandError, match=r"manage\.py prepare") as refused:
        call_command("doctor")
    assert refused.value.returncode == 2
    code, _ = run("--bundle", str(tmp_path / "bundle.tar.gz"))
    assert code == 2
    assert (tmp_path / "bundle.tar.gz").exists()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({}, "The secret secret_key is missing"),
        (
            {**os.environ, "STUDIO_DATABASE_URL": "postgres://studio:hunter2@127.0.0.1:1/none"},
            "Could not look: the database does not answer (OperationalError).",
        ),
    ],
    ids=["no secrets", "no database"],
)
def test_where_it_cannot_look_it_says_so_with_two(
    tmp_path: Path, told: dict[str, str], sentence: str
) -> None:
    """A process of its own: its settings are read anew."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, capture_output=True, text=True,
        env={**of_a_newcomer(), "STUDIO_DATA_DIR": str(tmp_path), **told},
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert sentence in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
