"""The boxes of the API Keys table: Add new, Edit, Limits and Revoke, with and without htmx."""

import re
from datetime import timedelta

import pytest

from apikeys.models import ApiKey
from apikeys.services import add_key, revoke_key
from endpoints import selectors
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.hub.models import Model
from studio.projects.models import Project
from tests.browser.world import NOW
from tests.doors.gui.conftest import Seen

BOXES = {"edit": "Edit key description", "limits": "Limits", "revoke": "Revoke API key"}


@pytest.fixture
def endpoint(world) -> Endpoint:
    Model.objects.filter(name="Help").update(aliases=["studio/help"])
    return world.live()


@pytest.fixture
def first(endpoint) -> ApiKey:
    return ApiKey.objects.get(is_first=True)


@pytest.fixture
def shop(world, endpoint) -> ApiKey:
    """owen's second key, with limits."""
    owen = world.actor("owen")
    facts = selectors.facts(owen, endpoint)
    terms = {"limits": {"requests_per_minute": 600}, "expires_at": "2030-12-31T18:00", "experts": ["Help"]}
    return add_key(actor=owen, endpoint=endpoint, facts=facts, description="shop", **terms, now=NOW)[0]


@pytest.fixture
def revoked(world, shop) -> ApiKey:
    owen = world.actor("owen")
    return revoke_key(actor=owen, key=shop, facts=selectors.facts(owen, shop.endpoint), now=NOW)


def typed(box: Seen, **changes: object) -> dict[str, object]:
    """What a browser would send of the box."""
    names = re.findall(r'<input type="(?!checkbox)[^"]*" name="(?!csrf)([^"]+)"', box.html)
    ticked = re.findall(r'name="experts" value="([^"]*)"[^>]* checked', box.html)
    return {name: box.value(name) for name in names} | {"experts": ticked} | changes


def menu_of(page: Seen, key: ApiKey) -> str:
    found = re.search(rf'id="menu-{key.pk}" popover>(.*?)</div>', page.html, re.S)
    return Seen(200, found[1], {}).text if found else ""


# ----- the table ------------------------------------------------------------------------------------------


def test_the_menu_offers_what_is_allowed(owen, endpoint, first, shop):
    page = owen.get("endpoint", endpoint)
    assert (menu_of(page, shop), menu_of(page, first)) == ("Edit Limits Revoke", "Limits Rotate")
    assert "Add new" in page.text


def test_a_revoked_key_has_no_menu(owen, endpoint, revoked):
    assert menu_of(owen.get("endpoint", endpoint), revoked) == ""


def test_limits_stand_in_the_table_in_few_words(owen, endpoint, shop):
    words = "shop 600 requests a minute · until 31 Dec, 2030, 18:00 UTC · only Help 07 Nov, 2026 owen Active"
    assert words in owen.get("endpoint", endpoint).text


def test_an_expired_key_reads_expired(owen, endpoint, shop):
    ApiKey.objects.filter(pk=shop.pk).update(expires_at=NOW.replace(year=2020))
    page = owen.get("endpoint", endpoint)
    assert re.search(r"shop .* owen Expired", page.text)
    assert menu_of(page, shop) == "Edit Limits Revoke", "a later expiry brings it back"


def test_a_viewer_sees_the_table_without_any_of_it(person, endpoint, shop):
    Project.objects.update(general_access="tenant_viewer")
    page = person("mila").get("endpoint", endpoint)
    assert "600 requests a minute" in page.text
    assert "Add new" not in page.text
    assert "Actions" not in page.text
    assert "/limits/" not in page.html


# ----- Add new --------------------------------------------------------------------------------------------


def test_add_new(owen, endpoint):
    box = owen.get("key-new", endpoint, part=True)
    assert box.html.lstrip().startswith("<form")
    assert box.text.startswith("Add new API key Add description (optional) Limits Requests per minute")
    assert box.text.endswith("Cancel Add")
    assert box.html.count('placeholder="no limit"') == 5
    assert "<details" in box.html
    assert "open>" not in box.html
    answer = owen.post("key-new", endpoint, part=True, **typed(box, description="build server"))
    assert answer.status == 204
    assert {"dialog-done", "keys-changed", "notice"} <= set(answer.events)
    key = ApiKey.objects.get(is_first=False)
    assert (key.description, key.parallel, key.expires_at, key.experts) == ("build server", None, None, [])
    table = owen.client.get(f"/endpoints/{endpoint.pk}/?part=keys", headers={"HX-Request": "true"})
    assert "build server" in table.content.decode()
    assert owen.get("key-value", endpoint, key).html.startswith(key.prefix)


def test_add_new_with_limits(owen, endpoint):
    box = owen.get("key-new", endpoint, part=True)
    terms = {
        "parallel": "2",
        "tokens_per_day": "1,000,000",
        "expires_at": "2030-12-31T18:00",
        "experts": ["Help"],
    }
    owen.post("key-new", endpoint, part=True, **typed(box, **terms))
    key = ApiKey.objects.get(is_first=False)
    assert (key.parallel, key.tokens_per_day, key.experts) == (2, 1_000_000, ["Help"])
    assert f"{key.expires_at:%Y-%m-%dT%H:%M}" == "2030-12-31T18:00"


@pytest.mark.parametrize("part", [True, False])
def test_a_box_sent_twice_adds_one_key_and_is_answered_twice(owen, endpoint, part):
    sent = typed(owen.get("key-new", endpoint, part=part), description="shop", parallel="2", experts=["Help"])
    answers = [owen.post("key-new", endpoint, part=part, **sent) for _ in range(2)]
    assert [answer.status for answer in answers] == 2 * [204 if part else 302]
    assert str(ApiKey.objects.get(is_first=False).pk) == sent["token"]
    assert "The API key was added." in (
        answers[1].headers["HX-Trigger"] if part else owen.get("endpoint", endpoint).text
    )


def test_each_box_adds_a_key_of_its_own(owen, endpoint):
    for _ in range(2):
        owen.post("key-new", endpoint, **typed(owen.get("key-new", endpoint), description="shop"))
    assert ApiKey.objects.filter(description="shop").count() == 2


def test_a_box_with_a_fault_keeps_its_token(owen, endpoint):
    sent = typed(owen.get("key-new", endpoint), parallel="none")
    assert typed(owen.post("key-new", endpoint, **sent))["token"] == sent["token"]


def test_faults_stand_at_their_fields_and_what_was_typed_stays(owen, endpoint):
    wrong = {
        "description": "x" * 121,
        "parallel": "0",
        "tokens_per_day": "lots",
        "expires_at": "2020-01-01T10:00",
    }
    box = owen.get("key-new", endpoint, part=True)
    again = owen.post("key-new", endpoint, part=True, **typed(box, **wrong))
    assert "At most 120 characters" in again.fault("description")
    again = owen.post("key-new", endpoint, part=True, **typed(box, **wrong | {"description": "shop"}))
    assert again.fault("parallel") == "Parallel requests must be at least 1; leave it out for no limit."
    assert "must be a whole number, not 'lots'" in again.fault("tokens_per_day")
    assert "must be in the future" in again.fault("expires_at")
    assert [again.value(name) for name in wrong] == ["shop", *list(wrong.values())[1:]]
    assert "open>" in again.html, "the folded part opens where something is wrong"
    assert re.search(r'name="parallel"[^>]*autofocus', again.html)
    assert ApiKey.objects.count() == 1


def test_an_expert_that_the_box_does_not_offer_is_refused(owen, endpoint):
    again = owen.post("key-new", endpoint, part=True, experts=["Nobody"])
    assert "Nobody" in again.fault("experts")
    assert ApiKey.objects.count() == 1


# ----- Edit -----------------------------------------------------------------------------------------------


def test_edit_key_description(owen, endpoint, shop):
    box = owen.get("key-edit", endpoint, shop, part=True)
    assert (box.text, box.value("description")) == (
        "Edit key description Key description Cancel Save",
        "shop",
    )
    answer = owen.post("key-edit", endpoint, shop, part=True, **typed(box, description="new shop"))
    assert (answer.status, answer.events["notice"]["text"]) == (204, "The key description was saved.")
    shop.refresh_from_db()
    assert (shop.description, shop.requests_per_minute) == ("new shop", 600)


# ----- Limits ---------------------------------------------------------------------------------------------


def test_limits_are_shown_and_changed(owen, endpoint, shop):
    box = owen.get("key-limits", endpoint, shop, part=True)
    assert (box.value("requests_per_minute"), box.value("expires_at")) == ("600", "2030-12-31T18:00")
    assert f"shop Active {shop.prefix}-•••• · endpoint hello · owner owen" in box.text
    answer = owen.post(
        "key-limits", endpoint, shop, part=True, **typed(box, requests_per_minute="", parallel="3")
    )
    assert "keys-changed" in answer.events
    shop.refresh_from_db()
    assert (shop.requests_per_minute, shop.parallel, shop.experts) == (None, 3, ["Help"])
    assert f"{shop.expires_at:%Y-%m-%dT%H:%M}" == "2030-12-31T18:00"
    assert (
        "owen set the limits of an API key of endpoint hello"
        in owen.get("endpoint", endpoint, tab="events").text
    )


def test_emptied_is_without_any(owen, endpoint, shop):
    box = owen.get("key-limits", endpoint, shop, part=True)
    owen.post("key-limits", endpoint, shop, **typed(box, requests_per_minute="", expires_at="", experts=[]))
    shop.refresh_from_db()
    assert (shop.requests_per_minute, shop.expires_at, shop.experts) == (None, None, [])


def test_the_first_key_is_limited_but_has_no_expiry(owen, endpoint, first):
    box = owen.get("key-limits", endpoint, first, part=True)
    assert "The First Key cannot be revoked, so it does not expire either." in box.text
    assert 'name="expires_at"' not in box.html
    assert owen.post("key-limits", endpoint, first, part=True, **typed(box, parallel="4")).status == 204
    first.refresh_from_db()
    assert first.parallel == 4


def test_a_change_by_somebody_else_meanwhile_is_kept(owen, person, endpoint, shop):
    mine = owen.get("key-limits", endpoint, shop, part=True)
    tina = person("tina")
    theirs = tina.get("key-limits", endpoint, shop, part=True)
    assert tina.post("key-limits", endpoint, shop, part=True, **typed(theirs, parallel="9")).status == 204
    again = owen.post("key-limits", endpoint, shop, part=True, **typed(mine, parallel="1"))
    assert "Somebody changed this API key meanwhile" in again.text
    assert again.value("parallel") == "1"
    shop.refresh_from_db()
    assert shop.parallel == 9


# ----- Revoke ---------------------------------------------------------------------------------------------


def test_revoke_says_what_it_means(owen, endpoint, shop):
    box = owen.get("key-revoke", endpoint, shop, part=True)
    assert "All users lose access" in box.text
    assert "a revoked API key cannot be reactivated" in box.text
    assert box.text.endswith("Cancel Revoke")
    answer = owen.post("key-revoke", endpoint, shop, part=True)
    assert (answer.status, answer.events["notice"]["text"]) == (204, "The API key was revoked.")
    assert re.search(r"shop .* owen Revoked", owen.get("endpoint", endpoint).text)


def test_looking_at_the_box_revokes_nothing(owen, endpoint, shop):
    owen.get("key-revoke", endpoint, shop)
    shop.refresh_from_db()
    assert shop.revoked_at is None


# ----- what all have in common ----------------------------------------------------------------------------


@pytest.mark.parametrize("box", BOXES)
def test_without_javascript_they_are_pages(owen, endpoint, shop, box):
    page = owen.get(f"key-{box}", endpoint, shop)
    assert "<html" in page.html
    assert f"Projects demo hello {BOXES[box]}" in page.text
    answer = owen.post(f"key-{box}", endpoint, shop, **typed(page))
    assert (answer.status, answer.location) == (302, f"/endpoints/{endpoint.pk}/")


def test_add_new_is_a_page_too(owen, endpoint):
    page = owen.get("key-new", endpoint)
    assert "<html" in page.html
    assert owen.post("key-new", endpoint, **typed(page)).location == f"/endpoints/{endpoint.pk}/"
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_not_allowed_has_no_box(owen, endpoint, first, method):
    def ask(box: str, key: ApiKey) -> int:
        return getattr(owen, method)(f"key-{box}", endpoint, key, part=True).status

    assert (ask("edit", first), ask("revoke", first)) == (409, 409)
    first.refresh_from_db()
    assert (first.description, first.revoked_at) == ("First Key", None)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_revoked_key_has_no_box(owen, endpoint, revoked, method):
    for box in BOXES:
        answer = getattr(owen, method)(f"key-{box}", endpoint, revoked, part=True)
        assert answer.status == 409
        assert "final" in answer.events["notice"]["text"]


def test_a_key_of_another_endpoint_is_not_found_here(owen, world, endpoint):
    other = ApiKey.objects.get(endpoint=world.endpoint("other"))
    for box in BOXES:
        assert owen.get(f"key-{box}", endpoint, other).status == 404


@pytest.mark.parametrize("box", ["new", *BOXES])
@pytest.mark.parametrize("method", ["get", "post"])
def test_wrong_persons(person, endpoint, shop, box, method):
    about = (endpoint,) if box == "new" else (endpoint, shop)

    def ask(name: str) -> int:
        return getattr(person(name), method)(f"key-{box}", *about, part=True).status

    before = Event.objects.count()
    assert (ask("oskar"), ask("mila"), ask("otto")) == (404, 404, 404)
    Project.objects.update(general_access="tenant_editor")
    assert (ask("oskar"), ask("mila")) == (404, 403)
    assert (Event.objects.count(), ApiKey.objects.count()) == (before, 2)


@pytest.mark.parametrize("box", ["new", *BOXES])
def test_admins_may(person, endpoint, shop, box):
    about = (endpoint,) if box == "new" else (endpoint, shop)
    for name in ("olga", "tina"):
        assert person(name).get(f"key-{box}", *about, part=True).status == 200


def test_more_keys_than_a_page(owen, world, endpoint):
    actor = world.actor("owen")
    facts = selectors.facts(actor, endpoint)
    for number in range(30):
        when = NOW + timedelta(minutes=number)
        add_key(actor=actor, endpoint=endpoint, facts=facts, description=f"k{number:02}", now=when)
    first = owen.get("endpoint", endpoint)
    assert ("k29" in first.text, "k05" in first.text, "k04" in first.text) == (True, True, False)
    cursor = first.html.partition("?cursor=")[2].partition('"')[0]
    second = owen.get("endpoint", endpoint, cursor=cursor)
    assert ("k05" in second.text, "k04" in second.text, "First Key" in second.text) == (False, True, True)
    assert f"?part=keys&amp;cursor={cursor}" in second.html  # a change brings the same page again
    assert owen.get("endpoint", endpoint, cursor="nonsense").status == 400
