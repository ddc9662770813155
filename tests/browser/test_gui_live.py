"""Pages that keep themselves true, and say so when they cannot."""

from playwright.sync_api import Page, expect

from apikeys.services import add_key
from endpoints import selectors
from scheduler.models import Instance
from scheduler.placing import place_pending
from tests.browser.world import NOW


def count_ticks(page: Page) -> None:
    page.evaluate("window.ticks = 0; document.body.addEventListener('tick', () => { window.ticks += 1 })")


def wait_for_tick(page: Page) -> None:
    page.evaluate(
        "new Promise(heard => document.body.addEventListener('tick', () => heard(), { once: true }))"
    )


def test_rows_refresh_themselves(site):
    endpoint = site.world.placed()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    expect(page.locator("tbody .badge")).to_have_text("Setting Up")
    Instance.objects.update(state="ready")
    expect(page.locator("tbody .badge")).to_have_text("Live", timeout=4000)


def test_from_setting_up_to_live_in_the_window(site):
    endpoint = site.world.endpoint()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    expect(page.get_by_text("Setting Up · 0 of 1 instance")).to_be_visible()
    place_pending("SN40L")
    expect(page.get_by_text("placed on sn40l-1")).to_be_visible()
    Instance.objects.update(state="starting", progress={"phase": "loading", "done": 9, "total": 20})
    expect(page.get_by_text("loading 45 %")).to_be_visible()
    Instance.objects.update(state="ready")
    expect(page.get_by_text("Live · 1 of 1 instance")).to_be_visible()


def test_nothing_jumps_while_nothing_changes(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    page.evaluate("window.kept = document.querySelector('#live h1')")
    with page.expect_response("**?part=live"):
        pass
    with page.expect_response("**?part=live"):
        pass
    assert page.evaluate("window.kept.isConnected")


def test_an_open_menu_stays_open_when_rows_change(site):
    endpoint = site.world.placed()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    page.get_by_role("button", name="Actions for hello").click()
    Instance.objects.update(state="ready")
    for _ in range(2):
        with page.expect_response(f"**/projects/{endpoint.project_id}/"):
            pass
    expect(page.get_by_role("link", name="View")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("tbody .badge")).to_have_text("Live", timeout=4000)


def test_what_is_unfolded_and_the_focus_stay_when_a_part_changes(site):
    """The log of what failed is read for longer than a tick; who is at a button is still at it."""
    endpoint = site.world.placed()
    reason = {"code": "crashed", "sentence": "It ended with code 1, {} times."}

    def ends(times: str) -> None:
        told = {**reason, "sentence": reason["sentence"].format(times)}
        Instance.objects.update(state="failed", reason=told, log_tail=["error: out of memory"])

    ends("two")
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    page.locator("summary", has_text="Last log lines").click()
    copy = page.get_by_role("button", name="Copy Predict URL")
    copy.focus()
    ends("three")
    expect(page.get_by_text("It ended with code 1, three times.")).to_be_visible()
    expect(page.get_by_text("error: out of memory")).to_be_visible()
    expect(copy).to_be_focused()
    page.evaluate("window.kept = document.querySelector('#live h1')")
    wait_for_tick(page)
    wait_for_tick(page)
    assert page.evaluate("window.kept.isConnected"), "an unfolded log is no change"


def test_keys_of_others_appear_and_a_value_that_is_looked_at_stays(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")

    def add(description: str) -> None:
        facts = selectors.facts(site.world.actor("tina"), endpoint)
        add_key(
            actor=site.world.actor("tina"), endpoint=endpoint, facts=facts, description=description, now=NOW
        )

    add("shop")
    expect(page.get_by_role("row", name="shop")).to_be_visible()
    page.get_by_role("link", name="Reveal the key First Key").click()
    add("mail")
    with page.expect_response("**?part=keys"):
        pass
    wait_for_tick(page)
    expect(page.locator("[data-revealed]")).to_be_visible()
    page.get_by_role("link", name="Hide the key First Key").click()
    expect(page.get_by_role("row", name="mail")).to_be_visible()


def test_nothing_is_asked_while_nobody_looks_or_a_dialog_is_open(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    count_ticks(page)
    wait_for_tick(page)
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    before = page.evaluate("window.ticks")
    page.wait_for_timeout(2000)
    assert page.evaluate("window.ticks") == before
    page.evaluate("delete document.hidden")
    wait_for_tick(page)
    page.click("#new-endpoint")
    page.wait_for_selector("dialog[open]")
    before = page.evaluate("window.ticks")
    page.wait_for_timeout(2000)
    assert page.evaluate("window.ticks") == before


def test_a_lost_connection_is_said_and_mends_itself(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    site.console.clear()


def test_a_form_that_broke_is_said_for_longer_than_the_next_tick(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    page.click("#new-endpoint")
    page.get_by_label("Endpoint name").fill("shop")
    page.route("**/endpoints/new/", lambda route: route.fulfill(status=500, body=""))
    page.get_by_role("button", name="Add an endpoint").click()
    page.get_by_role("link", name="Cancel").click()
    wait_for_tick(page)
    wait_for_tick(page)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator(".notice", has_text="this may not have been done")).to_be_visible()
    site.console.clear()


def test_an_expired_sign_in_is_said_and_leads_back(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    page.context.clear_cookies()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(page.get_by_role("row", name="hello Live")).to_be_visible()
    page.get_by_role("link", name="Sign in again").click()
    page.wait_for_url(f"**/sign-in/?next=/projects/{endpoint.project_id}/")
    site.console.clear()


def test_what_somebody_else_deleted_is_said_once(site):
    endpoint = site.world.endpoint()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    Instance.objects.all().delete()
    endpoint.api_keys.all().delete()
    endpoint.delete()
    expect(page.get_by_text("There is no endpoint")).to_be_visible()
    count_ticks(page)
    wait_for_tick(page)
    wait_for_tick(page)
    expect(page.get_by_text("There is no endpoint")).to_have_count(1)
    site.console.clear()


def test_fast_typing_is_no_lost_connection(site):
    page = site.page("owen", at=f"/projects/{site.world.project.pk}/")
    page.evaluate(
        "document.getElementById('offline').addEventListener('toggle', () => { window.complained = true })"
    )
    page.click("#new-endpoint")
    page.get_by_label("Select model").select_option(label="Help")
    page.get_by_label("RDU generation").select_option("SN30")
    for number in ("2", "3", "44"):
        page.get_by_label("Number of instances").fill(number)
        page.wait_for_timeout(270)  # just when the preview is asked for
    expect(page.locator("#part-statement")).to_contain_text("44 for all 44")
    assert page.evaluate("window.complained") is None
