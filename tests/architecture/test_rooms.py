"""Rooms stay small and named for what is in them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("studio", "endpoints", "apikeys", "scheduler", "snapi", "tests")
LONGEST = 400
LUMBER_ROOMS = {"utils", "util", "helpers", "helper", "common", "misc"}
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_400_lines(folder):
    sources = [
        path for path in SOURCES if path.is_relative_to(ROOT / folder) and "migrations" not in path.parts
    ]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_lumber_rooms():
    names = {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(ROOT).parts}
    assert names & LUMBER_ROOMS == set()


def test_style_sheets_and_scripts_stay_short():
    shown = sorted(path for kind in ("*.css", "*.js") for path in (ROOT / "static").rglob(kind))
    assert [str(path) for path in shown if len(path.read_text().splitlines()) > LONGEST] == []
