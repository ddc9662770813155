"""docs/security.md names tests; a test that is gone or has another name holds nothing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@cache
def defined_in(path: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in defined_in(path)


def test_every_chapter_of_the_standard_is_gone_through() -> None:
    assert len(NAMED) > 60
    assert not re.search(r"`tests/[^`:]*`", PAGE)  # a file alone says nothing
    for chapter in range(1, 18):
        within = rf"\bV{chapter}\b" if chapter not in (11,) else r"\b11\.\d"
        assert re.search(within, PAGE), chapter


def test_every_attack_stands_on_the_page() -> None:
    """A new attack test that nobody finds from the page would be half of it."""
    folder = ROOT / "tests" / "doors" / "attacks"
    for path in folder.glob("test_*.py"):
        assert f"tests/doors/attacks/{path.name}::" in PAGE, path.name
