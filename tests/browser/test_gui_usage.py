"""The Usage tab in a browser: fit for everybody, fresh by itself, and still while somebody reads its table."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeys.models import ApiKey
from tests.browser.conftest import Site
from tests.browser.looks import Looks, on_both_screens
from tests.support.busy import make_busy
from tests.support.usage import counted, write
from tests.support.waiting import eventually


@pytest.fixture
def busy(site) -> str:
    """The address of a tab full of charts."""
    return tab_of(site, days=60)


def tab_of(site: Site, days: int) -> str:
    endpoint = site.world.live()
    make_busy(site.world.actor("owen"), endpoint, datetime.now(UTC), days=days)
    return f"/endpoints/{endpoint.pk}/?tab=usage"


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, busy, screen):
    page = site.page("owen", at=busy, reduced_motion="reduce", viewport=screen)
    page.locator("summary", has_text="As a table").first.click()
    looks = Looks(page)
    looks.look("Usage")
    assert looks.faults == {}


def test_ranges_and_keys_are_links(site):
    page = site.page("owen", at=tab_of(site, days=1), java_script_enabled=False)
    page.get_by_role("link", name="60 days").click()
    page.get_by_role("link", name="build server").click()
    assert "Only the API key build server" in page.locator("#usage").inner_text()
    assert page.get_by_role("link", name="60 days").get_attribute("aria-current") == "true"
    page.get_by_role("link", name="Show all keys").click()
    assert page.locator("svg[role=img]").count() == 6


@pytest.mark.thorough
@pytest.mark.slow
def test_it_is_fresh_by_itself_but_still_while_a_table_is_read(site, busy):
    page = site.page("owen", at=busy)
    summary = page.locator("summary", has_text="As a table").first
    summary.click()
    asked = []
    page.on("response", lambda response: asked.append(response.url) if "part=usage" in response.url else None)
    before = page.locator(".tiles").inner_text()
    key = ApiKey.objects.get(is_first=True)
    write(counted(key, datetime.now(UTC) - timedelta(minutes=2), requests=500), now=datetime.now(UTC))
    eventually(lambda: page.evaluate("1") and asked, timeout=25, every=0.2)
    assert page.locator(".tiles").inner_text() == before
    summary.click()
    eventually(lambda: page.locator(".tiles").inner_text() != before, timeout=25, every=0.2)
