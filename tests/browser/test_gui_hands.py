"""What people do: by mouse, by keyboard alone, and without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.projects.models import Project
from tests.browser.world import PASSWORD

RDUS = "[name='hyperparams.model_parallel_rdus']"


@pytest.fixture
def project(site) -> str:
    return f"/projects/{site.world.project.pk}/"


# ----- the Create endpoint window -------------------------------------------------------------------------


def test_create_an_endpoint(site, project):
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    expect(page.get_by_role("heading", name="Create endpoint")).to_be_visible()
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    page.keyboard.type("chat")
    page.get_by_label("Select model").select_option(label="Help")
    expect(page.get_by_label("ML App")).to_have_value(re.compile(".+"))
    expect(page.get_by_label("RDU generation").locator("option:checked")).to_have_text("SN40L · recommended")
    expect(page.get_by_label("Endpoint name")).to_have_value("chat")
    page.get_by_text("Model Parameters").click()
    page.locator(RDUS).fill("4")
    expect(page.locator("#part-statement")).to_contain_text("4 RDUs in a single node for each instance")
    expect(page.locator(RDUS)).to_be_focused()
    page.get_by_label("Number of instances").fill("5")
    expect(page.locator("#part-landing")).to_contain_text("Instances 1–4 start now.")
    expect(page.locator("#part-landing")).to_contain_text("Instance 5 will be in Awaiting RDU status")
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("Endpoint chat was added and is queued for deployment.")).to_be_visible()
    expect(page.get_by_role("row", name="chat Setting Up Help 0 of 5 SN40L")).to_be_visible()


def test_a_fault_takes_the_focus_and_enter_sends_again(site, project):
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    page.get_by_label("Select model").select_option(label="Help")
    page.get_by_label("Description").fill("kept")
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_text("Enter a name")).to_be_visible()
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    expect(page.get_by_label("Description")).to_have_value("kept")
    page.keyboard.type("chat")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="chat")).to_be_visible()


def test_what_is_chosen_while_an_answer_is_on_its_way_stays_chosen(site, project):
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    model = page.get_by_label("Select model").locator("option", has_text=re.compile("^Help$"))
    app = page.get_by_label("ML App").locator("option", has_text="Tiny Chat")
    with page.expect_response(lambda answer: "preview" in answer.url):
        page.evaluate(
            """(picks) => {
              for (const [id, value] of picks) {
                const pick = document.getElementById(id);
                pick.value = value;
                pick.dispatchEvent(new Event("change", { bubbles: true }));
              }
            }""",
            [
                ["id_ml_app", app.get_attribute("value")],
                ["id_model_checkpoint", model.get_attribute("value")],
            ],
        )
    expect(page.locator("#part-statement")).to_contain_text("1 RDU in a single node for each instance")
    expect(page.get_by_label("Select model").locator("option:checked")).to_have_text("Help")


def test_a_double_click_creates_one(site, project):
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    page.get_by_label("Endpoint name").fill("chat")
    page.get_by_label("Select model").select_option(label="Help")
    page.get_by_role("button", name="Add an endpoint").dblclick()
    expect(page.get_by_role("row", name="chat")).to_be_visible()
    assert Endpoint.objects.count() == 1


# ----- dialogs and menus by keyboard ----------------------------------------------------------------------


def test_sign_in_and_make_a_project_by_keyboard_alone(site):
    page = site.page(at="/sign-in/?next=/projects/")
    page.keyboard.type("owen")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Projects", exact=True)).to_be_visible()
    page.wait_for_load_state("load")  # before the scripts are there, Enter would open the plain page
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#new-project")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Project name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#new-project")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Project name")).to_be_focused()
    page.keyboard.type("translate")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="translate")).to_be_visible()


def test_the_focus_stays_in_the_dialog(site, project):
    site.world.live()
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )


def test_stop_from_the_menu_by_keyboard(site, project):
    endpoint = site.world.live()
    page = site.page("owen", at=project)
    more = page.get_by_role("button", name="Actions for hello")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="View")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Edit")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Stop")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="Delete")).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="View")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The models in this endpoint will stop running.")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_text("Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Continue")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Endpoint hello is stopping.")).to_be_visible()
    expect(page.locator("tbody .badge")).to_have_text("Stopping")
    expect(page.locator(f"#more-{endpoint.pk}")).to_be_focused()


def test_restart_needs_no_question(site):
    endpoint = site.world.everything()
    page = site.page("owen", at=f"/projects/{endpoint.project_id}/")
    page.get_by_role("button", name="Actions for broken").click()
    page.get_by_role("link", name="Restart").click()
    expect(page.get_by_text("Endpoint broken is restarting.")).to_be_visible()
    expect(page.get_by_role("row", name="broken").locator(".badge")).not_to_have_text("Failed")


def test_a_refusal_in_a_dialog_is_seen_above_it(site):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    page.get_by_role("button", name="Actions for hello").click()
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    Endpoint.objects.update(owner=site.world.user("oskar"))
    Project.objects.update(owner=site.world.user("oskar"))
    page.get_by_role("button", name="Continue").click()
    notice = page.locator("#notices .notice")
    expect(notice).to_contain_text("There is no endpoint")
    assert page.locator("#notices").evaluate("shelf => shelf.matches(':popover-open')")
    site.console.clear()


def test_cancel_does_nothing(site, project):
    endpoint = site.world.live()
    page = site.page("owen", at=f"/endpoints/{endpoint.pk}/")
    page.get_by_role("button", name="Actions for hello").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("dialog").get_by_text("Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Endpoint.objects.get().desired == "running"


# ----- without JavaScript ---------------------------------------------------------------------------------


def test_everything_works_without_javascript(site, project):
    page = site.page("owen", at=project, java_script_enabled=False)
    page.click("text=New endpoint >> nth=0")
    page.get_by_label("Endpoint name").fill("chat")
    page.get_by_label("Select model").select_option(label="Help")
    page.get_by_role("button", name="Update preview").click()
    expect(page.get_by_label("Endpoint name")).to_have_value("chat")
    expect(page.locator("#part-statement")).to_contain_text("1 RDU in a single node")
    page.get_by_label("Endpoint name").press("Enter")
    page.get_by_role("link", name="chat").click()
    for deed, button, outcome in (
        ("Stop", "Continue", "is stopping"),
        ("Restart", "Restart", "is restarting"),
        ("Delete", "Yes", "was deleted"),
    ):
        page.get_by_role("button", name="Actions for chat").click()
        page.get_by_role("link", name=deed).click()
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text(f"Endpoint chat {outcome}.")).to_be_visible()
    page.click("#person")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()


# ----- copying --------------------------------------------------------------------------------------------


def test_copy_says_copied_and_keys_are_revealed_on_request(site):
    endpoint = site.world.live()
    page = site.page("owen", permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/endpoints/{endpoint.pk}/")
    copy = page.get_by_role("button", name="Copy Predict URL")
    copy.click()
    expect(copy.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith(f"/{endpoint.project_id}/{endpoint.pk}")
    copy_key = page.get_by_role("button", name="Copy the key First Key")
    copy_key.click()
    expect(copy_key.get_by_text("Copied")).to_be_visible()
    value = page.evaluate("navigator.clipboard.readText()")
    expect(page.get_by_text(value)).to_be_hidden()
    page.get_by_role("link", name="Reveal the key First Key").click()
    expect(page.get_by_text(value)).to_be_visible()
    page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error()) }")
    copy.click()
    expect(page.get_by_text("It was not copied.")).to_be_visible()
    page.get_by_role("link", name="Hide the key First Key").click()
    expect(page.get_by_text(value)).to_be_hidden()
    assert Instance.objects.filter(state="ready").exists()
