"""Create a non-CoE endpoint using the GUI: Select from Model Hub; and the Models page. By mouse, keys and no script."""

import re

import pytest
from playwright.sync_api import Page, expect

from endpoints.models import Endpoint
from studio.hub.models import DeployOption, MLApp, Model, ModelVersion
from studio.hub.views import PAGE
from tests.browser.looks import Looks, on_both_screens

CARD = """# Help

Answers questions. See [the site](https://studio.example/), `make train`, and a table:

| version | steps | exactly right as a chat turn | as a bare prompt | seconds of training |
| --- | --: | --: | --: | --: |
| 1 | 550 | 209 of 220 (95.0%) | 166 of 220 (75.5%) | 96 |

## Limits

> English only.

- one
- two
"""


@pytest.fixture
def project(site) -> str:
    Model.objects.filter(name="Help").update(
        card=CARD, description="Answers questions about the platform.", architecture="Tiny Llama 0.4M"
    )
    return f"/projects/{site.world.project.pk}/"


def many_models(number: int) -> None:
    app = MLApp.objects.get(name="Tone")
    for each in range(number):
        model = Model.objects.create(name=f"Many {each:02}", app=app, publisher="SambaNova")
        ModelVersion.objects.create(model=model, number=1, path=f"many/{each}")
        DeployOption.objects.create(model=model, generation_id="SN30")


def open_hub(page: Page) -> None:
    """The Create endpoint window with a name and a description, then its entry of the hub."""
    page.click("#new-endpoint")
    page.get_by_label("Endpoint name").fill("chat")
    page.get_by_label("Description").fill("For the team")
    page.get_by_label("Number of instances").fill("2")
    page.get_by_label("Select model").select_option(label="Select from Model Hub")
    expect(page.get_by_role("heading", name="Select from Model Hub")).to_be_visible()
    expect(page.get_by_label("Search")).to_be_focused()


def expect_what_was_typed(page: Page) -> None:
    expect(page.get_by_role("heading", name="Create endpoint")).to_be_visible()
    expect(page.get_by_label("Endpoint name")).to_have_value("chat")
    expect(page.get_by_label("Description")).to_have_value("For the team")
    expect(page.get_by_label("Number of instances")).to_have_value("2")


def chosen(page: Page, label: str):
    return page.get_by_label(label).locator("option:checked")


# ----- Select from Model Hub ------------------------------------------------------------------------------


def test_a_model_is_picked_by_hand_and_the_endpoint_created(site, project):
    page = site.page("owen", at=project)
    open_hub(page)
    expect(page.get_by_text("4 models", exact=True)).to_be_visible()
    page.get_by_label("ML APP").select_option(label="Tone")
    expect(page.get_by_text("2 models found")).to_be_visible()
    expect(page.get_by_role("radio", name="Help")).to_have_count(0)
    page.get_by_text("Sentiment", exact=True).click()
    page.get_by_label("Search").fill("sent")
    expect(page.get_by_text("1 model found")).to_be_visible()
    expect(page.get_by_role("radio", name="Sentiment")).to_be_checked()
    page.get_by_role("button", name="Use model").click()
    expect_what_was_typed(page)
    expect(chosen(page, "Select model")).to_have_text("Sentiment")
    expect(chosen(page, "ML App")).to_have_text("Tone")
    expect(chosen(page, "Version")).to_have_text("2")
    expect(page.get_by_label("Select model")).to_be_focused()
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("row", name="chat Setting Up Sentiment")).to_be_visible()
    endpoint = Endpoint.objects.get()
    assert (endpoint.description, endpoint.instances) == ("For the team", 2)


def test_a_model_is_picked_by_keys_alone(site, project):
    page = site.page("owen", at=project)
    page.wait_for_load_state("load")
    page.locator("#new-endpoint").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    page.keyboard.type("chat")
    page.get_by_label("Select model").focus()
    page.keyboard.press("End")  # the last entry
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("samba")
    expect(page.get_by_text("4 models found")).to_be_visible()
    for _ in range(5):  # past the four filters, to the cards
        page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Help")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Sentiment")).to_be_checked()
    page.keyboard.press("ArrowDown")  # over the Base model, round to the first
    expect(page.get_by_role("radio", name="Help")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create endpoint")).to_be_visible()
    expect(page.get_by_label("Endpoint name")).to_have_value("chat")
    expect(chosen(page, "Select model")).to_have_text("Help")
    page.get_by_label("Endpoint name").press("Enter")
    expect(page.get_by_role("row", name="chat Setting Up Help")).to_be_visible()


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["Escape", "Back"])
def test_back_and_escape_lead_to_what_was_typed(site, project, way):
    page = site.page("owen", at=project)
    page.click("#new-endpoint")
    page.get_by_label("Select model").select_option(label="Help")
    expect(chosen(page, "Version")).to_have_text("2")
    page.keyboard.press("Escape")
    open_hub(page)
    if way == "Back":
        page.get_by_role("link", name="Back", exact=True).click()
    else:
        page.keyboard.press("Escape")
    expect_what_was_typed(page)
    expect(chosen(page, "Select model")).to_have_text("Select a model")
    page.get_by_label("Select model").select_option(label="Help")
    expect(chosen(page, "Version")).to_have_text("2")
    page.get_by_label("Select model").select_option(label="Select from Model Hub")
    expect(page.get_by_role("radio", name="Help")).to_be_checked()
    page.keyboard.press("Escape")
    expect_what_was_typed(page)
    expect(chosen(page, "Select model")).to_have_text("Help")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#new-endpoint")).to_be_focused()


def test_base_models_say_why_they_cannot_be_chosen(site, project):
    page = site.page("owen", at=project)
    open_hub(page)
    page.get_by_label("Search").fill("tiny-base")
    expect(page.get_by_text("Base models do not support inference")).to_be_visible()
    expect(page.get_by_role("radio", name="Tiny-Base")).to_be_disabled()
    expect(page.get_by_role("button", name="Use model")).to_be_disabled()
    page.get_by_label("Search").fill("nothing like it")
    expect(page.get_by_text("No model fits")).to_be_visible()
    page.get_by_role("link", name="Show all models").click()
    expect(page.get_by_text("4 models", exact=True)).to_be_visible()
    page.get_by_role("link", name="Back", exact=True).click()
    expect_what_was_typed(page)


def test_a_model_must_be_picked_before_it_is_used(site, project):
    page = site.page("owen", at=project)
    open_hub(page)
    page.get_by_role("button", name="Use model").click()
    expect(page.get_by_role("heading", name="Select from Model Hub")).to_be_visible()
    assert page.evaluate("document.querySelectorAll('#use-model :invalid').length") > 0


def test_more_models_follow_in_place(site, project):
    many_models(PAGE)
    page = site.page("owen", at="/models/")
    page.get_by_role("link", name="Show more models").click()
    expect(page.locator(".card")).to_have_count(PAGE + 4)
    expect(page.get_by_role("link", name="Show more models")).to_have_count(0)
    expect(page.locator(f"li:nth-child({PAGE + 1}) h2 a")).to_be_focused()


@pytest.mark.thorough
def test_it_works_without_javascript(site, project):
    page = site.page("owen", at=f"{project}endpoints/new/", java_script_enabled=False)
    page.get_by_label("Endpoint name").fill("chat")
    page.get_by_label("Select model").select_option(label="Select from Model Hub")
    page.get_by_role("button", name="Update preview").click()
    page.get_by_label("Search").fill("sent")
    page.get_by_role("button", name="Apply filters").click()
    page.get_by_role("radio", name="Sentiment").check()
    page.get_by_role("button", name="Use model").click()
    expect(page.get_by_label("Endpoint name")).to_have_value("chat")
    expect(chosen(page, "Select model")).to_have_text("Sentiment")
    page.get_by_role("button", name="Add an endpoint").click()
    expect(page.get_by_role("link", name="chat")).to_be_visible()


# ----- the Models page ------------------------------------------------------------------------------------


def test_filters_stand_in_the_address(site, project):
    page = site.page("owen", at="/")
    page.get_by_role("link", name="Models").click()
    page.get_by_label("ML APP").select_option(label="Tone")
    expect(page.get_by_text("2 models found")).to_be_visible()
    expect(page).to_have_url(re.compile(r"app=[0-9a-f-]{36}"))
    page.reload()
    expect(chosen(page, "ML APP")).to_have_text("Tone")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_role("link", name="Sentiment").click()
    expect(page.get_by_role("heading", name="Sentiment", level=1)).to_be_visible()
    page.go_back()
    expect(page.locator(".card")).to_have_count(2)


def test_from_a_models_page_to_its_endpoint(site, project):
    model = Model.objects.get(name="Help")
    page = site.page("owen", at=f"/models/{model.pk}/")
    expect(page.get_by_text("No endpoint runs it")).to_be_visible()
    page.get_by_role("link", name="Create endpoint").click()
    page.get_by_role("link", name="demo").click()
    expect(page.get_by_label("Endpoint name")).to_be_focused()
    expect(chosen(page, "Select model")).to_have_text("Help")
    page.keyboard.type("chat")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="chat Setting Up demo 2 0 of 1 SN40L owen")).to_be_visible()


# ----- how it looks ---------------------------------------------------------------------------------------


def every_view(page: Page, project: str):
    """Every page, part and window of the hub; yields what is seen."""
    help_model, base = (Model.objects.get(name=name).pk for name in ("Help", "Tiny-Base"))
    for name, address in {
        "Models": "/models/",
        "Models, none": "/models/?search=nothing",
        "Model": f"/models/{help_model}/",
        "Model, Base": f"/models/{base}/",
        "Choose the project, as a page": f"/models/{help_model}/endpoint/",
        "Select from Model Hub, as a page": f"{project}endpoints/new/model/?use={help_model}",
    }.items():
        page.goto(address)
        yield name
    page.goto(f"/models/{help_model}/")
    page.click("#create-endpoint")
    page.wait_for_selector("dialog[open]")
    yield "Choose the project"
    page.goto(project)
    open_hub(page)
    page.get_by_role("radio", name="Help").check()
    yield "Select from Model Hub"
    page.get_by_label("Search").fill("nothing")
    page.wait_for_selector("text=No model fits")
    yield "Select from Model Hub, none"


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.looks
@on_both_screens
def test_axe_finds_nothing_and_nothing_scrolls_sideways(site, project, screen):
    site.world.live()
    long_name = "a-model-with-a-very-long-name-that-somebody-typed-into-the-field-without-mercy"
    Model.objects.filter(name="Old-Timer").update(name=long_name, architecture=long_name)
    page = site.page("owen", reduced_motion="reduce", viewport=screen)
    looks = Looks(page)
    for name in every_view(page, project):
        looks.look(name)
    assert looks.faults == {}
