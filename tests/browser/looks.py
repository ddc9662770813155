"""What holds on every page and in every open window: axe finds nothing in light and dark, nothing scrolls sideways."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
OF_SIZES = {"runOnly": {"type": "rule", "values": ["target-size", "scrollable-region-focusable"]}}

# Each view is made narrow while it is looked at; being opened on a narrow screen is for `make browser-all`.
on_both_screens = pytest.mark.parametrize(
    "screen", [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow", marks=pytest.mark.thorough)]
)


def wear(page: Page, theme: Literal["light", "dark"]) -> None:
    """Until each part of the page has its new colours; some are painted a frame later than others."""
    page.emulate_media(color_scheme=theme)
    page.evaluate("new Promise(painted => requestAnimationFrame(() => requestAnimationFrame(painted)))")


@dataclass
class Looks:
    """`look("name of the view")` at everything; `faults` is empty at the end."""

    page: Page
    faults: dict[str, list[str]] = field(default_factory=dict)

    def look(self, name: str) -> None:
        before = self.page.viewport_size
        found = [*self._axe("light", RULES)]
        wear(self.page, "dark")
        found += self._axe("dark", OF_COLOURS)
        wear(self.page, "light")
        self.page.set_viewport_size(NARROW)
        found += self._axe("narrow", OF_SIZES)
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("narrow: scrolls sideways")
        self.page.set_viewport_size(before or WIDE)
        if found:
            self.faults[name] = found

    def _axe(self, where: str, rules: dict[str, Any]) -> list[str]:
        return [
            f"{where}: {rule['id']}: {node['html'][:160]}"
            for rule in Axe().run(self.page, options=rules).response["violations"]
            for node in rule["nodes"]
        ]
