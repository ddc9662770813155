"""What holds on every page and open dialog, light and dark, wide and narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


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
@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", WIDE), ("dark", WIDE), ("light", NARROW)],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, addresses, scheme, viewport):
    page = site.page("owen", color_scheme=scheme, reduced_motion="reduce", viewport=viewport)
    found = {}
    for name in every_view(page, *addresses):
        faults = [
            f"{rule['id']}: {node['html'][:160]}"
            for rule in Axe().run(page, options=RULES).response["violations"]
            for node in rule["nodes"]
        ]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append("scrolls sideways")
        found |= {name: faults} if faults else {}
    assert found == {}
    site.console[:] = [line for line in site.console if "404" not in line]  # the page that is not there


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page(site, scheme):
    page = site.page(at="/sign-in/", color_scheme=scheme)
    assert Axe().run(page, options=RULES).response["violations"] == []


def test_a_chosen_theme_wins_over_the_systems(site):
    page = site.page("owen", at="/", color_scheme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#person")
    page.click("text=Dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate(ground) != light
