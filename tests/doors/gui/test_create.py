"""The Create endpoint window, field by field."""

import re

import pytest

from endpoints.models import Endpoint
from studio.hub.models import Model
from studio.projects.models import Project
from tests.doors.gui.conftest import Seen

RDUS = "hyperparams.model_parallel_rdus"
IN_ORDER = (
    "Endpoint name",
    "Description",
    "ML App",
    "Select model",
    "Version",
    "Number of instances",
    "RDU generation",
    "in a single node",
    "Model Parameters",
    "model parallel rdus",
    "land here",
    "Insufficient RDUs in a single node",
    "Cancel",
    "Add an endpoint",
)


@pytest.fixture
def typed(world) -> dict[str, object]:
    """A window in which everything is filled in."""
    help_model = Model.objects.get(name="Help")
    return {
        "endpoint_name": "chat",
        "description": "For the team",
        "ml_app": help_model.app_id,
        "model_checkpoint": help_model.pk,
        "model_version": "2",
        "instances": "3",
        "rdu_arch": "SN40L",
        "parameters_of": help_model.pk,
        RDUS: "4",
    }


def test_the_window_opens_in_the_page(owen, world):
    dialog = owen.get("endpoint-new", world.project, part=True)
    assert dialog.html.lstrip().startswith("<form")
    assert "Select a model to see how many RDUs it needs" in dialog.text


def test_everything_stands_in_the_documents_order(owen, world, typed):
    text = owen.post("endpoint-preview", world.project, **typed | {"instances": "5"}).text
    places = [text.find(label) for label in IN_ORDER]
    assert [label for label, place in zip(IN_ORDER, places, strict=True) if place < 0] == []
    assert places == sorted(places)


def test_models_come_in_groups_and_base_models_cannot_be_chosen(owen, world):
    mine = Model.objects.get(name="Sentiment")
    Model.objects.filter(pk=mine.pk).update(owner=world.user("owen"), tenant=world.tenants["default"])
    html = owen.get("endpoint-new", world.project).html
    assert re.findall(r'<optgroup label="([^"]+)"', html) == ["My models", "SambaNova models"]
    assert re.search(r"<option [^>]*disabled[^>]*>Tiny-Base \(Base model\)", html)
    hint = (
        "Base models do not support inference and cannot be deployed for endpoints. It is recommended to use "
    )
    assert html.count(f"{hint}Base models for training and not inference.") == 1


def test_the_ml_app_narrows_the_models(owen, world, typed):
    tone = Model.objects.get(name="Sentiment").app_id
    part = owen.post("endpoint-preview", world.project, part=True, **typed | {"ml_app": tone})
    assert "Sentiment" in part.text
    assert "Help" not in part.text
    assert part.value("model_checkpoint") == "Select a model"


def test_a_model_brings_its_app_versions_generations_and_parameters(owen, world, typed):
    fresh = {"endpoint_name": "chat", "model_checkpoint": typed["model_checkpoint"], "instances": "1"}
    part = owen.post("endpoint-preview", world.project, part=True, **fresh)
    assert part.value("ml_app") == "Tiny Chat"
    assert part.value("model_version") == "2"
    assert part.value("rdu_arch") == "SN40L · recommended"
    assert part.value(RDUS) == "1"
    assert "1 RDU in a single node for each instance. SN40L: 16 in total, 16 available" in part.text


def marks(page: Seen) -> dict[str, str]:
    """What the window sends back of what it shows."""
    return dict(re.findall(r'name="(shown\.\w+|parameters_of)" value="([^"]*)"', page.html))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"instances": "7"}, set()),
        ({RDUS: "8"}, set()),
        ({RDUS: "16"}, set()),
        ({"model_version": "1"}, set()),
        ({"rdu_arch": "SN30"}, set()),
        ({"ml_app": ""}, {"ml_app", "model_checkpoint"}),
        ({"model_checkpoint": ""}, {"model_version", "rdu_arch", "parameters"}),
    ],
)
def test_a_change_refreshes_only_what_it_touches(owen, world, typed, change, parts):
    shown = marks(owen.post("endpoint-preview", world.project, **typed))
    part = owen.post("endpoint-preview", world.project, part=True, **typed | shown | change)
    assert set(re.findall(r'id="part-(\w+)"[^>]*hx-swap-oob', part.html)) == parts | {"statement", "landing"}


def test_a_change_that_was_overtaken_is_made_good_by_the_next(owen, world, typed):
    """The answer to the ML App never came; the number of instances brings the other models."""
    shown = marks(owen.post("endpoint-preview", world.project, **typed))
    tone = Model.objects.get(name="Sentiment").app_id
    late = typed | shown | {"ml_app": tone, "instances": "4"}
    assert "Sentiment" in owen.post("endpoint-preview", world.project, part=True, **late).text


def test_the_recommendation_follows_the_rdus(owen, world, typed):
    world.live(instances=2, rdus=6)
    shown = marks(owen.post("endpoint-preview", world.project, **typed | {RDUS: "2"}))
    part = owen.post("endpoint-preview", world.project, part=True, **typed | shown | {RDUS: "8"})
    assert "SN30 · recommended" in part.text
    assert part.value("rdu_arch") == "SN40L"


def test_the_statement_says_what_is_needed_and_what_is_there(owen, world, typed):
    text = owen.post("endpoint-preview", world.project, **typed).text
    assert "4 RDUs in a single node for each instance, 12 for all 3." in text
    assert "SN40L: 16 in total, 16 available, at most 8 together in a single node." in text
    assert "Insufficient" not in text


def test_too_few_rdus_are_a_warning_with_the_reason(owen, world, typed):
    text = owen.post("endpoint-preview", world.project, **typed | {"instances": "5"}).text
    assert (
        "Insufficient RDUs in a single node. Instances 1–4 start now. Instance 5 will be in Awaiting RDU"
        in text
    )
    assert "until 4 RDUs become available in a single node" in text
    assert "Instance 5: Nothing is free: it needs 4 RDUs in a single node" in text


def test_no_node_is_wide_enough(owen, world, typed):
    text = owen.post("endpoint-preview", world.project, **typed | {RDUS: "16"}).text
    assert "The endpoint will be in Awaiting RDU status" in text
    assert "No SN40L node is wide enough" in text


def test_a_generation_that_nobody_has_is_not_offered(owen, world):
    old = Model.objects.get(name="Old-Timer")
    page = owen.post("endpoint-preview", world.project, model_checkpoint=old.pk, instances="1")
    assert page.value("rdu_arch") == "Select a model first"
    assert "Old-Timer needs SN10 RDUs, and no node of this platform has them." in page.text


def test_parameters_of_another_model_are_not_carried_over(owen, world, typed):
    other = Model.objects.get(name="Sentiment")
    page = owen.post(
        "endpoint-preview", world.project, **typed | {"model_checkpoint": other.pk, "ml_app": ""}
    )
    assert page.value(RDUS) == "1"


def test_the_preview_is_a_page_without_javascript(owen, world, typed):
    page = owen.post("endpoint-preview", world.project, **typed)
    assert "<html" in page.html
    assert page.value("endpoint_name") == "chat"
    assert "Update preview" in page.html


def test_add_an_endpoint(owen, world, typed):
    answer = owen.post("endpoint-new", world.project, part=True, **typed)
    assert answer.status == 204
    assert set(answer.events) == {"dialog-done", "endpoints-changed", "notice"}
    endpoint = Endpoint.objects.get()
    assert (endpoint.name, endpoint.instances, endpoint.rdus, endpoint.generation_id) == (
        "chat",
        3,
        4,
        "SN40L",
    )
    assert (endpoint.description, endpoint.owner.username) == ("For the team", "owen")


def test_add_an_endpoint_without_javascript(owen, world, typed):
    answer = owen.post("endpoint-new", world.project, **typed)
    assert answer.location == f"/projects/{world.project.pk}/"
    assert "Endpoint chat was added and is queued for deployment." in owen.get(answer.location).text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("endpoint_name", "", "Enter a name"),
        ("endpoint_name", "x" * 64, "1 to 63"),
        ("endpoint_name", "HELLO", "taken"),
        ("description", "x" * 501, "At most 500"),
        ("model_checkpoint", "", "Select a model."),
        ("model_checkpoint", "nonsense", "There is no model"),
        ("model_version", "9", "has no version"),
        ("instances", "-3", "from 0 to 1000"),
        ("instances", "many", "whole number"),
        ("rdu_arch", "SN99", "There is no RDU generation"),
        (RDUS, "17", "from 1 to 16"),
        (RDUS, "four", "must be a number"),
    ],
)
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(owen, world, typed, field, value, sentence):
    world.endpoint("hello")
    page = owen.post("endpoint-new", world.project, part=True, **typed | {field: value})
    assert Endpoint.objects.count() == 1
    kept = {"endpoint_name": "chat", "description": "For the team", "instances": "3"} | {field: value}
    assert {name: page.value(name) for name in ("endpoint_name", "description", "instances")} == {
        name: kept[name] for name in ("endpoint_name", "description", "instances")
    }
    if field not in ("rdu_arch", "model_checkpoint"):  # without these there is no parameter to show
        assert sentence in page.fault(field)
    else:
        assert sentence in page.text


def test_a_base_model_cannot_be_deployed_by_any_way(owen, world, typed):
    base = Model.objects.get(name="Tiny-Base")
    page = owen.post("endpoint-new", world.project, part=True, **typed | {"model_checkpoint": base.pk})
    assert "Base models do not support inference" in page.fault("model_checkpoint")


@pytest.mark.parametrize("door", ["endpoint-new", "endpoint-preview"])
@pytest.mark.parametrize("name", ["oskar", "mila"])
def test_who_may_not_know_the_project_gets_404(person, world, typed, door, name):
    assert person(name).post(door, world.project, **typed).status == 404
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("door", ["endpoint-new", "endpoint-preview"])
def test_a_viewer_may_not_create(person, world, typed, door):
    assert world.project
    Project.objects.update(general_access="tenant_viewer")
    answer = person("mila").post(door, world.project, **typed)
    assert (answer.status, "ask its owner for the Editor role" in answer.text) == (403, True)


def test_a_form_sent_twice_creates_one_and_is_answered_twice(owen, world, typed):
    token = re.search(r'name="token" value="([0-9a-f-]{36})"', owen.get("endpoint-new", world.project).html)[
        1
    ]
    answers = [owen.post("endpoint-new", world.project, part=True, token=token, **typed) for _ in range(2)]
    assert [answer.status for answer in answers] == [204, 204]
    assert str(Endpoint.objects.get().pk) == token


def test_a_form_with_a_fault_keeps_its_token(owen, world, typed):
    token = "3d4d4b0e-9d5b-4d1b-8a55-1d3f5f4c2a11"
    page = owen.post(
        "endpoint-new", world.project, part=True, **typed | {"endpoint_name": "", "token": token}
    )
    assert f'name="token" value="{token}"' in page.html
