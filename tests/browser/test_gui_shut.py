"""The pages that only say no: not there, not yours, sent too late, broken; and the one before all others."""

import pytest
from playwright.sync_api import expect

from studio.accounts.rules import PAIR
from studio.tenants.models import User
from tests.browser.looks import Looks

IN_THE_FRAME = {
    "Not found": "/endpoints/00000000-0000-0000-0000-000000000001/",
    "Not allowed": "/users/",
}
WITHOUT_IT = {"No such page": "/nowhere/at/all/"}


@pytest.mark.looks
@pytest.mark.thorough
def test_pages_that_say_no(site, monkeypatch):
    page = site.page("owen", reduced_motion="reduce")
    looks = Looks(page)
    for name, address in (IN_THE_FRAME | WITHOUT_IT).items():
        page.goto(address)
        looks.look(name)
    page.context.clear_cookies()
    page.goto("/sign-in/")
    page.context.clear_cookies()
    page.get_by_label("User name").fill("owen")
    page.get_by_label("Password").fill("whatever")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Please send it again")).to_be_visible()
    looks.look("Sent too late")
    otto = site.page("otto", reduced_motion="reduce", at="/admin/endpoints/endpoint/")
    doors = Looks(otto)
    doors.look("Not yours")
    monkeypatch.setattr("studio.desk.site.matters", lambda now: 1 / 0)
    otto.goto("/admin/")
    doors.look("Something broke")
    assert looks.faults | doors.faults == {}
    site.console.clear()  # each of these pages is an error to the console


@pytest.mark.looks
@pytest.mark.thorough
def test_too_many_wrong_passwords(site):
    page = site.page(at="/sign-in/", reduced_motion="reduce")
    for _ in range(PAIR.free + 1):
        page.get_by_label("User name").fill("owen")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Too many wrong tries from here")).to_be_visible()
    looks = Looks(page)
    looks.look("Sign in, too many tries")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_an_admins_password_is_changed_before_anything_else(site):
    User.objects.filter(username="owen").update(password_is_initial=True)
    page = site.page("owen", at="/projects/", reduced_motion="reduce")
    looks = Looks(page)
    expect(page.get_by_role("heading", name="Change password")).to_be_visible()
    looks.look("Change password first")
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_role("button", name="Change password").click()
    page.wait_for_selector(".fault")
    looks.look("Change password first, with faults")
    assert looks.faults == {}
