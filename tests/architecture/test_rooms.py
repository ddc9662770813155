"""Rooms stay small and named for what is in them."""

from pathlib import Path

import pytest

from studio.assets import PARTS, sources

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


def test_every_style_sheet_and_script_comes_with_the_pages():
    """Joined with the others, or named by the templates of the few pages that need it."""
    templates = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    joined = {path.relative_to(ROOT / "static") for name in PARTS for path in sources(name)}
    there = {
        path.relative_to(ROOT / "static")
        for kind in ("css", "js")
        for path in (ROOT / "static" / kind).iterdir()
    }
    assert joined <= there
    assert {str(path) for path in there - joined if str(path) not in templates} == set()
