"""Who sees which model, a model's page, and its shortcut to Create endpoint."""

import re

import pytest

from studio.hub.models import Model, ModelVersion
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants.rules import may
from tests.browser.world import NOW
from tests.doors.gui.test_hub import BASE, named, own_model, shown

# ----- who sees which model -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "seen_by"),
    [
        ("private", {"owen", "tina", "olga"}),
        ("tenant_viewer", {"owen", "tina", "olga", "mila", "otto"}),
        ("all_viewer", {"owen", "tina", "olga", "mila", "otto", "oskar"}),
    ],
)
def test_who_sees_owens_model(person, world, access, seen_by):
    model = own_model(world, general_access=access)
    for name in ("owen", "tina", "olga", "mila", "otto", "oskar"):
        there = name in seen_by
        assert ("Mine" in shown(person(name).get("models"))) is there, name
        assert person(name).get("model", model).status == (200 if there else 404), name
        assert person(name).get("model-deploy", model).status == (200 if there else 404), name


def test_a_model_that_may_not_be_seen_is_not_chosen_by_its_address(person, world):
    model = own_model(world, "Secret", owner="oskar")
    page = person("owen").get("endpoint-new", world.project, use=str(model.pk))
    assert "Secret" not in page.text
    assert page.value("model_checkpoint") == "Select a model"


@pytest.mark.parametrize("door", ["models", "model", "model-deploy"])
def test_everybody_signs_in_first(person, world, door):
    args = [] if door == "models" else [named("Help")]
    assert person().get(door, *args).location.startswith("/sign-in/")


# ----- a model's page -------------------------------------------------------------------------------------


def test_the_page_says_what_the_model_is_and_where_it_runs(owen, world):
    Model.objects.filter(name="Help").update(architecture="Tiny Llama", card="# Help\n\nKnows **Studio**.")
    model = named("Help")
    ModelVersion.objects.filter(model=model, number=2).update(
        steps=2600,
        validation_loss=0.0015,
        validation_accuracy=0.9955,
        notes="Trained longer.",
        created_at=NOW,
    )
    world.live()
    page = owen.get("model", model)
    assert "<p>Knows <strong>Studio</strong>.</p>" in page.html
    assert "Architecture Tiny Llama Publisher SambaNova ML App Tiny Chat" in page.text
    assert "2 07 Nov, 2026 2600 0.0015 0.9955 – Trained longer. 1" in page.text
    assert "SN40L 1 RDU in a single node for each instance Here: 16 in total, 15 available" in page.text
    assert "model parallel rdus 1 from 1 to 16" in page.text
    assert "hello Live demo 2 1 of 1 SN40L owen" in page.text


def test_a_generation_that_nobody_has_says_so(owen, world):
    text = owen.get("model", named("Old-Timer")).text
    assert "SN10 1 RDU in a single node for each instance No node of this platform has them" in text


def test_a_base_model_says_why_and_offers_no_endpoint(owen, world):
    text = owen.get("model", named("Tiny-Base")).text
    assert BASE in text
    assert "Create endpoint" not in text


def test_only_endpoints_that_the_actor_may_see_are_listed_and_counted(person, world):
    world.live()
    page = person("mila").get("model", named("Help"))
    assert "hello" not in page.text
    assert "No endpoint runs it" in page.text
    assert "hello" in person("olga").get("model", named("Help")).text


def test_the_endpoints_refresh_themselves_alone(owen, world):
    world.live()
    part = owen.get("model", named("Help"), part=True)
    assert "hello" in part.text
    assert "Model card" not in part.text


def test_there_is_no_such_model(owen, world):
    assert owen.get("/models/00000000-0000-0000-0000-000000000001/").status == 404


# ----- the shortcut to Create endpoint --------------------------------------------------------------------


def test_the_shortcut_asks_for_the_project_and_opens_the_window(owen, world):
    model = named("Sentiment")
    assert world.project
    dialog = owen.get("model-deploy", model, part=True)
    address = re.search(r'href="(/projects/[^"]+)"', dialog.html)[1]
    window = owen.get(address, part=True)
    assert (window.value("model_checkpoint"), window.value("ml_app")) == ("Sentiment", "Tone")
    assert re.search(r'name="endpoint_name"[^>]*autofocus', window.html)


def test_without_a_project_the_shortcut_offers_to_make_one(person, world):
    assert world.project
    text = person("mila").get("model-deploy", named("Help")).text
    assert "No project to create in" in text
    assert "New project" in text
    assert "demo" not in text


@pytest.mark.parametrize("access", ["private", "tenant_viewer", "tenant_editor", "all_viewer"])
@pytest.mark.parametrize("name", ["olga", "tina", "owen", "mila", "oskar", "otto"])
def test_the_shortcut_lists_the_projects_of_the_permission_table(world, name, access):
    assert world.project
    Project.objects.update(general_access=access)
    actor = world.actor(name)
    allowed = [
        each for each in projects.visible(actor) if may(actor, "endpoint.create", projects.facts(actor, each))
    ]
    assert list(projects.creatable(actor)) == allowed
