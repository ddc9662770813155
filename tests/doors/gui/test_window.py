"""The Endpoint window, its keys, and Stop, Restart and Delete."""

import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apikeys.models import ApiKey
from apikeys.services import add_key, revoke_key
from endpoints import selectors
from endpoints.models import Endpoint
from scheduler.models import Instance
from studio.audit.models import Event
from studio.hub.models import DeployOption, MLApp
from studio.projects.models import Project
from tests.browser.world import NOW

LABELS = (
    "ML App",
    "Generation",
    "Model/Checkpoint",
    "Model Version",
    "Instances",
    "Description",
    "Created on",
    "Updated on",
    "Owner",
    "Model parameters",
    "Predict URL",
    "Streaming prediction URL",
    "OpenAI base URL",
    "KeyID Description Created on Owner Status",
)


def wish(endpoint: Endpoint) -> str:
    return Endpoint.objects.get(pk=endpoint.pk).desired


def share(endpoint: Endpoint, access: str = "tenant_viewer") -> Endpoint:
    Project.objects.filter(pk=endpoint.project_id).update(general_access=access)
    return endpoint


# ----- what it shows --------------------------------------------------------------------------------------


def test_the_window_has_every_field_of_the_document(owen, world):
    endpoint = world.live()
    page = owen.get("endpoint", endpoint)
    assert [label for label in LABELS if label not in page.text] == []
    assert "Projects demo hello" in page.text
    path = f"/{endpoint.project_id}/{endpoint.pk}"
    for address in ("/api/predict/generic", "/api/predict/generic/stream", "/v1"):
        assert f'data-copy="http://127.0.0.1:8000{address}{path}"' in page.html


def test_model_parameters_are_called_what_the_create_window_calls_them(owen, world):
    endpoint = world.live(rdus=4)
    text = owen.get("endpoint", endpoint).text
    assert "Model parameters model parallel rdus: 4" in text
    DeployOption.objects.update(params=[])
    assert "Model parameters model_parallel_rdus: 4" in owen.get("endpoint", endpoint).text, (
        "the model has none now"
    )


def test_fifteen_of_forty_and_each_missing_one_has_its_own_reason(owen, world):
    endpoint = world.live(instances=40)
    ready = Instance.objects.filter(endpoint=endpoint, state="ready")
    assert ready.count() == 16
    page = owen.get("endpoint", endpoint)
    assert "Details Live · 16 of 40 instances · 24 awaiting RDU" in page.text
    assert page.text.count("Nothing is free: it needs 1 RDU in a single node") == 24
    assert "Instance 40" in page.text


def test_progress_is_a_line_for_each_instance(owen, world):
    world.everything()
    text = owen.get("endpoint", Endpoint.objects.get(name="words")).text
    assert "Details Setting Up · 0 of 1 instance " in text
    assert "Instance 1 placed on sn30-1 loading 45 % warming live" in text


@pytest.mark.parametrize(
    ("composite", "state", "said"), [(True, "starting", 1), (True, "ready", 0), (False, "starting", 0)]
)
def test_a_coe_endpoint_asks_for_patience_while_it_is_set_up(owen, world, composite, state, said):
    endpoint = world.placed()
    Instance.objects.filter(endpoint=endpoint).update(state=state)
    MLApp.objects.filter(name="Tiny Chat").update(composite=composite)
    text = owen.get("endpoint", endpoint).text
    assert text.count("a CoE endpoint can stay in the Setting Up status for 2-3 hours") == said


def test_a_failed_one_says_why_with_its_last_lines(owen, world):
    world.everything()
    text = owen.get("endpoint", Endpoint.objects.get(name="broken")).text
    assert "The model server ended with code 1, five times in a row." in text
    assert "error: out of memory" in text


def test_the_tab_of_instances(owen, world):
    text = owen.get("endpoint", world.live(instances=2, rdus=4), tab="instances").text
    assert "Instance State Node RDUs Since Restarts Reason" in text
    assert re.search(r"1 Live sn40l-[12] (0–3|4–7) 07 Nov, 09:30:00 0 2 Live", text)


def test_a_stopped_endpoint_is_restarted_from_its_instances_by_who_may(person, owen, world):
    endpoint = share(world.endpoint())
    Endpoint.objects.filter(pk=endpoint.pk).update(desired="stopped")
    Instance.objects.filter(endpoint=endpoint).delete()
    address = reverse("endpoint-restart", args=[endpoint.pk])
    page = owen.get(f"/endpoints/{endpoint.pk}/?part=instances", part=True)
    assert "Restart it to serve requests again. Restart" in page.text
    assert f'hx-post="{address}"' in page.html
    assert "#rest" not in page.html, "nobody smiles"
    theirs = person("mila").get(f"/endpoints/{endpoint.pk}/?part=instances", part=True)
    assert "The endpoint holds no RDU." in theirs.text
    assert address not in theirs.html


def test_the_tab_of_events(owen, world):
    assert "owen created endpoint hello" in owen.get("endpoint", world.live(), tab="events").text


@pytest.mark.parametrize("part", ["live", "instances", "events", "keys"])
def test_parts_come_alone(owen, world, part):
    page = owen.get("endpoint", world.live(), part=True)
    assert page.status == 200
    assert owen.client.get(
        f"/endpoints/{Endpoint.objects.get().pk}/?part={part}", headers={"HX-Request": "true"}
    )
    assert "<html" not in page.html


def test_many_instances_take_no_more_queries(owen, world):
    def queries(endpoint: Endpoint) -> int:
        with CaptureQueriesContext(connection) as captured:
            owen.get("endpoint", endpoint)
        return len(captured)

    one, many = world.live("one"), world.live("many", instances=12)
    assert queries(many) == queries(one) > 5


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 200), ("tina", 200), ("mila", 404), ("oskar", 404), ("otto", 404)]
)
def test_who_sees_owens_endpoint(person, world, name, status):
    assert person(name).get("endpoint", world.live()).status == status


# ----- API keys -------------------------------------------------------------------------------------------


@pytest.fixture
def endpoint(world) -> Endpoint:
    return world.live()


@pytest.fixture
def first(endpoint) -> ApiKey:
    return ApiKey.objects.get(endpoint=endpoint, is_first=True)


def test_keys_are_masked_until_revealed(owen, endpoint, first):
    page = owen.get("endpoint", endpoint)
    assert f"{first.prefix}-•••• First Key" not in page.text  # the icons stand between
    assert f"{first.prefix}-••••" in page.text
    value = owen.get("key-value", endpoint, first).html
    assert value.startswith(first.prefix)
    assert value not in page.html
    assert value in owen.get("key-value", endpoint, first, part=True, show="").html
    assert value not in owen.get("key-value", endpoint, first, part=True, hide="").html
    assert value in owen.get("endpoint", endpoint, reveal=str(first.pk)).html


def test_looking_at_a_key_is_written_down_once_an_hour(owen, endpoint, first):
    for _ in range(3):
        owen.get("key-value", endpoint, first)
    assert Event.objects.filter(verb="show key").count() == 1
    assert "owen looked at an API key of endpoint hello" in owen.get("endpoint", endpoint, tab="events").text


def test_a_viewer_sees_the_table_without_values(person, endpoint, first):
    mila = person("mila")
    share(endpoint)
    page = mila.get("endpoint", endpoint)
    assert f"{first.prefix}-•••• First Key" in page.text
    assert "reveal-" not in page.html
    assert mila.get("key-value", endpoint, first).status == 403
    assert mila.get("endpoint", endpoint, reveal=str(first.pk)).status == 403


def test_oskar_gets_404_for_the_key(person, endpoint, first):
    assert person("oskar").get("key-value", endpoint, first).status == 404


def test_a_revoked_key_is_shown_as_revoked_and_never_again_in_clear(owen, world, endpoint):
    facts = selectors.facts(world.actor("owen"), endpoint)
    key, secret = add_key(
        actor=world.actor("owen"), endpoint=endpoint, facts=facts, description="build server", now=NOW
    )
    revoke_key(actor=world.actor("owen"), key=key, facts=facts, now=NOW)
    page = owen.get("endpoint", endpoint, reveal=str(key.pk))
    assert f"{key.prefix}-•••• build server 07 Nov, 2026 owen Revoked" in page.text
    assert secret.reveal() not in page.html
    assert owen.get("key-value", endpoint, key).status == 409


# ----- Stop, Restart, Delete ------------------------------------------------------------------------------


def test_stop_is_asked_for(owen, endpoint):
    alert = owen.get("endpoint-stop", endpoint, part=True)
    assert "The models in this endpoint will stop running." in alert.text
    assert alert.text.endswith("Cancel Continue")
    answer = owen.post("endpoint-stop", endpoint, part=True)
    assert (answer.status, wish(endpoint)) == (204, "stopped")
    assert answer.events["notice"]["text"] == "Endpoint hello is stopping."
    assert "endpoints-changed" in answer.events


def test_restart_tells_that_it_is_restarting(owen, endpoint):
    owen.post("endpoint-stop", endpoint)
    answer = owen.post("endpoint-restart", endpoint, part=True)
    assert (answer.events["notice"]["text"], wish(endpoint)) == ("Endpoint hello is restarting.", "running")


def test_delete_lists_the_endpoint(owen, endpoint):
    alert = owen.get("endpoint-delete", endpoint, part=True)
    assert "This endpoint will be deleted and no longer available." in alert.text
    assert "hello Live Help · 1 of 1 instance · project demo" in alert.text
    assert alert.text.endswith("Cancel Yes")


def test_deleting_in_the_table_stays_there(owen, endpoint):
    at = f"/projects/{endpoint.project_id}/"
    answer = owen.post("endpoint-delete", endpoint, part=True, at=at)
    assert (answer.status, wish(endpoint)) == (204, "deleted")


def test_deleting_in_the_window_leaves_it(owen, endpoint):
    answer = owen.post("endpoint-delete", endpoint, part=True, at=f"/endpoints/{endpoint.pk}/")
    assert answer.headers["HX-Redirect"] == f"/projects/{endpoint.project_id}/"
    assert "Endpoint hello was deleted." in owen.get("project", endpoint.project).text


@pytest.mark.parametrize(
    ("deed", "to", "desired"),
    [
        ("stop", "endpoints", "stopped"),
        ("restart", "endpoints", "running"),
        ("delete", "projects", "deleted"),
    ],
)
def test_without_javascript_they_are_pages(owen, endpoint, deed, to, desired):
    page = owen.get(f"endpoint-{deed}", endpoint)
    assert "<html" in page.html
    answer = owen.post(f"endpoint-{deed}", endpoint)
    pk = endpoint.pk if to == "endpoints" else endpoint.project_id
    assert (answer.location, wish(endpoint)) == (f"/{to}/{pk}/", desired)


@pytest.mark.parametrize("deed", ["stop", "restart", "delete"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_wrong_persons(person, endpoint, deed, method):
    def ask(name: str) -> int:
        return getattr(person(name), method)(f"endpoint-{deed}", endpoint).status

    assert (ask("oskar"), ask("mila"), ask("otto")) == (404, 404, 404)
    share(endpoint)
    assert (ask("oskar"), ask("mila")) == (404, 403)
    assert wish(endpoint) == "running"


def test_an_editor_may_stop_but_not_delete(person, endpoint):
    mila = person("mila")
    share(endpoint, "tenant_editor")
    assert mila.post("endpoint-delete", endpoint).status == 403
    assert mila.post("endpoint-stop", endpoint).location == f"/endpoints/{endpoint.pk}/"


# ----- the Dashboard --------------------------------------------------------------------------------------


def test_the_dashboard(owen, world):
    world.everything()
    text = owen.get("dashboard").text
    assert (
        "Live endpoints Name Project Model Instances RDU Arch Owner hello Live demo Help 4 of 5 SN40L owen"
        in text
    )
    assert "this tenant other tenants free out of use SN40L 0 of 16 free" in text
    assert "samba 1 of 1 instance No SN40L node is wide enough" in text
    assert "owen created endpoint hello" in text


def test_the_dashboard_of_somebody_else_shows_no_name_of_it(person, world):
    world.everything()
    text = person("oskar").get("dashboard").text
    assert "No endpoint is Live" in text
    assert "Nothing waits" in text
    assert not {"hello", "samba", "owen"} & set(text.split())


def test_more_endpoints_take_the_dashboard_no_more_queries(owen, world):
    def queries() -> int:
        cache.clear()  # what is counted once in two seconds
        with CaptureQueriesContext(connection) as captured:
            owen.get("dashboard")
        return len(captured)

    world.live("first")
    world.placed("samba", rdus=16)
    few = queries()
    for number in range(4):
        world.live(f"more-{number}")
        world.placed(f"wide-{number}", rdus=16)
    assert queries() == few > 5


def test_the_dashboard_leads_to_resources(owen, world):
    page = owen.get("dashboard")
    assert '<h2 id="use-title" class="name"><a href="/resources/">RDUs</a></h2>' in page.html
