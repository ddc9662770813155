"""The bell of the top bar: by mouse, by keyboard and without JavaScript."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from scheduler.models import Instance
from studio.tenants.models import User
from tests.browser.looks import Looks


@pytest.fixture
def news(site) -> str:
    """An endpoint in each state, all of it unread."""
    site.world.everything()
    User.objects.update(notices_read_at=datetime(2026, 1, 1, tzinfo=UTC))
    return "/projects/"


def test_notices_are_read_from_the_bell(site, news):
    page = site.page("owen", at=news, reduced_motion="reduce")
    bell = page.get_by_role("button", name="Notices , some are new")
    bell.focus()
    page.keyboard.press("Enter")
    menu = page.locator("#bell-menu")
    expect(menu.get_by_text("hello: 4 of 5 instances are Live")).to_be_visible()
    expect(menu.get_by_text("broken has failed")).to_be_visible()
    expect(page.get_by_role("link", name="All notices")).to_be_focused()
    looks = Looks(page)
    looks.look("the bell")
    assert looks.faults == {}
    page.keyboard.press("Escape")
    bell = page.get_by_role("button", name="Notices", exact=True)
    expect(bell).to_be_focused()
    bell.click()
    expect(menu.locator("[data-new]")).to_have_count(0)
    menu.get_by_role("link", name="broken").click()
    expect(page.get_by_role("heading", name="broken")).to_be_visible()
    expect(page.locator("#bell-mark .aloud")).to_have_count(0)


@pytest.mark.thorough
def test_the_page_of_all_notices_without_javascript(site, news):
    page = site.page("owen", at=news, java_script_enabled=False)
    page.get_by_role("button", name="Notices").click()
    page.get_by_role("link", name="All notices").click()
    expect(page.get_by_text("samba awaits RDUs (new)")).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("samba awaits RDUs", exact=True)).to_be_visible()


def test_the_mark_comes_by_itself(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    mark = page.locator("#bell-mark .aloud")
    page.wait_for_load_state("networkidle")
    expect(mark).to_have_count(0)
    Instance.objects.update(state_since=datetime.now(UTC))
    page.evaluate("htmx.trigger(document.body, 'tack')")
    expect(mark).to_have_count(1)
