"""What holds on every page and open dialog, light and dark, wide and narrow."""

import pytest
from playwright.sync_api import Page, expect

from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from scheduler.models import Node
from studio.hub.models import Model
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import Tenant, User
from tests.browser.looks import NARROW, WIDE, Looks, on_both_screens
from tests.browser.world import NOW


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
        "Edit project, as a page": f"{project}edit/",
        "Share settings, as a page": f"{project}share/",
        "Notices": "/notices/",
        "Not found": "/endpoints/00000000-0000-0000-0000-000000000001/",
    }.items():
        page.goto(address)
        yield name
    page.goto("/")
    page.click("#person")
    yield "user menu"
    page.keyboard.press("Escape")
    page.click(".switcher")
    yield "tenant menu"
    page.keyboard.press("Escape")
    page.click("#bell")
    page.wait_for_selector(".news li")
    yield "the bell"
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
    page.get_by_role("button", name="Actions for hello").click()
    page.click(".menu:popover-open >> text=Share settings")
    page.fill("dialog #id_name", "mila")
    page.keyboard.press("Enter")  # adds, and saves nothing yet
    page.wait_for_selector(".grants >> text=mila")
    page.fill("dialog #id_name", "nobody")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fault")
    yield "Share settings"
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
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, addresses, screen):
    looks = Looks(site.page("owen", reduced_motion="reduce", viewport=screen))
    for name in every_view(looks.page, *addresses):
        looks.look(name)
    assert looks.faults == {}
    site.console[:] = [line for line in site.console if "404" not in line]  # the page that is not there


@pytest.mark.looks
def test_the_sign_in_page(site):
    page = site.page(at="/sign-in/", reduced_motion="reduce")
    looks = Looks(page)
    looks.look("Sign in")
    page.get_by_label("User name").fill("owen")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    looks.look("Sign in, refused")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_what_was_shared_with_somebody_of_another_tenant(site):
    endpoint = site.world.everything()
    wishes = [Wish("user", "oskar", "viewer")]
    share(actor=site.world.actor("olga"), thing=endpoint, shared_with=wishes)
    page = site.page("oskar", at="/projects/", reduced_motion="reduce")
    looks = Looks(page)
    looks.look("Shared with me")
    page.get_by_role("link", name="hello", exact=True).click()
    looks.look("Endpoint, shared with a viewer")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_the_menu_and_what_is_said_at_the_edge(site):
    page = site.page("olga", at="/projects/", reduced_motion="reduce", viewport=NARROW)
    looks = Looks(page)
    page.get_by_role("button", name="Menu").click()
    looks.look("the menu, narrow")
    page.keyboard.press("Escape")
    page.set_viewport_size(WIDE)
    page.evaluate("for (const id of ['offline', 'signed-out']) document.getElementById(id).showPopover()")
    looks.look("what is said at the edge")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_pages_with_nothing_on_them(site):
    """oskar's tenant has neither project nor endpoint; then it has an empty project."""
    page = site.page("oskar", reduced_motion="reduce")
    looks = Looks(page)
    for name, address in {"Dashboard": "/", "Projects": "/projects/", "Notices": "/notices/"}.items():
        page.goto(address)
        looks.look(f"{name}, empty")
    page.click("#bell")
    page.wait_for_selector(".bell-menu .empty")
    looks.look("the bell, empty")
    page.goto("/models/")
    page.get_by_role("link", name="Help").click()
    page.click("#create-endpoint")
    page.wait_for_selector("dialog[open]")
    looks.look("Create endpoint without a project")
    project = create_project(
        actor=site.world.actor("oskar"),
        tenant=site.world.tenants["research"],
        name="lab",
        description="",
        now=NOW,
    )
    page.goto(f"/projects/{project.pk}/")
    looks.look("Project, empty")
    page.goto("/resources/?state=lost")
    looks.look("Resources, nothing found")
    Node.objects.all().delete()
    page.goto("/resources/")
    looks.look("Resources, empty")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_alerts_and_endpoints_that_are_not_live(site):
    project = site.world.everything().project_id
    page = site.page("owen", at=f"/projects/{project}/", reduced_motion="reduce")
    looks = Looks(page)
    stopped = Endpoint.objects.get(desired="stopped")
    page.get_by_role("button", name="Actions for hello").click()
    page.locator(".menu:popover-open").get_by_text("Stop", exact=True).click()
    page.wait_for_selector("dialog[open]")
    looks.look("Stop")
    page.goto(f"/endpoints/{stopped.pk}/restart/")
    looks.look("Restart, as a page")
    for name, state in (("words", "Setting Up"), ("broken", "Failed"), (stopped.name, "Stopped")):
        page.goto(f"/endpoints/{Endpoint.objects.get(name=name).pk}/?tab=usage")
        for log in page.get_by_text("Last log lines").all():
            log.click()
        looks.look(f"Endpoint, {state}")
    page.goto(f"/endpoints/{stopped.pk}/?tab=instances")
    looks.look("Instances, none")
    assert looks.faults == {}


@pytest.mark.looks
@pytest.mark.thorough
def test_pages_full_of_the_longest_names(site):
    endpoint = site.world.everything()
    long, longest = "W" * 63, "a-long-name-of-words-" * 3
    Endpoint.objects.filter(pk=endpoint.pk).update(name=long, description="Tells it all. " * 35)
    Endpoint.objects.exclude(pk=endpoint.pk).filter(name="samba").update(name=longest)
    Project.objects.update(name=longest, description="m" * 500)
    Tenant.objects.filter(name="default").update(name=longest)
    Model.objects.filter(name="Help").update(name=longest, publisher=longest)
    owner = site.world.actor("owen")
    add_key(
        actor=owner,
        endpoint=endpoint,
        facts=selectors.facts(owner, endpoint),
        description="W" * 120,
        now=NOW,
    )
    Node.objects.filter(name="sn40l-1").update(name=longest)
    User.objects.filter(username="owen").update(username="w" * 150)
    page = site.page("w" * 150, reduced_motion="reduce")
    looks = Looks(page)
    for name, address in {
        "Dashboard": "/",
        "Projects": "/projects/",
        "Project": f"/projects/{endpoint.project_id}/",
        "Endpoint": f"/endpoints/{endpoint.pk}/",
        "Endpoint, instances": f"/endpoints/{endpoint.pk}/?tab=instances",
        "Delete": f"/endpoints/{endpoint.pk}/delete/",
        "Edit": f"/endpoints/{endpoint.pk}/edit/",
        "Models": "/models/",
        "Resources": "/resources/",
        "Notices": "/notices/",
    }.items():
        page.goto(address)
        looks.look(f"{name}, long names")
    page.click("#person")
    looks.look("user menu, long names")
    page.keyboard.press("Escape")
    page.click("#bell")
    page.wait_for_selector(".news li")
    looks.look("the bell, long names")
    of_admins = Looks(site.page("olga", reduced_motion="reduce"))
    for name, address in {"Users": "/users/", "Tenant management": "/tenants/", "Audit": "/audit/"}.items():
        of_admins.page.goto(address)
        of_admins.look(f"{name}, long names")
    assert looks.faults | of_admins.faults == {}


def test_nothing_moves_for_whom_it_should_not(site):
    page = site.page(at="/sign-in/", reduced_motion="reduce")
    speed = "getComputedStyle(document.querySelector('.button')).transitionDuration"
    assert page.evaluate(speed) == "0s"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(speed) != "0s"


def test_a_chosen_theme_wins_over_the_systems(site):
    page = site.page("owen", at="/", color_scheme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#person")
    page.click("text=Dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate(ground) != light


@pytest.mark.looks
def test_the_audit_looks_well_and_finds_as_somebody_types(site, addresses):
    looks = Looks(site.page("olga", reduced_motion="reduce"))
    page = looks.page
    page.goto("/audit/", timeout=30_000)
    page.locator(".audit-details summary").first.click()
    looks.look("Audit")
    page.get_by_label("Thing", exact=True).fill("nothing of this name")
    expect(page.get_by_text("Nothing that was done fits these filters.")).to_be_visible(timeout=30_000)
    looks.look("Audit, nothing found")
    assert looks.faults == {}
