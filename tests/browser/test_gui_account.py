"""Your account in a browser: the sessions, the platform key, and a page whose session was ended elsewhere."""

import pytest
from playwright.sync_api import expect

from studio.accounts.models import Session
from tests.browser.looks import Looks
from tests.browser.world import PASSWORD


@pytest.mark.looks
def test_the_account_page_and_its_boxes(site):
    page = site.page("owen", reduced_motion="reduce")
    looks = Looks(page)
    page.goto("/account/")
    looks.look("Your account")
    page.click("#change-password")
    page.get_by_role("button", name="Change password").click()
    page.wait_for_selector("dialog .fault")
    looks.look("Change password with a fault")
    page.keyboard.press("Escape")
    page.click("#generate-key")
    page.wait_for_selector("dialog[open]")
    looks.look("Generate API Key")
    page.locator("dialog").get_by_role("button", name="Generate API Key").click()
    page.wait_for_selector("#platform-key-value")
    looks.look("Your platform API key")
    page.get_by_role("link", name="Done").click()
    expect(page.locator("#platform-key code")).to_contain_text("-••••")
    page.click("#generate-key")
    page.wait_for_selector("dialog .remark")
    looks.look("Generate API Key, with an old one")
    page.keyboard.press("Escape")
    page.click("#end-sessions")
    page.wait_for_selector("dialog[open]")
    looks.look("Sign out everywhere")
    page.locator("dialog").get_by_role("button", name="Sign out everywhere").click()
    page.wait_for_url("**/sign-in/")
    assert looks.faults == {}


def test_an_open_page_hears_that_its_session_was_ended_and_goes_on_after_the_sign_in(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    here = site.page("owen", at="/account/")
    here.locator("tr", has_not_text="This session").get_by_role("button", name="Sign out").last.click()
    expect(page.get_by_text("You are signed out.")).to_be_visible(timeout=4000)
    page.get_by_role("link", name="Sign in again").click()
    page.fill("[name=username]", "owen")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/projects/{endpoint.project_id}/")
    expect(here.get_by_text("You are signed out.")).to_be_hidden()
    site.console.clear()


def test_a_page_that_refreshes_itself_says_that_nobody_did_it(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    with page.expect_request(lambda request: request.headers.get("unattended") == "true"):
        pass
    with page.expect_request("**/endpoints/new/**") as asked:
        page.click("#new-endpoint")
    assert "unattended" not in asked.value.headers
    assert Session.objects.filter(user__username="owen").exists()
