"""Edit, Stop, Restart, Delete and Restore as the product document has them, and two people at once."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from endpoints import services
from endpoints.models import Endpoint
from endpoints.specs import Edit
from scheduler.models import Instance
from scheduler.placing import place_pending
from studio.hub.models import DeployOption, Model, ModelVersion
from tests.browser.looks import Looks, on_both_screens
from tests.browser.world import NOW, PARALLEL, PASSWORD


@pytest.fixture
def endpoint(site) -> Endpoint:
    return site.world.live("hello", instances=2, rdus=2)


def window(endpoint: Endpoint) -> str:
    return f"/endpoints/{endpoint.pk}/"


def table(endpoint: Endpoint) -> str:
    return f"/projects/{endpoint.project_id}/"


def open_menu(page: Page, entry: str, of: str = "hello") -> None:
    page.get_by_role("button", name=f"Actions for {of}").click()
    page.locator(".menu:popover-open").get_by_role("link", name=entry, exact=True).click()


def just_now() -> datetime:
    """The server's clock is the real one, and only a day is kept."""
    return datetime.now(UTC)


def by_tina(site, endpoint: Endpoint, **edit: object) -> None:
    services.update_endpoint(actor=site.world.actor("tina"), endpoint=endpoint, edit=Edit(**edit), now=NOW)


# ----- the document's procedures ------------------------------------------------------------------------------


def test_edit_an_endpoint_from_the_endpoint_window(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    expect(page.get_by_role("heading", name="Edit endpoint")).to_be_visible()
    expect(page.get_by_label("Description")).to_be_focused()
    expect(page.locator("#part-applied")).to_contain_text("Nothing is changed yet.")
    page.get_by_label("Description").fill("For the team")
    expect(page.locator("#part-applied")).to_contain_text("Nothing restarts.")
    page.get_by_label("Version").select_option("1")
    expect(page.locator("#part-applied")).to_contain_text("Rolling, without interruption")
    expect(page.get_by_label("Description")).to_have_value("For the team")
    page.get_by_label("Number of instances").fill("9")
    expect(page.locator("#part-statement")).to_contain_text(
        "2 RDUs in a single node for each instance, 18 for all 9"
    )
    expect(page.locator("#part-landing")).to_contain_text("Insufficient RDUs in a single node.")
    expect(page.get_by_label("Number of instances")).to_be_focused()
    page.get_by_label("Number of instances").fill("3")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("Endpoint hello was edited and sent to the queue.")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("For the team")
    expect(page.locator("#live .head .badge")).to_have_text("Updating")


def test_edit_an_endpoint_from_the_endpoints_table(site, endpoint):
    page = site.page("owen", at=table(endpoint))
    open_menu(page, "Edit")
    expect(page.get_by_label("Select Model").locator("option:checked")).to_have_text("Help")
    page.get_by_label("RDU generation").select_option("SN30")
    page.get_by_label("Number of instances").fill("1")
    expect(page.locator("#part-statement")).to_contain_text("SN30: 8 in total, 8 available")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_role("row", name="hello Updating Help 1 of 1 SN30")).to_be_visible()
    expect(page.get_by_role("button", name="Actions for hello")).to_be_focused()


def test_edit_an_endpoint_to_a_different_model(site, endpoint):
    """It brings its recommended generation, and the endpoints table shows both."""
    other = Model.objects.create(
        name="Chatter", app=Model.objects.get(name="Help").app, publisher="SambaNova"
    )
    ModelVersion.objects.create(model=other, number=1, path="Chatter/1")
    DeployOption.objects.create(model=other, generation_id="SN30", rank=0, params=[PARALLEL])
    page = site.page("owen", at=table(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Select Model").select_option(label="Chatter")
    expect(page.get_by_label("RDU generation").locator("option:checked")).to_have_text("SN30 · recommended")
    expect(page.get_by_label("Version").locator("option:checked")).to_have_text("1")
    expect(page.locator("#part-statement")).to_contain_text("SN30: 8 in total")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("Endpoint hello was edited and sent to the queue.")).to_be_visible()
    expect(page.get_by_role("row", name="hello Updating Chatter")).to_contain_text("SN30")


def test_stop_an_endpoint(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Stop")
    expect(page.get_by_text("The models in this endpoint will stop running.")).to_be_visible()
    page.get_by_role("dialog").get_by_text("Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    open_menu(page, "Stop")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Endpoint hello is stopping.")).to_be_visible()
    expect(page.locator("#live .head .badge")).to_have_text("Stopping")


def test_restart_an_endpoint(site, endpoint):
    services.stop_endpoint(actor=site.world.actor("owen"), endpoint=endpoint, now=NOW)
    Instance.objects.update(state="stopped", node=None)
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Restart")
    expect(page.get_by_text("Endpoint hello is restarting.")).to_be_visible()
    expect(page.get_by_text("Setting Up · 0 of 2 instances")).to_be_visible()


def test_delete_an_endpoint_and_restore_it(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This endpoint will be deleted and no longer available.")
    expect(dialog.locator(".subject")).to_contain_text("hello")
    dialog.get_by_text("Cancel").click()
    open_menu(page, "Delete")
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url(f"**{table(endpoint)}")
    expect(page.get_by_text("Endpoint hello was deleted.")).to_be_visible()
    gone = page.get_by_role("region", name="Recently deleted")
    gone.get_by_role("link", name="Restore hello").click()
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(
        page.get_by_text("Endpoint hello was restored. It is stopped; restart it to run it.")
    ).to_be_visible()
    expect(page.get_by_role("row", name="hello Stopping Help")).to_be_visible()
    expect(gone).to_be_hidden()


def test_a_name_taken_meanwhile_is_replaced(site, endpoint):
    services.delete_endpoint(actor=site.world.actor("owen"), endpoint=endpoint, now=just_now())
    site.world.endpoint("hello")
    page = site.page("owen", at=table(endpoint))
    page.get_by_role("link", name="Restore hello").click()
    expect(page.get_by_text("choose a new name.")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("This name is taken.")).to_be_visible()
    page.get_by_label("Endpoint name").fill("hello again")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("row", name="hello again")).to_be_visible()


def test_edit_and_delete_a_project(site, endpoint):
    page = site.page("owen", at="/projects/")
    open_menu(page, "Edit", of="demo")
    page.get_by_label("Project name").fill("letters")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="letters For trying")).to_be_visible()
    page.get_by_role("link", name="letters").click()
    open_menu(page, "Delete", of="letters")
    expect(page.get_by_role("dialog")).to_contain_text("will be deleted with 1 endpoint.")
    expect(page.get_by_role("list", name="Endpoints that will be deleted")).to_contain_text("hello")
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url("**/projects/")
    expect(page.get_by_text("Project letters was deleted.")).to_be_visible()
    expect(page.get_by_text("No project yet")).to_be_visible()


@pytest.mark.thorough
def test_edit_and_restore_work_without_javascript(site, endpoint):
    page = site.page("owen", at=window(endpoint), java_script_enabled=False)
    open_menu(page, "Edit")
    page.get_by_label("Version").select_option("1")
    page.get_by_role("button", name="Update preview").click()
    expect(page.locator("#part-applied")).to_contain_text("Rolling, without interruption")
    by_tina(site, endpoint, description="theirs")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("tina changed this endpoint while you were editing it.")).to_be_visible()
    page.get_by_role("button", name="Apply mine on top").click()
    expect(page.get_by_text("Endpoint hello was edited and sent to the queue.")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("theirs")
    open_menu(page, "Delete")
    page.get_by_role("button", name="Yes").click()
    page.get_by_role("link", name="Restore hello").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Endpoint hello was restored.")).to_be_visible()


# ----- two people at once, and what goes wrong on the way -----------------------------------------------------


def test_somebody_was_first(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("mine")
    by_tina(site, endpoint, description="theirs", instances=3)
    page.get_by_role("button", name="Edit endpoint").click()
    told = page.locator("#differences")
    expect(told).to_contain_text("tina changed this endpoint while you were editing it.")
    expect(told.get_by_role("row", name="Description mine theirs")).to_be_visible()
    expect(told.get_by_role("row", name="Number of instances not changed 3")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("mine")
    page.get_by_role("link", name="Take theirs").click()
    expect(page.get_by_label("Description")).to_have_value("theirs")
    expect(told).to_be_hidden()
    page.get_by_label("Description").fill("both")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.locator("#live")).to_contain_text("both")
    assert Endpoint.objects.get().instances == 3


def test_an_expired_sign_in_loses_nothing_that_was_typed(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("typed for half an hour")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in again").click()
    sign_in = opened.value
    sign_in.get_by_label("User name").fill("owen")
    sign_in.get_by_label("Password").fill(PASSWORD)
    sign_in.get_by_role("button", name="Sign in").click()
    expect(sign_in.get_by_role("heading", name="hello")).to_be_visible()
    sign_in.close()
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("You are signed in again. What you typed is still here.")).to_be_visible()
    expect(page.get_by_text("You are signed out.")).to_be_hidden()
    expect(page.get_by_label("Description")).to_have_value("typed for half an hour")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.locator("#live")).to_contain_text("typed for half an hour")
    site.console[:] = [line for line in site.console if "401" not in line]


def test_a_page_too_old_to_send_is_told_so_and_sends_the_second_time(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("kept")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("This page was too old, so nothing was done.").first).to_be_visible()
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.locator("#live")).to_contain_text("kept")
    site.console[:] = [line for line in site.console if "403" not in line]


def test_a_lost_connection_loses_nothing_that_was_typed(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("typed on a train")
    page.context.set_offline(True)
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("Studio does not answer.")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("typed on a train")
    page.context.set_offline(False)
    expect(page.get_by_text("Studio does not answer.")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.locator("#live")).to_contain_text("typed on a train")
    site.console.clear()


def test_an_answer_that_was_lost_is_asked_for_again(site, endpoint):
    """Create and edit were heard, but nobody knows: pressed again, both say so and nothing is doubled."""
    page = site.page("owen", at=table(endpoint))
    lost = ["endpoints/new/", f"{endpoint.pk}/edit/"]

    def hear_and_lose(route):
        path = next((path for path in lost if route.request.url.endswith(path)), None)
        if route.request.method != "POST" or path is None:
            return route.continue_()
        lost.remove(path)
        route.fetch()
        return route.abort()

    page.route("**/*", hear_and_lose)
    page.click("#new-endpoint")
    page.get_by_label("Endpoint name").fill("chat")
    page.get_by_label("Select model").select_option(label="Help")
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_text("this may not have been done")).to_be_visible()
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_text("Endpoint chat was added and is queued for deployment.")).to_be_visible()
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("once")
    page.get_by_role("button", name="Dismiss").first.click()
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("this may not have been done")).to_be_visible()
    page.get_by_role("button", name="Edit endpoint").click()
    expect(page.get_by_text("Endpoint hello was edited and sent to the queue.")).to_be_visible()
    assert Endpoint.objects.count() == 2
    assert Endpoint.objects.get(name="hello").spec_version == 2
    site.console.clear()


def test_a_double_click_on_edit_edits_once(site, endpoint):
    page = site.page("owen", at=window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Description").fill("once")
    page.get_by_role("button", name="Edit endpoint").dblclick()
    expect(page.get_by_text("Endpoint hello was edited and sent to the queue.")).to_have_count(1)
    assert Endpoint.objects.get().spec_version == 2


# ----- how it looks -------------------------------------------------------------------------------------------


def every_view(site, page: Page, endpoint: Endpoint):
    """Every dialog of this file, open; yields its name."""
    page.goto(window(endpoint))
    open_menu(page, "Edit")
    page.get_by_label("Number of instances").fill("40")
    page.wait_for_selector("text=Insufficient RDUs in a single node.")
    page.click("summary >> text=Model Parameters")
    yield "Edit endpoint"
    by_tina(
        site, endpoint, description="What somebody else wrote, in a sentence of some length", model_version=1
    )
    page.get_by_label("Description").fill("mine")
    page.get_by_role("button", name="Edit endpoint").click()
    page.wait_for_selector("#differences")
    yield "Edit endpoint, somebody was first"
    page.goto(f"{window(endpoint)}edit/")
    yield "Edit endpoint, as a page"
    page.goto(table(endpoint))
    open_menu(page, "Edit", of="demo")
    page.wait_for_selector("dialog[open]")
    yield "Edit project"
    page.goto(table(endpoint))
    yield "Project window with Recently deleted"
    page.get_by_role("link", name="Restore gone").click()
    page.wait_for_selector("dialog[open]")
    yield "Restore endpoint"
    page.goto("/projects/")
    yield "Projects"
    open_menu(page, "Delete", of="demo")
    page.wait_for_selector("dialog[open]")
    yield "Delete project"


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, screen):
    endpoint = site.world.everything()
    Endpoint.objects.filter(name="gone").update(deleted_at=just_now())
    place_pending("SN40L")
    page = site.page("owen", reduced_motion="reduce", viewport=screen)
    looks = Looks(page)
    for name in every_view(site, page, endpoint):
        looks.look(name)
    assert looks.faults == {}
