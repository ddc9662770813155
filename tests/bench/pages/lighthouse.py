"""What a browser thinks of the pages: `python -m tests.bench.pages.lighthouse`.

Starts the platform with its demo and asks the npm package `lighthouse`, with the Chromium of the machine, about each
page as somebody who is signed in. Prints scores and weight beside their goals; asserts nothing. Where npm or Chromium
are missing, it says so.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

from tests.support.desk import Desk
from tests.support.platform import Platform, free_port, platform

GOALS = {"performance": 95, "accessibility": 100, "best-practices": 100}
WEIGHT_GOAL = 60.0  # KB of document, styles and scripts as they come over the wire
WEIGHED = ("Document", "Stylesheet", "Script")
PERSON = "owen"
DOOR = "/sign-in/"
SECONDS = 180


class Missing(Exception):
    """Something this needs is not on the machine; the sentence says what."""


@dataclass(frozen=True)
class Judged:
    """`scores` in percent by category, `weight` in KB, `short` says what cost points."""

    page: str
    scores: Mapping[str, int]
    weight: float
    requests: int
    short: tuple[str, ...]

    @property
    def met(self) -> bool:
        return self.weight <= WEIGHT_GOAL and all(self.scores[name] >= goal for name, goal in GOALS.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages.lighthouse", description=__doc__)
    parser.add_argument("--package", type=Path, help="a folder in which `npm install lighthouse` was done")
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument("--json", action="store_true", help="all figures, for programs")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="studio-lighthouse-") as folder:
            found = list(_judged(_program(options.package or Path(folder)), Path(folder), options.only))
    except Missing as missing:
        print(f"SKIPPED the judgement of a browser: {missing}")
        return
    print(json.dumps([vars(each) for each in found], indent=2) if options.json else text(found))


def _program(folder: Path) -> Path:
    """Lighthouse itself, installed if it is not there. Raises `Missing`."""
    program = folder / "node_modules" / ".bin" / "lighthouse"
    if not program.exists():
        if not shutil.which("npm"):
            raise Missing("npm is not installed.")
        words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "lighthouse"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"npm cannot install lighthouse: {done.stderr.strip()[-300:]}")
    return program


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise Missing("there is no Chromium.")


def _judged(program: Path, folder: Path, only: str) -> Iterator[Judged]:
    chromium, port = _chromium(), free_port()
    with platform() as own, sync_playwright() as playwright:
        own.start()
        desk = Desk(own)
        desk.until_it_answers(desk.hello())
        # A browser of ours with a cookie of its own: one that Lighthouse sends as a header does not outlast an answer.
        browser = playwright.chromium.launch_persistent_context(
            folder / "profile", executable_path=chromium, headless=True, base_url=own.url,
            args=["--no-sandbox", f"--remote-debugging-port={port}"],
        )  # fmt: skip
        for page, address in _pages(own):
            if address != DOOR:
                _sign_in(own, browser)
            if only.lower() in page.lower():
                yield _judge(program, port, page, own.url + address)
        browser.close()


def _pages(own: Platform) -> list[tuple[str, str]]:
    project, endpoint = own.first_run["project"]["id"], own.first_run["endpoint"]["id"]
    return [
        ("Sign in", DOOR),
        ("Dashboard", "/"),
        ("Project", f"/projects/{project}/"),
        ("Endpoint", f"/endpoints/{endpoint}/"),
        ("Models", "/models/"),
        ("Resources", "/resources/"),
    ]


def _sign_in(own: Platform, browser: BrowserContext) -> None:
    """Once is enough: whoever is signed in is led past the door."""
    page = browser.new_page()
    page.goto(DOOR)
    if page.url.endswith(DOOR):
        page.get_by_label("User").fill(PERSON)
        page.get_by_label("Password").fill(own.first_run["users"][PERSON]["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(own.url + "/")
    page.close()


def _judge(program: Path, port: int, page: str, address: str) -> Judged:
    words = [
        *(str(program), address, "--output=json", "--quiet", "--preset=desktop"),
        *(f"--only-categories={','.join(GOALS)}", f"--port={port}"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        raise Missing(f"lighthouse ended with code {done.returncode}: {done.stderr.strip()[-300:]}")
    return read(page, json.loads(done.stdout))


def read(page: str, report: Mapping[str, Any]) -> Judged:
    """What we want to know of Lighthouse's own report."""
    audits = report["audits"]
    rows = audits["network-requests"]["details"]["items"]
    weighed = [row for row in rows if row.get("resourceType") in WEIGHED]
    short = {
        _said(audits[each["id"]])
        for name in GOALS
        for each in report["categories"][name]["auditRefs"]
        if each["weight"] and (audits[each["id"]]["score"] or 0) < 0.9 and _counts(audits[each["id"]])
    }
    return Judged(
        page,
        {name: round(100 * (report["categories"][name]["score"] or 0)) for name in GOALS},
        sum(row.get("transferSize", 0) for row in weighed) / 1000,
        len(rows),
        tuple(sorted(short)),
    )


def _said(audit: Mapping[str, Any]) -> str:
    items = audit.get("details", {}).get("items") or [{}]
    first = items[0].get("description") or items[0].get("url") or ""
    return f"{audit['title']}: {first}"[:160] if first else str(audit["title"])


def _counts(audit: Mapping[str, Any]) -> bool:
    return audit["scoreDisplayMode"] in ("binary", "numeric", "metricSavings")


def text(found: list[Judged]) -> str:
    lines = [
        "The pages in a browser (Lighthouse, desktop), as the platform serves them with its demo",
        f"{'page':12}{'performance':>13}{'accessibility':>15}{'best practices':>16}{'KB':>8}{'requests':>10}  goal",
    ]
    for each in found:
        performance, accessibility, practices = (each.scores[name] for name in GOALS)
        figures = f"{performance:13}{accessibility:15}{practices:16}{each.weight:8.1f}{each.requests:10}"
        lines.append(f"{each.page:12}{figures}  {'met' if each.met else 'missed'}")
        lines += [f"{'':12}- {sentence}" for sentence in each.short]
    lines.append("\ngoal: 95 / 100 / 100; at most 60 KB of document, styles and scripts over the wire")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
