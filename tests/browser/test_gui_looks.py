"""What holds on every page and open dialog, light and dark, wide and narrow."""

import pytest
from playwright.sync_api import Page

from tests.browser.looks import Looks, on_both_screens


def every_view(page: Page, project: str, endpoint: str):
    """Go through every page, menu and dialog; yields what is seen."""
    for name, address in {
        "Dashboard": "/",
        "Projects": "/projects/",
        "Project": project,
        "Create endpoint, as a page": f"{project}endpoints/new/",
        "Endpoint": endpoint,
        "Endpoint, instances": f"{endpoint}?tab=instances",
        "Endpoint, events": f"{endpoint}?tab=events",
        "Stop, as a page": f"{endpoint}stop/",
        "Not found": "/endpoints/00000000-0000-0000-0000-000000000001/",
    }.items():
        page.goto(address)
        yield name
    page.goto("/")
    page.click("#person")
    yield "user menu"
    page.goto("/projects/")
    page.click("#new-project")
    page.wait_for_selector("dialog[open]")
    yield "New project"
    page.goto(project)
    page.get_by_role("button", name="Actions for hello").click()
    yield "Actions menu"
    page.click(".menu:popover-open >> text=Delete")
    page.wait_for_selector("dialog[open]")
    yield "Delete"
    page.goto(project)
    page.click("#new-endpoint")
    page.wait_for_selector("dialog[open]")
    page.fill("#id_instances", "40")
    page.select_option("#id_model_checkpoint", label="Help")
    page.wait_for_selector("text=Insufficient RDUs in a single node.")
    page.click("summary >> text=Model Parameters")
    yield "Create endpoint"
    page.click("text=Add an endpoint")
    page.wait_for_selector(".fault")
    yield "Create endpoint with a fault"


@pytest.fixture
def addresses(site) -> tuple[str, str]:
    endpoint = site.world.everything()
    return f"/projects/{endpoint.project_id}/", f"/endpoints/{endpoint.pk}/"


@pytest.mark.slow
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, addresses, screen):
    looks = Looks(site.page("owen", reduced_motion="reduce", viewport=screen))
    for name in every_view(looks.page, *addresses):
        looks.look(name)
    assert looks.faults == {}
    site.console[:] = [line for line in site.console if "404" not in line]  # the page that is not there


def test_the_sign_in_page(site):
    looks = Looks(site.page(at="/sign-in/"))
    looks.look("Sign in")
    assert looks.faults == {}


def test_a_chosen_theme_wins_over_the_systems(site):
    page = site.page("owen", at="/", color_scheme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#person")
    page.click("text=Dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate(ground) != light
