"""Users, Tenant management and the boxes of moving in a browser: fit for everybody, by hand, without JavaScript."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from scheduler.services import set_quotas
from studio.projects.services import create_project
from studio.sharing.services import allow_all_tenants, share
from studio.tenants.models import Tenant
from studio.tenants.rules import STUDIO
from tests.browser.looks import Looks, on_both_screens
from tests.browser.world import NOW


def choose(page: Page, thing: str, entry: str) -> None:
    page.get_by_role("button", name=f"Actions for {thing}").click()
    page.locator(".menu:popover-open").get_by_text(entry, exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def every_view(page: Page, at: str) -> Iterator[str]:
    """Go through the pages, their menus and dialogs; yields what is seen."""
    page.goto("/tenants/")
    yield "Tenant management"
    page.get_by_role("button", name="Actions for research").click()
    yield "tenant menu"
    page.keyboard.press("Escape")
    page.get_by_label("Things may be shared").uncheck()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Stop sharing").wait_for()
    yield "Stop sharing with all tenants"
    page.keyboard.press("Escape")
    for entry in ("Rename", "RDU quota", "Values of API keys", "Archive"):
        choose(page, "default", entry)
        yield entry
        page.keyboard.press("Escape")
    page.get_by_role("link", name="New tenant").click()
    page.get_by_label("Tenant name").fill("default")
    page.get_by_role("button", name="Create tenant").click()
    page.wait_for_selector(".fault")
    yield "New tenant with a fault"
    page.goto("/users/")
    yield "Users"
    page.get_by_role("button", name="Actions for mila").click()
    yield "user menu"
    page.keyboard.press("Escape")
    page.goto("/users/?search=nobody")
    yield "Users, nobody found"
    page.goto("/users/")
    for thing, entry in (("mila", "Edit roles"), ("owen", "Deactivate"), ("mila", "Reset password")):
        choose(page, thing, entry)
        yield entry
        page.keyboard.press("Escape")
    choose(page, "mila", "Reset password")
    page.get_by_role("dialog").get_by_role("button", name="Reset password").click()
    page.wait_for_selector("#new-password-value")
    yield "New password"
    page.goto("/users/new/")
    page.get_by_label("User name").fill("a/b")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create user").click()
    page.wait_for_selector(".fault")
    yield "New user with a fault, as a page"
    page.goto("/projects/")
    for entry in ("Move", "Transfer ownership"):
        choose(page, "demo", entry)
        yield entry
        page.keyboard.press("Escape")
    page.goto("/resources/")
    choose(page, "sn40l-1", "Assign")
    yield "Assign"
    page.goto(at)
    for entry in ("Move", "Transfer ownership"):
        choose(page, "hello", entry)
        yield f"{entry}, an endpoint"
        page.keyboard.press("Escape")


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, screen):
    at = f"/projects/{site.world.live(instances=3).project_id}/"
    olga = site.world.actor("olga")
    create_project(actor=olga, tenant=site.world.tenants["research"], name="letters", now=NOW)
    allow_all_tenants(actor=olga, allowed=True, now=NOW)
    share(actor=olga, thing=site.world.project, general_access="all_viewer")
    for name, wanted in (("default", {"SN40L": (8, 16), "SN30": (0, 4)}), ("research", {"SN40L": (4, None)})):
        set_quotas(actor=STUDIO, tenant=site.world.tenants[name], wanted=wanted, now=NOW)
    looks = Looks(site.page("olga", reduced_motion="reduce", viewport=screen))
    for name in every_view(looks.page, at):
        looks.look(name)
    assert looks.faults == {}


def test_a_tenant_is_made_and_archived_by_hand(site):
    page = site.page("olga", at="/tenants/")
    page.get_by_role("link", name="New tenant").click()
    page.get_by_label("Tenant name").fill("science")
    page.get_by_role("button", name="Create tenant").click()
    expect(page.get_by_role("cell", name="science Active")).to_be_visible()
    choose(page, "science", "Archive")
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(page.get_by_role("cell", name="science Archived")).to_be_visible()
    page.get_by_role("button", name="Actions for science").click()
    page.get_by_role("button", name="Unarchive").click()
    expect(page.get_by_role("cell", name="science Active")).to_be_visible()
    assert Tenant.objects.get(name="science").archived_at is None


@pytest.mark.thorough
def test_users_are_narrowed_as_somebody_types(site):
    """And stay so when the table is looked at again by itself, in the address too."""
    page = site.page("olga", at="/users/")
    page.get_by_label("Search").press_sequentially("OW")
    expect(page.get_by_role("row", name="owen")).to_be_visible()
    expect(page.get_by_role("row", name="oskar")).to_have_count(0)
    with page.expect_response(lambda answer: "search=OW" in answer.url):
        pass  # nobody does anything: the table asks
    expect(page.get_by_role("row", name="oskar")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Search")).to_have_value("OW")
    page.get_by_label("Search").fill("")
    page.get_by_label("Tenant").select_option("research")
    expect(page.get_by_role("row", name="oskar")).to_be_visible()
    expect(page.get_by_role("row", name="owen")).to_have_count(0)
