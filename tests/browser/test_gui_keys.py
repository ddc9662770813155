"""API keys in the window: added, described, limited and revoked, by mouse, by keyboard and without JavaScript."""

import pytest
from playwright.sync_api import Page, expect

from apikeys.models import ApiKey
from studio.hub.models import Model
from tests.browser.looks import Looks, on_both_screens


@pytest.fixture
def window(site) -> str:
    Model.objects.filter(name="Help").update(aliases=["studio/help"])
    return f"/endpoints/{site.world.live().pk}/"


def choose(page: Page, entry: str, key: str = "shop") -> None:
    page.get_by_role("button", name=f"Actions for the key {key}").click()
    page.get_by_role("link", name=entry, exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_keys_whole_life_by_hand(site, window):
    page = site.page("owen", permissions=["clipboard-read", "clipboard-write"])
    page.goto(window)
    page.get_by_role("link", name="Add new").click()
    expect(page.get_by_role("heading", name="Add new API key")).to_be_visible()
    expect(page.get_by_label("Add description")).to_be_focused()
    page.keyboard.type("shop")
    expect(page.get_by_label("Requests per minute")).to_be_hidden()
    page.locator("summary", has_text="Limits").click()
    page.get_by_label("Requests per minute").fill("many")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("must be a whole number, not 'many'")).to_be_visible()
    expect(page.get_by_label("Requests per minute")).to_be_focused()
    expect(page.get_by_label("Add description")).to_have_value("shop")
    page.get_by_label("Requests per minute").fill("600")
    page.get_by_label("Expires at").fill("2030-12-31T18:00")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("The API key was added.")).to_be_visible()
    row = page.get_by_role("row", name="shop")
    expect(row).to_contain_text("600 requests a minute · until 31 Dec, 2030, 18:00 UTC")
    page.get_by_role("button", name="Copy the key shop").click()
    expect(row.get_by_text("Copied")).to_be_visible()
    value = page.evaluate("navigator.clipboard.readText()")
    assert value.startswith(ApiKey.objects.get(description="shop").prefix)

    choose(page, "Edit")
    page.get_by_role("textbox", name="Key description").fill("new shop")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="new shop")).to_be_visible()

    choose(page, "Limits", "new shop")
    expect(page.get_by_label("Expires at")).to_have_value("2030-12-31T18:00")
    page.get_by_label("Requests per minute").fill("")
    page.get_by_label("Parallel requests").fill("2")
    page.get_by_label("studio/help").check()
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="new shop")
    expect(row).to_contain_text("2 at once · until 31 Dec, 2030, 18:00 UTC · only studio/help")

    choose(page, "Revoke", "new shop")
    expect(page.get_by_role("dialog")).to_contain_text("All users lose access")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="new shop").locator(".badge")).to_have_text("Revoked")
    expect(page.get_by_role("button", name="Actions for the key new shop")).to_have_count(0)
    expect(page.get_by_role("button", name="Copy the key new shop")).to_have_count(0)


def test_the_same_by_keyboard_alone(site, window):
    page = site.page("owen", at=window)
    page.locator("#new-key").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Add description")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#new-key")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Add description")).to_be_focused()
    page.keyboard.type("shop")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # unfolds the limits
    page.keyboard.press("Tab")
    expect(page.get_by_label("Requests per minute")).to_be_focused()
    page.keyboard.type("60")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="shop")).to_contain_text("60 requests a minute")
    expect(page.locator("#new-key")).to_be_focused()

    more = page.get_by_role("button", name="Actions for the key shop")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Edit", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Key description")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" 2")
    page.keyboard.press("Enter")
    more = page.get_by_role("button", name="Actions for the key shop 2")
    expect(more).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Limits", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Requests per minute")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("1,000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="shop 2")).to_contain_text("1,000 requests a minute")
    expect(more).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="Revoke", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="shop 2").locator(".badge")).to_have_text("Revoked")


@pytest.mark.thorough
def test_the_same_without_javascript(site, window):
    page = site.page("owen", at=window, java_script_enabled=False)
    page.get_by_role("link", name="Add new").click()
    page.get_by_label("Add description").fill("shop")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The API key was added.")).to_be_visible()
    for entry, field, typed, button in (
        ("Edit", "Key description", "new shop", "Save"),
        ("Limits", "Tokens per day", "5000", "Save"),
        ("Revoke", "", "", "Revoke"),
    ):
        page.get_by_role("row", name="shop").get_by_role("button", name="Actions for the key").click()
        page.get_by_role("link", name=entry, exact=True).click()
        if field:
            page.get_by_role("textbox", name=field).fill(typed)
        page.get_by_role("button", name=button).click()
        page.wait_for_url(f"**{window}")
    row = page.get_by_role("row", name="new shop")
    expect(row).to_contain_text("5,000 tokens a day")
    expect(row.locator(".badge")).to_have_text("Revoked")


def test_add_pressed_once_more_adds_one_key_without_javascript(site, window):
    """The first press is heard, but its answer never shows; nothing on the page knows of it."""
    page = site.page("owen", at=window, java_script_enabled=False)
    page.get_by_role("link", name="Add new").click()
    page.get_by_label("Add description").fill("shop")
    sent: list[str] = []

    def hear_and_show_nothing(route):
        if route.request.method == "POST":
            sent.append(route.request.url)
            if len(sent) == 1:
                route.fetch(max_redirects=0)
                return route.fulfill(status=204)
        return route.continue_()

    page.route("**/keys/new/", hear_and_show_nothing)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The API key was added.").first).to_be_visible()
    expect(page.get_by_role("row", name="shop")).to_have_count(1)
    assert len(sent) == 2


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_in_the_boxes(site, window, screen):
    page = site.page("owen", at=window, reduced_motion="reduce", viewport=screen)
    looks = Looks(page)
    page.locator("#new-key").click()
    page.get_by_label("Add description").fill("shop")
    looks.look("Add new")
    page.locator("summary", has_text="Limits").click()
    page.get_by_label("Parallel requests").fill("0")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".fault")).to_be_visible()
    looks.look("Add new with a fault")
    page.get_by_label("Parallel requests").fill("2")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Actions for the key shop").click()
    looks.look("the menu")
    page.keyboard.press("Escape")
    for entry in ("Edit", "Limits", "Revoke"):
        choose(page, entry)
        looks.look(entry)
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Actions for the key First Key").click()
    page.locator(".menu:popover-open").get_by_text("Rotate", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    looks.look("Rotate")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(page.locator("#key-value")).to_be_visible()
    looks.look("the new value")
    page.keyboard.press("Escape")
    ApiKey.objects.filter(description="shop").update(expires_at="2020-01-01T00:00:00Z")
    first = ApiKey.objects.get(is_first=True).pk
    for name, address in {
        "the table": "",
        "Add new, as a page": "keys/new/",
        "Limits of the First Key, as a page": f"keys/{first}/limits/",
    }.items():
        page.goto(f"{window}{address}")
        looks.look(name)
    assert looks.faults == {}
