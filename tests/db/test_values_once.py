"""Values of API keys that are shown once only: in the answer that makes them, and kept nowhere."""

import json

import pytest

from apikeys import services
from apikeys.models import ApiKey
from apikeys.selectors import kept_values
from endpoints import selectors
from endpoints.models import Endpoint
from studio import keyring
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, NotFound
from studio.repeats import services as repeats
from studio.repeats.models import Answered
from tests.support.cast import NOW


def who(cast, endpoint, name="owen"):
    actor = getattr(cast, name)
    return {"actor": actor, "facts": selectors.facts(actor, endpoint)}


def switch(cast, once=True, by="olga", tenant="default"):
    """Requests that come after it read the tenant anew."""
    found = cast.tenants[tenant]
    gone = services.show_values_once(actor=getattr(cast, by), tenant=found, once=once, now=NOW)
    cast.project.tenant.refresh_from_db()
    return gone


def fresh(endpoint):
    return Endpoint.objects.get(pk=endpoint.pk)


def test_a_new_value_is_in_the_answer_and_nowhere_else(cast):
    switch(cast)
    endpoint = cast.endpoint()
    first = cast.first_key(endpoint)
    assert endpoint.first_value.reveal()[:8] == first.prefix
    key, added = services.add_key(**who(cast, endpoint), endpoint=endpoint, description="", now=NOW)
    _, rotated = services.rotate_key(**who(cast, endpoint), key=first, now=NOW)
    assert [each.sealed for each in ApiKey.objects.all()] == [None, None]
    assert services.key_named(endpoint, added.reveal()) == key
    assert services.key_named(endpoint, rotated.reveal()) == first
    assert (
        services.show_keys(**who(cast, endpoint), endpoint=fresh(endpoint), keys=[key, first], now=NOW) == {}
    )
    with pytest.raises(Conflict, match="shown once only"):
        services.show_key(**who(cast, endpoint), key=key, now=NOW)
    assert not Event.objects.filter(verb="show key").exists()


def test_switching_it_on_removes_what_was_kept_in_this_tenant_alone(cast):
    ours, theirs = cast.endpoint(), cast.endpoint(by="oskar", project=cast.project_of("oskar"))
    assert kept_values(cast.tenants["default"]) == 1
    assert switch(cast) == 1
    assert cast.first_key(ours).sealed is None
    assert cast.first_key(theirs).sealed is not None
    event = Event.objects.get(verb="show once")
    assert (event.tenant_id, event.changes) == (
        cast.tenants["default"].pk,
        {"values once": [False, True], "values removed": 1},
    )
    assert switch(cast) == 0, "it is on already"
    assert Event.objects.filter(verb="show once").count() == 1


def test_switched_off_new_values_are_kept_and_the_old_ones_stay_unknown(cast):
    endpoint = cast.endpoint()
    switch(cast)
    switch(cast, once=False)
    key, value = services.add_key(**who(cast, endpoint), endpoint=endpoint, description="", now=NOW)
    assert services.show_key(**who(cast, endpoint), key=key, now=NOW).reveal() == value.reveal()
    with pytest.raises(Conflict, match="was not kept"):
        services.show_key(**who(cast, endpoint), key=cast.first_key(endpoint), now=NOW)


def test_what_was_sealed_at_the_same_moment_is_not_shown_and_goes_with_the_sweep(cast):
    endpoint = cast.endpoint()
    first = cast.first_key(endpoint)
    switch(cast)
    ApiKey.objects.filter(pk=first.pk).update(sealed=bytes(first.sealed))
    first.refresh_from_db()
    with pytest.raises(Conflict, match="shown once only"):
        services.show_key(**who(cast, endpoint), key=first, now=NOW)
    assert services.show_keys(**who(cast, endpoint), endpoint=fresh(endpoint), keys=[first], now=NOW) == {}
    assert services.forget_shown() == 1
    assert cast.first_key(endpoint).sealed is None


def test_nor_is_it_answered_to_a_repeated_request(cast):
    endpoint = cast.endpoint()
    value = services.show_key(**who(cast, endpoint), key=cast.first_key(endpoint), now=NOW).reveal()
    answer = {"id": "1", "api_key": value, "api_keys": [{"api_key": value, "parallel": None}]}
    others = {"api_key": "0c9f1e4e-1d35-4f2e-8a6b-7f3b7c1b9f10"}
    for key, each in (("ours", answer), ("others", others)):
        repeats.once(
            actor=cast.owen, key=key, fingerprint=b"x", act=lambda each=each: each, keep=dict, now=NOW
        )
    switch(cast)
    kept = {row.key: json.loads(keyring.open_value(row.sealed, "answer")) for row in Answered.objects.all()}
    shown = f"{value[:8]}-••••"
    assert kept["ours"] == {"id": "1", "api_key": shown, "api_keys": [{"api_key": shown, "parallel": None}]}
    assert kept["others"] == others


@pytest.mark.parametrize(
    ("name", "refusal"), [("tina", Forbidden), ("owen", Forbidden), ("mila", Forbidden), ("oskar", NotFound)]
)
def test_only_an_org_admin_switches_it(cast, name, refusal):
    with pytest.raises(refusal):
        switch(cast, by=name)
    cast.tenants["default"].refresh_from_db()
    assert not cast.tenants["default"].values_once
