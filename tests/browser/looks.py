"""What holds on every page and in every open window: axe finds nothing in light and dark, nothing scrolls sideways.

`make screenshots` goes through the same windows and takes their pictures instead.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
OF_SIZES = {"runOnly": {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}}

AXE = Axe().axe_script
# What axe finds well it need not tell: that is most of its work, and of what is sent.
FAULTS = """async (rules) =>
  (await axe.run(document, { ...rules, resultTypes: ["violations"] })).violations"""

# Text wider than the box around it, where the box neither scrolls nor cuts it off.
STICKS_OUT = """[...document.querySelectorAll("main *, dialog[open] *, .menu:popover-open *")]
  .filter((box) => box.clientWidth && box.scrollWidth > box.clientWidth + 1 && !box.closest("svg, thead, .aloud, .ask")
    && getComputedStyle(box).overflowX === "visible")
  .map((box) => box.outerHTML.slice(0, 160))"""
PICTURES = "SCREENSHOTS"  # the folder, where pictures are wanted

# Each view is made narrow while it is looked at; being opened on a narrow screen is for `make browser-all`.
on_both_screens = pytest.mark.parametrize(
    "screen", [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow", marks=pytest.mark.thorough)]
)


@dataclass
class Looks:
    """`look("name of the view")` at everything; `faults` is empty at the end."""

    page: Page
    faults: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str) -> None:
        if folder := os.environ.get(PICTURES):
            take_pictures(self.page, Path(folder), name)
        elif found := self._found():
            self.faults[name] = found

    def _found(self) -> list[str]:
        before = self.page.viewport_size
        self.page.evaluate(AXE)
        found = self._axe("light", RULES) + self._sticking_out("as opened")
        self.page.emulate_media(color_scheme="dark")
        found += self._axe("dark", OF_COLOURS)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(NARROW)
        found += self._axe("narrow", OF_SIZES)
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("narrow: scrolls sideways")
        found += self._sticking_out("narrow")
        self.page.set_viewport_size(before or WIDE)
        return found

    def _sticking_out(self, where: str) -> list[str]:
        return [f"{where}: sticks out of its box: {html}" for html in self.page.evaluate(STICKS_OUT)]

    def _axe(self, where: str, rules: dict[str, Any]) -> list[str]:
        return [
            f"{where}: {rule['id']}: {node['html'][:160]}"
            for rule in self.page.evaluate(FAULTS, rules)
            for node in rule["nodes"]
        ]


def take_pictures(page: Page, folder: Path, name: str) -> None:
    """In light, dark and narrow; of a page all of it, of an open window what a screen shows."""
    test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0].rpartition("test_gui_")[2].removesuffix(".py")
    stem = f"{test}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"
    whole = page.locator("dialog[open], .menu:popover-open").count() == 0
    page.evaluate("scrollTo(0, 0)")  # the bar sticks to where the screen is
    folder.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        _picture(page, folder / f"{stem}-{theme}.png", whole)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    _picture(page, folder / f"{stem}-narrow.png", whole)
    page.set_viewport_size(WIDE)


def _picture(page: Page, path: Path, whole: bool) -> None:
    """The caret stays: it would be hidden by a style of its own, which our pages do not allow."""
    page.screenshot(path=path, full_page=whole, caret="initial")
