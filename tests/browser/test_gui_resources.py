"""Resources in a browser: fit for everybody, by hand, by keyboard, without JavaScript; and a node that really joins."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scheduler.models import Instance, Node
from tests.browser.looks import Looks, on_both_screens
from tests.support.machines import whole_fleet
from tests.support.platform import ROOT, platform


def choose(page: Page, entry: str, node: str = "sn40l-1") -> None:
    page.get_by_role("button", name=f"Actions for {node}").click()
    page.get_by_role("link", name=entry, exact=True).click()


def every_view(page: Page) -> Iterator[str]:
    """Go through the page, its menus and dialogs; yields what is seen."""
    yield "page"
    page.get_by_role("button", name="RDUs of sn40l-1 held").click()
    yield "holders"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Actions for sn40l-1").click()
    yield "menu"
    page.keyboard.press("Escape")
    for entry, node in (("Drain", "sn40l-1"), ("Remove", "sn40l-2")):
        choose(page, entry, node)
        expect(page.get_by_role("dialog")).to_be_visible()
        yield entry
        page.keyboard.press("Escape")
    page.get_by_role("link", name="Add node").click()
    page.get_by_label("Name", exact=True).fill("two words")
    page.get_by_role("button", name="Add node").click()
    page.wait_for_selector(".fault")
    yield "Add node with a fault"
    page.get_by_label("Name", exact=True).fill("sn40l-9")
    page.get_by_role("button", name="Add node").click()
    expect(page.get_by_role("heading", name="Start the agent of sn40l-9")).to_be_visible()
    yield "the command"


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, screen):
    whole_fleet(site.world)
    page = site.page("olga", at="/resources/", reduced_motion="reduce", viewport=screen)
    looks = Looks(page)
    for name in every_view(page):
        looks.look(name)
    assert looks.faults == {}


def test_hover_and_the_keyboard_name_the_holders(site):
    whole_fleet(site.world)
    page = site.page("owen", at="/resources/")
    rack = page.get_by_role("button", name="8 of 8 RDUs of sn40l-1 held: by whom")
    assert "hello, instance" in rack.locator(".cell").first.get_attribute("title")
    rack.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="hello", exact=True).first).to_be_focused()
    page.keyboard.press("Escape")
    expect(rack).to_be_focused()
    assert page.locator(".rack [tabindex], .rack a").count() == 0, "one stop per node"


def test_it_refreshes_by_itself_and_leaves_an_open_list_alone(site):
    site.world.live("hello", rdus=4)
    page = site.page("owen", at="/resources/")
    page.get_by_role("button", name="0 of 8 RDUs of sn30-1 held").click()
    page.keyboard.press("ArrowDown")  # a list without anything to go to
    page.keyboard.press("Escape")
    page.get_by_role("button", name="4 of 8 RDUs of sn40l-1 held").click()
    with page.expect_response(lambda answer: answer.url.endswith("/resources/")):
        Instance.objects.update(state="draining")
    expect(page.get_by_text("RDUs of sn40l-1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".cell[data-state=draining]").first).to_be_visible()


def test_an_operator_empties_and_removes_a_node(site):
    site.world.live("hello", rdus=4)
    page = site.page("olga", at="/resources/")
    choose(page, "Cordon")
    row = page.get_by_role("row", name="sn40l-1")
    expect(row.get_by_text("Cordoned")).to_be_visible()
    choose(page, "Uncordon")
    expect(row.get_by_text("Ready")).to_be_visible()
    choose(page, "Drain")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The instance moves at once.")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("Node sn40l-1 is being emptied.")).to_be_visible()
    expect(row.get_by_text("Draining")).to_be_visible()
    choose(page, "Undrain")
    expect(row.get_by_text("Ready")).to_be_visible()
    choose(page, "Remove")
    expect(dialog).to_contain_text("you give your word that the machine is dead or empty")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions for sn40l-1")).to_be_focused()
    choose(page, "Remove")
    dialog.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    assert Instance.objects.get().state == "stopped"


def test_filters_and_everything_else_without_javascript(site):
    page = site.page("otto", at="/resources/", java_script_enabled=False)
    page.get_by_role("link", name="SN30").click()
    expect(page.get_by_role("row", name="sn30-1")).to_be_visible()
    expect(page.get_by_role("row", name="sn40l-1")).to_have_count(0)
    page.get_by_role("link", name="Add node").click()
    page.get_by_label("Name", exact=True).fill("sn30-2")
    page.get_by_label("RDU generation").select_option("SN30")
    page.get_by_role("button", name="Add node").click()
    expect(page.locator("#join-token")).to_have_text(re.compile(r"\S{40,}"))
    page.get_by_role("link", name="Done").click()
    for deed in ("cordon", "uncordon", "drain", "undrain", "remove"):
        page.goto(f"/resources/nodes/sn30-2/{deed}/")
        page.get_by_role("button", name=deed.capitalize(), exact=True).click()
        expect(page.get_by_text("Node sn30-2")).to_be_visible()
    assert not Node.objects.filter(name="sn30-2").exists()


# --- a node that really joins -------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_shown_command_starts_an_agent_that_joins_is_emptied_and_goes(chromium, tmp_path: Path):
    with platform() as up:
        up.start()
        context = chromium.new_context(base_url=up.url, permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto("/resources/")
        page.get_by_label("User name").fill("otto")
        page.get_by_label("Password").fill(up.first_run["users"]["otto"]["password"])
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Add node").click()
        page.get_by_label("Name", exact=True).fill("by-hand")
        page.get_by_label("Number of RDUs").fill("4")
        page.get_by_label("Virtual RDUs").check()
        page.get_by_role("button", name="Add node").click()
        page.get_by_role("button", name="Copy the command").click()
        expect(page.get_by_role("button", name="Copy the command").get_by_text("Copied")).to_be_visible()
        command = page.evaluate("navigator.clipboard.readText()")
        token = page.locator("#join-token").inner_text()
        page.get_by_role("link", name="Done").click()
        row = page.get_by_role("row", name="by-hand")
        expect(row.get_by_text("Joining")).to_be_visible()
        with started(command, token, tmp_path):
            expect(row.get_by_text("Ready")).to_be_visible(timeout=60_000)
            choose(page, "Drain", "by-hand")
            page.get_by_role("dialog").get_by_role("button", name="Drain").click()
            expect(row.get_by_text("Draining")).to_be_visible()
            choose(page, "Remove", "by-hand")
            page.get_by_role("dialog").get_by_role("button", name="Remove").click()
            expect(row).to_have_count(0)
        kept = tmp_path / "studio-nodes" / "by-hand" / "token"
        assert (kept.read_text(), kept.stat().st_mode & 0o777) == (token, 0o600)
        context.close()


@contextmanager
def started(command: str, token: str, home: Path) -> Iterator[None]:
    """What a person does with the command: run it in Studio's folder, paste the token, press Enter."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    environment |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (home / "agent.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(f"{token}\n".encode())
        process.stdin.flush()
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
