"""What becomes of a key's value in the pages: the First Key rotated, and values that are shown once only."""

import re

import pytest
from django.urls import reverse

from apikeys.models import ApiKey
from apikeys.services import add_key
from endpoints import selectors
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.hub.models import Model
from studio.tenants.models import Tenant
from tests.browser.world import NOW
from tests.doors.gui.conftest import Seen

VALUE = re.compile(r'id="key-value">([0-9a-f-]{36})<')


@pytest.fixture
def endpoint(world) -> Endpoint:
    return world.live()


@pytest.fixture
def first(endpoint) -> ApiKey:
    return ApiKey.objects.get(is_first=True)


@pytest.fixture
def shop(world, endpoint) -> ApiKey:
    owen = world.actor("owen")
    facts = selectors.facts(owen, endpoint)
    return add_key(actor=owen, endpoint=endpoint, facts=facts, description="shop", now=NOW)[0]


def typed(box: Seen, **changes: object) -> dict[str, object]:
    """With what the box holds in its hidden fields."""
    hidden = re.findall(r'<input type="hidden" name="(?!csrf)([^"]+)"', box.html)
    return {name: box.value(name) for name in hidden} | changes


def menu_of(page: Seen, key: ApiKey) -> str:
    found = re.search(rf'id="menu-{key.pk}" popover>(.*?)</div>', page.html, re.S)
    return Seen(200, found[1], {}).text if found else ""


# ----- Rotate ---------------------------------------------------------------------------------------------


def test_the_first_keys_menu_has_rotate_and_no_other_has(owen, endpoint, first, shop):
    page = owen.get("endpoint", endpoint)
    assert "Rotate" in menu_of(page, first)
    assert "Rotate" not in menu_of(page, shop)


def test_the_box_says_what_will_happen_and_gives_the_new_value(owen, endpoint, first):
    box = owen.get("key-rotate", endpoint, first)
    assert "all their requests are refused everywhere" in box.text
    assert box.value("grace") == "Not at all: it stops working at once"
    before = bytes(first.digest)
    answer = owen.post("key-rotate", endpoint, first, part=True, **typed(box, grace="1d"))
    value = VALUE.search(answer.html)[1]
    first.refresh_from_db()
    assert (bytes(first.digest) != before, bytes(first.old_digest)) == (True, before)
    assert "keys-changed" in answer.events
    assert "The old value works until" in answer.text
    page = owen.get("endpoint", endpoint)
    assert f"old value until {first.old_until:%d %b, %Y, %H:%M} UTC" in page.text
    assert owen.get("key-value", endpoint, first).html == value
    assert "still taken until" in owen.get("key-rotate", endpoint, first).text


def test_rotate_pressed_twice_rotates_once(owen, endpoint, first):
    sent = typed(owen.get("key-rotate", endpoint, first), grace="none")
    assert VALUE.search(owen.post("key-rotate", endpoint, first, **sent).html)
    again = owen.post("key-rotate", endpoint, first, **sent)
    assert "Somebody changed this API key meanwhile" in again.text
    assert not VALUE.search(again.html)
    assert Event.objects.filter(verb="rotate key").count() == 1


def test_no_other_key_is_rotated_here(owen, person, endpoint, first, shop):
    assert owen.get("key-rotate", endpoint, shop).status == 409
    assert owen.post("key-rotate", endpoint, first, grace="2h").fault("grace")
    for name, status in (("oskar", 404), ("mila", 404), ("otto", 404)):
        assert person(name).post("key-rotate", endpoint, first, grace="none").status == status
    assert Event.objects.filter(verb="rotate key").count() == 0


# ----- values that are shown once only --------------------------------------------------------------------


@pytest.fixture
def once(world, person) -> None:
    """olga switches it on in the window of the default tenant."""
    olga, tenant = person("olga"), world.tenants["default"]
    assert "All keys go on working." in olga.get("tenant-values", tenant).text
    answer = olga.post("tenant-values", tenant, part=True, once="yes")
    assert "shown once only in default" in answer.events["notice"]["text"]


def test_an_added_keys_value_is_in_the_answer_alone(owen, endpoint, first, once):
    box = owen.get("key-new", endpoint)
    answer = owen.post("key-new", endpoint, part=True, **typed(box, description="shop"))
    value = VALUE.search(answer.html)[1]
    added = ApiKey.objects.get(is_first=False)
    assert (added.prefix, added.sealed) == (value[:8], None)
    assert "The value is shown this once." in answer.text
    page = owen.get("endpoint", endpoint, reveal=str(first.pk))
    assert "Reveal the key" not in owen.get("endpoint", endpoint).html
    assert "Copy the key" not in owen.get("endpoint", endpoint).html
    assert page.status == 409
    assert owen.get("key-value", endpoint, added).status == 409
    assert value not in owen.get("endpoint", endpoint).html


def test_a_new_endpoints_first_key_is_shown_when_it_is_created(owen, world, once):
    help_model = Model.objects.get(name="Help").pk
    wanted = {
        "endpoint_name": "fresh",
        "model_checkpoint": help_model,
        "parameters_of": help_model,
        "model_version": "2",
        "instances": "1",
        "rdu_arch": "SN40L",
        "hyperparams.model_parallel_rdus": "1",
    }
    answer = owen.post("endpoint-new", world.project, part=True, **wanted)
    value = VALUE.search(answer.html)
    assert value, answer.text
    assert "endpoints-changed" in answer.events
    assert ApiKey.objects.get(endpoint__name="fresh").prefix == value[1][:8]


def test_without_javascript_each_way_leads_back_to_where_it_was_opened(person, owen, world, endpoint):
    olga, tenant = person("olga"), world.tenants["default"]
    assert f'href="{reverse("tenants")}" data-close' in olga.get("tenant-values", tenant).html
    assert olga.post("tenant-values", tenant, once="yes").location == reverse("tenants")
    answer = owen.post("key-new", endpoint, **typed(owen.get("key-new", endpoint), description="shop"))
    assert VALUE.search(answer.html)
    assert f'href="{reverse("endpoint", args=[endpoint.pk])}" data-close' in answer.html


def test_only_an_org_admin_sees_the_switch(person, world):
    for name, status in (("tina", 403), ("owen", 403), ("oskar", 404)):
        assert person(name).get("tenant-values", world.tenants["default"]).status == status
        assert person(name).post("tenant-values", world.tenants["default"], once="yes").status == status
    assert not Tenant.objects.filter(values_once=True).exists()
