"""The Django admin in the product's look: its home, a list and a page of each model, a question before a loss."""

from typing import Any

import pytest
from django.contrib import admin
from playwright.sync_api import expect

from apikeys.models import ApiKey
from endpoints.usage.models import UsageDay, UsageGateway
from scheduler.models import Demand, Node, Quota
from studio.desk.shown import list_of, page_of
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.browser.looks import Looks, on_both_screens
from tests.browser.world import NOW


def of_each_kind(site: Any) -> None:
    """Something for every page to show, and something that needs attention."""
    endpoint = site.world.everything()
    Quota.objects.create(tenant=site.world.tenants["default"], generation_id="SN40L", guaranteed=4, maximum=8)
    wishes = [Wish("user", "oskar", "viewer"), Wish("tenant", "research", "editor")]
    share(actor=site.world.actor("olga"), thing=endpoint, shared_with=wishes)
    new_platform_key(actor=STUDIO, user=site.world.user("owen"), now=NOW)
    UsageGateway.objects.create(id="gateway-1", seen_at=NOW)
    UsageDay.objects.create(
        endpoint=endpoint, key=ApiKey.objects.get(endpoint=endpoint), start=NOW, requests=12
    )
    Node.objects.filter(name="sn40l-2").update(state="lost", heard_at=NOW)
    Demand.objects.update(count=100)


@pytest.fixture
def olga(site: Any) -> Looks:
    """OrgAdmin and operator: every page opens."""
    User.objects.filter(username="olga").update(is_staff=True)
    return Looks(site.page("olga", reduced_motion="reduce"))


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@pytest.mark.timeout(600)
def test_axe_finds_nothing_on_any_page_of_the_desk(site, olga):
    of_each_kind(site)
    olga.page.goto("/admin/")
    olga.look("home")
    olga.page.goto("/admin/scheduler/")
    olga.look("an app")
    for model in admin.site._registry:
        name = model._meta.model_name
        olga.page.goto(list_of(model))
        olga.look(f"{name} list")
        if row := model._default_manager.first():
            olga.page.goto(page_of(row))
            olga.look(f"{name} page")
    olga.page.goto(f"{list_of(Node)}?state__exact=suspect")
    olga.look("node list, nothing found")
    assert olga.faults == {}


@pytest.mark.looks
@on_both_screens
def test_nodes_are_chosen_asked_about_and_drained(site, screen):
    page = site.page("otto", at="/admin/", reduced_motion="reduce", viewport=screen)
    looks = Looks(page)
    page.get_by_role("link", name="Nodes", exact=True).click()
    page.get_by_role("row", name="sn30-1").get_by_role("checkbox").check()
    expect(page.get_by_text("1 of 3 selected")).to_be_visible()
    page.get_by_label("Action", exact=True).select_option("drain")
    looks.look("nodes chosen")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Drain: move everything off")).to_be_visible()
    looks.look("asked first")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("Done: sn30-1.")).to_be_visible()
    looks.look("done")
    assert Node.objects.get(name="sn30-1").intent == "draining"
    assert looks.faults == {}


@pytest.mark.thorough
def test_the_desk_wears_the_theme_that_was_chosen(site, olga):
    page = olga.page
    page.goto("/admin/")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#person")
    page.click("text=Dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate(ground) != light
    assert page.url.endswith("/admin/")
