"""The Edit endpoint window, field by field, and what it does when somebody was first."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from endpoints import services
from endpoints.models import Endpoint
from endpoints.specs import Edit
from scheduler.models import Instance
from scheduler.placing import place_pending
from studio.hub.models import DeployOption, Model, ModelVersion
from studio.projects.models import Project
from tests.browser.world import NOW, PARALLEL
from tests.doors.gui.conftest import Seen

RDUS = "hyperparams.model_parallel_rdus"
IN_ORDER = (
    "Edit endpoint",
    "Description",
    "Select Model",
    "Version",
    "RDU generation",
    "Number of instances",
    "in a single node",
    "How it will be applied.",
    "Model Parameters",
    "Cancel",
    "Edit endpoint",
)


@pytest.fixture
def endpoint(world) -> Endpoint:
    return world.live("hello", instances=2, rdus=2)


@pytest.fixture
def other(world) -> Model:
    """Another model of the same ML App, on SN30 first."""
    model = Model.objects.create(
        name="Chatter", app=Model.objects.get(name="Help").app, publisher="SambaNova"
    )
    ModelVersion.objects.create(model=model, number=1, path="Chatter/1")
    for rank, code in enumerate(("SN30", "SN40L")):
        DeployOption.objects.create(model=model, generation_id=code, rank=rank, params=[PARALLEL])
    return model


def held(page: Seen) -> dict[str, str]:
    """Everything that the window would send."""
    fields = dict(re.findall(r'<input type="hidden" name="([\w.]+)" value="([^"]*)"', page.html))
    for name in ("description", "instances", RDUS):
        fields[name] = page.value(name)
    for name in ("model_checkpoint", "model_version", "rdu_arch"):
        inside = page.html.partition(f'name="{name}"')[2].partition("</select>")[0]
        fields[name] = re.search(r'<option value="([^"]*)"[^>]*\bselected', inside)[1]
    return fields


def fresh(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_related("model_version__model").get(pk=endpoint.pk)


def by_somebody_else(world, endpoint: Endpoint, **edit: object) -> None:
    services.update_endpoint(actor=world.actor("tina"), endpoint=endpoint, edit=Edit(**edit), now=NOW)


def test_the_window_shows_the_endpoint_in_the_documents_order(owen, endpoint):
    page = owen.get("endpoint-edit", endpoint, part=True)
    assert page.html.lstrip().startswith("<form")
    places, at = [], 0
    for label in IN_ORDER:
        at = page.text.find(label, at)
        places.append(at)
        at += len(label)
    assert [label for label, place in zip(IN_ORDER, places, strict=True) if place < 0] == []
    assert page.value("description") == "Answers questions"
    assert page.value("model_checkpoint") == "Help"
    assert page.value("model_version") == "2"
    assert page.value("rdu_arch") == "SN40L · recommended"
    assert page.value("instances") == "2"
    assert page.value(RDUS) == "2"
    assert (
        "2 RDUs in a single node for each instance, 4 for all 2. SN40L: 16 in total, 12 available"
        in page.text
    )
    assert "Nothing is changed yet." in page.text
    assert "land here" not in page.text


def test_only_models_of_the_same_ml_app_are_offered(owen, endpoint, other):
    text = owen.get("endpoint-edit", endpoint).text
    assert "Chatter" in text
    assert "Sentiment" not in text


def test_another_model_is_chosen_in_the_drop_down_alone(owen, endpoint, other):
    """The document gives the Model Hub's window to Create only; the drop-down has every model an edit can choose."""
    page = owen.get("endpoint-edit", endpoint)
    inside = page.html.partition('name="model_checkpoint"')[2].partition("</select>")[0]
    assert re.findall(r'<optgroup label="([^"]+)"', inside) == ["SambaNova models"]
    assert re.findall(r"<option[^>]*>([^<]+)<", inside) == ["Chatter", "Help", "Tiny-Base (Base model)"]
    assert re.findall(r"<option[^>]*disabled[^>]*>([^<]+)<", inside) == ["Tiny-Base (Base model)"]
    assert "Model Hub" not in page.text
    typed = held(page) | {"model_checkpoint": "hub"}
    assert owen.post("endpoint-edit", endpoint, part=True, **typed).fault("model_checkpoint")
    assert fresh(endpoint).model_version.model.name == "Help"


def test_a_description_restarts_nothing(owen, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "For the team\r\nand its guests"}
    assert "Nothing restarts." in owen.post("endpoint-edit-preview", endpoint, part=True, **typed).text
    answer = owen.post("endpoint-edit", endpoint, part=True, **typed)
    assert answer.events["notice"]["text"] == "Endpoint hello was edited and sent to the queue."
    assert "endpoints-changed" in answer.events
    found = fresh(endpoint)
    assert (found.description, found.config_version) == ("For the team\nand its guests", 1)
    again = held(owen.get("endpoint-edit", endpoint))
    owen.post("endpoint-edit", endpoint, part=True, **again)
    assert fresh(endpoint).spec_version == found.spec_version, "nothing was changed, so nothing is"


def test_every_field_is_written_and_rolls_once(owen, endpoint, other):
    typed = held(owen.get("endpoint-edit", endpoint))
    changed = typed | {
        "model_checkpoint": other.pk,
        "model_version": "1",
        "rdu_arch": "SN30",
        "instances": "3",
    }
    answer = owen.post("endpoint-edit", endpoint, **changed | {RDUS: "4"})
    assert answer.location == f"/endpoints/{endpoint.pk}/"
    found = fresh(endpoint)
    assert (found.model_version.model, found.generation_id, found.instances) == (other, "SN30", 3)
    assert (found.rdus, found.config_version) == (4, 2)
    row = owen.get("project", endpoint.project).text
    assert "hello Updating Chatter 2 of 3 SN30" in row


def test_another_model_brings_its_newest_version_and_the_recommended_generation(owen, endpoint, other):
    first = held(owen.get("endpoint-edit", endpoint))
    typed = first | {"model_checkpoint": str(other.pk)}
    part = owen.post("endpoint-edit-preview", endpoint, part=True, **typed)
    assert part.value("rdu_arch") == "SN30 · recommended"
    assert part.value("model_version") == "1"
    assert "Rolling, without interruption" in part.text
    back = held_after(typed, part) | {"model_checkpoint": first["model_checkpoint"]}
    part = owen.post("endpoint-edit-preview", endpoint, part=True, **back)
    assert (part.value("rdu_arch"), part.value("model_version")) == ("SN40L · recommended", "2")


def held_after(typed: dict[str, str], part: Seen) -> dict[str, str]:
    """What the window holds once these parts have been swapped in."""
    shown = dict(re.findall(r'<input type="hidden" name="([\w.]+)" value="([^"]*)"', part.html))
    return typed | shown | {"rdu_arch": part.value("rdu_arch").split(" ")[0]}


def test_its_own_rdus_do_not_speak_against_its_generation(owen, world):
    full = world.live("full", instances=2, rdus=8)
    page = owen.get("endpoint-edit", full)
    assert page.value("rdu_arch") == "SN40L · recommended"
    typed = held(page) | {"model_version": "1"}
    part = owen.post("endpoint-edit-preview", full, part=True, **typed)
    assert "Insufficient RDUs" not in part.text, "what it holds is there for its successors"
    assert "In place, one after another, because no RDU is spare" in part.text


def test_a_single_one_on_the_last_rdus_has_a_gap(owen, world):
    world.live("big", rdus=8)
    alone = world.live("alone", rdus=8)
    typed = held(owen.get("endpoint-edit", alone)) | {"model_version": "1"}
    part = owen.post("endpoint-edit-preview", alone, part=True, **typed)
    assert "In place with a gap, because no RDU is spare" in part.text
    assert 'data-kind="wait" id="part-applied"' in part.html


def test_where_nothing_is_to_be_placed_no_node_is_asked_for_by_name(owen, endpoint):
    def asked_by(**typed: str) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert owen.post("endpoint-edit-preview", endpoint, **typed).status == 200
        return [each["sql"] for each in captured if "planned" in each["sql"] or "GROUP_CONCAT" in each["sql"]
                or "STRING_AGG" in each["sql"]]  # fmt: skip

    as_it_is = held(owen.get("endpoint-edit", endpoint))
    assert asked_by(**as_it_is) == []
    assert len(asked_by(**as_it_is | {"instances": "3"})) == 1, "the nodes, for the plan"


def test_more_instances_warn_where_rdus_are_missing(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"instances": "9"}
    part = owen.post("endpoint-edit-preview", endpoint, part=True, **typed)
    assert "Nothing restarts: 7 more instances start, each as soon as there are RDUs for it." in part.text
    assert (
        "Insufficient RDUs in a single node. Instances 3–8 start now. Instance 9 will be in Awaiting RDU"
        in part.text
    )
    owen.post("endpoint-edit", endpoint, **typed)
    place_pending("SN40L")
    assert Instance.objects.filter(state="awaiting").values_list("ordinal", flat=True).get() == 9


def test_no_instances_stop_it_and_more_start_it(owen, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"instances": "0"}
    part = owen.post("endpoint-edit-preview", endpoint, part=True, **typed)
    assert "It stops, as Stop does" in part.text
    owen.post("endpoint-edit", endpoint, **typed)
    assert fresh(endpoint).desired == "stopped"
    page = owen.get("endpoint-edit", endpoint)
    assert page.value("instances") == "0"
    typed = held(page) | {"instances": "1"}
    assert (
        "It starts: 1 instance, as soon as there are RDUs for it."
        in owen.post("endpoint-edit-preview", endpoint, **typed).text
    )
    owen.post("endpoint-edit", endpoint, **typed)
    assert (fresh(endpoint).desired, fresh(endpoint).instances) == ("running", 1)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [("instances", "many", "whole number"), ("instances", "1001", "1000"), (RDUS, "99", "16")],
)
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(owen, endpoint, field, value, sentence):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "kept", field: value}
    page = owen.post("endpoint-edit", endpoint, part=True, **typed)
    assert sentence in page.fault(field)
    assert (page.value("description"), page.value(field)) == ("kept", value)
    assert fresh(endpoint).description == "Answers questions"


def test_an_endpoint_on_wide_nodes_stays_on_them(owen, endpoint):
    Endpoint.objects.filter(pk=endpoint.pk).update(min_width=8)
    owen.post("endpoint-edit", endpoint, **held(owen.get("endpoint-edit", endpoint)) | {"model_version": "1"})
    assert (fresh(endpoint).min_width, fresh(endpoint).model_version.number) == (8, 1)


def test_a_generation_without_nodes_stays_offered_to_its_endpoint(owen, world):
    old = world.endpoint("old", arch="SN30")
    old.generation.nodes.all().update(state="removed")
    page = owen.get("endpoint-edit", old)
    assert page.value("rdu_arch") == "SN30"
    owen.post("endpoint-edit", old, **held(page) | {"description": "other"})
    assert (fresh(old).generation_id, fresh(old).description) == ("SN30", "other")


def test_a_model_that_became_private_stays_the_endpoints(person, world, endpoint):
    Project.objects.update(general_access="tenant_editor")
    Model.objects.filter(name="Help").update(owner=world.user("owen"), tenant=world.tenants["default"])
    mila = person("mila")
    page = mila.get("endpoint-edit", endpoint)
    assert page.value("model_checkpoint") == "Help"
    assert "This endpoint&#x27;s model" in page.html
    mila.post("endpoint-edit", endpoint, **held(page) | {"instances": "1"})
    assert fresh(endpoint).instances == 1


# ----- two people at once -----------------------------------------------------------------------------------


def test_somebody_was_first_and_nobodys_work_is_lost(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "mine", "instances": "3"}
    by_somebody_else(world, endpoint, description="theirs", model_version=1)
    page = owen.post("endpoint-edit", endpoint, part=True, **typed)
    assert "tina changed this endpoint while you were editing it." in page.text
    assert "Field Yours Theirs Description mine theirs" in page.text
    assert "Version not changed 1" in page.text
    assert "Number of instances 3 2" in page.text
    assert (page.value("description"), page.value("model_version"), page.value("instances")) == (
        "mine",
        "1",
        "3",
    )
    assert fresh(endpoint).description == "theirs", "nothing is decided yet"
    assert page.text.endswith("Cancel Take theirs Apply mine on top")
    owen.post("endpoint-edit", endpoint, part=True, **held(page))
    found = fresh(endpoint)
    assert (found.description, found.model_version.number, found.instances) == ("mine", 1, 3)


def test_theirs_can_be_taken(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "mine"}
    by_somebody_else(world, endpoint, description="theirs")
    assert f'hx-get="/endpoints/{endpoint.pk}/edit/"' in owen.post("endpoint-edit", endpoint, **typed).html
    assert owen.get("endpoint-edit", endpoint).value("description") == "theirs"


def test_a_third_one_is_heard_too(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "mine"}
    by_somebody_else(world, endpoint, description="theirs")
    page = owen.post("endpoint-edit", endpoint, **typed)
    by_somebody_else(world, endpoint, description="later")
    assert "Description mine later" in owen.post("endpoint-edit", endpoint, **held(page)).text


def test_whoever_wanted_the_same_has_nothing_to_decide(owen, world, endpoint):
    """Or the answer to the first try was lost on its way."""
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "same"}
    by_somebody_else(world, endpoint, description="same")
    answer = owen.post("endpoint-edit", endpoint, part=True, **typed)
    assert (answer.status, answer.events["notice"]["text"]) == (
        204,
        "Endpoint hello was edited and sent to the queue.",
    )


def test_what_was_stopped_meanwhile_is_said(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "mine"}
    services.stop_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=NOW)
    page = owen.post("endpoint-edit", endpoint, **typed)
    assert "Number of instances not changed 0" in page.text
    owen.post("endpoint-edit", endpoint, **held(page))
    assert (fresh(endpoint).desired, fresh(endpoint).description) == ("stopped", "mine")


def test_what_was_deleted_meanwhile_is_said_and_the_text_stays(owen, world, endpoint):
    typed = held(owen.get("endpoint-edit", endpoint)) | {"description": "mine"}
    services.delete_endpoint(actor=world.actor("tina"), endpoint=endpoint, now=NOW)
    page = owen.post("endpoint-edit", endpoint, part=True, **typed)
    assert "Endpoint hello is deleted." in page.text
    assert page.value("description") == "mine"


# ----- who may ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["endpoint-edit", "endpoint-edit-preview"])
def test_wrong_persons(person, endpoint, door):
    def ask(name: str) -> int:
        return person(name).post(door, endpoint, description="mine").status

    assert (ask("oskar"), ask("mila"), ask("otto")) == (404, 404, 404)
    Project.objects.update(general_access="tenant_viewer")
    assert (ask("oskar"), ask("mila")) == (404, 403)
    assert fresh(endpoint).description == "Answers questions"


def test_whoever_may_edit_finds_it_in_both_menus(person, endpoint):
    edit = f'href="/endpoints/{endpoint.pk}/edit/"'
    owen, mila = person("owen"), person("mila")
    for door, thing in (("project", endpoint.project), ("endpoint", endpoint)):
        assert edit in owen.get(door, thing).html
    Project.objects.update(general_access="tenant_viewer")
    assert edit not in mila.get("project", endpoint.project).html
