"""New peppers for the digests of keys: whoever has a key goes on, and no pepper goes while a key stands on it alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apikeys import peppers, services
from apikeys.models import ApiKey
from endpoints import routing, selectors
from endpoints.models import Endpoint
from studio import keyring, rotation, seal
from studio.accounts.devices import Device
from studio.audit.models import Event
from studio.tenants.models import PlatformKey
from studio.tenants.services import authenticate_key, is_platform_key, new_platform_key
from tests.support.cast import NOW
from tests.support.rings import ring

NAME = "key_pepper"


def name_of(pepper: str) -> str:
    return seal.fingerprint(seal.ring(pepper)[0])


def finished(abandon: bool = False, rehearse: bool = False) -> str:
    now = datetime.now(UTC) + rotation.GRACE
    return rotation.finish(NAME, now=now, abandon=abandon, rehearse=rehearse)


def knocked(value: str) -> str:
    return authenticate_key(value, wanted_tenant="", address="", request_id="", now=NOW).name


@pytest.fixture
def hello(folder: Path, cast, control_broker) -> Endpoint:
    endpoint = cast.endpoint()
    routing.publish([endpoint.pk])
    return endpoint


def who(cast, endpoint: Endpoint) -> dict[str, object]:
    return {"actor": cast.owen, "facts": selectors.facts(cast.owen, endpoint)}


@pytest.mark.django_db(transaction=True)  # what is published is so after the commit
def test_an_endpoint_key_that_can_be_shown_gets_its_digest_at_once_and_the_gateways_hear_it(
    hello, folder, cast
):
    first, (old,) = cast.first_key(hello), ring(folder, NAME)
    value = services.show_key(**who(cast, hello), key=first, now=NOW).reveal()
    assert rotation.begin(NAME) == "key_pepper: a new key stands in front of 1; 1 digests of older keys."
    new, still = ring(folder, NAME)
    key = cast.first_key(hello)
    assert (still, key.pepper, key.updated_at) == (old, name_of(new), first.updated_at)
    assert bytes(key.digest) == seal.digest(seal.ring(new)[0], value) != bytes(first.digest)
    (route,) = routing.build([hello.pk])
    hello.refresh_from_db()
    assert route.keys[0].digest == bytes(key.digest)
    assert hello.published_version == route.version, "published, and newer than what gateways had"
    assert finished() == "key_pepper: 1 older were taken out."
    assert ring(folder, NAME) == [new]
    assert services.key_named(hello, value) == key


def test_a_platform_key_gets_its_digest_with_its_next_use_and_holds_its_pepper_until_then(folder, cast, db):
    owen = new_platform_key(actor=cast.owen, user=cast.users["owen"], now=NOW).reveal()
    mila = new_platform_key(actor=cast.mila, user=cast.users["mila"], now=NOW).reveal()
    (old,) = ring(folder, NAME)
    rotation.begin(NAME)
    assert is_platform_key(owen)
    assert finished() == f"key_pepper: 1 older stay; the pepper {name_of(old)} stays for 2 platform keys."
    assert knocked(owen) == knocked(owen) == "owen"
    assert PlatformKey.objects.get(user__username="owen").pepper == name_of(ring(folder, NAME)[0])
    assert finished().endswith("stays for 1 platform keys.")
    assert knocked(mila) == "mila"
    assert finished() == "key_pepper: 1 older were taken out."
    assert (knocked(owen), knocked(mila)) == ("owen", "mila")


def test_each_pepper_goes_by_itself(folder, cast, db):
    owen = new_platform_key(actor=cast.owen, user=cast.users["owen"], now=NOW).reveal()
    (first,) = ring(folder, NAME)
    rotation.begin(NAME)
    rotation.begin(NAME)
    newest, _, _ = ring(folder, NAME)
    said = finished()
    assert said.startswith("key_pepper: 1 older were taken out; the pepper ")
    assert name_of(first) in said
    assert ring(folder, NAME) == [newest, first]
    assert knocked(owen) == "owen"


@pytest.mark.django_db(transaction=True)
def test_a_value_that_is_shown_once_holds_its_pepper_until_it_is_replaced_or_revoked(hello, folder, cast):
    services.show_values_once(actor=cast.olga, tenant=cast.tenants["default"], once=True, now=NOW)
    key, value = services.add_key(**who(cast, hello), endpoint=hello, description="", now=NOW)
    rotation.begin(NAME)
    assert finished().endswith("stays for 2 endpoint keys.")
    assert services.key_named(hello, value.reveal()) == key
    services.revoke_key(**who(cast, hello), key=key, now=NOW)
    soon = datetime.now(UTC)
    services.rotate_key(**who(cast, hello), key=cast.first_key(hello), grace="1h", now=soon)
    assert finished().endswith("stays for 1 replaced values.")
    later = soon + timedelta(hours=2)
    assert rotation.finish(NAME, now=later) == "key_pepper: 1 older were taken out."


def test_what_cannot_be_used_any_more_holds_nothing(hello, cast):
    ApiKey.objects.update(sealed=None)
    Endpoint.objects.update(desired="deleted", deleted_at=NOW)
    assert peppers.by_pepper(NOW + timedelta(hours=1)) == {
        seal.fingerprint(keyring.key_pepper()): peppers.Standing(endpoint=1)
    }
    assert peppers.by_pepper(NOW + timedelta(hours=26)) == {}, "no restore brings it back"


def test_a_key_from_before_peppers_were_noted_holds_them_all(folder, cast, db):
    owen = new_platform_key(actor=cast.owen, user=cast.users["owen"], now=NOW).reveal()
    PlatformKey.objects.update(pepper="")
    rotation.begin(NAME)
    assert finished().endswith("stays for 1 platform keys from before peppers were noted.")
    assert knocked(owen) == "owen"
    assert finished() == "key_pepper: 1 older were taken out."


def test_a_leaked_pepper_may_go_with_the_keys_that_stand_on_it(folder, cast, db):
    new_platform_key(actor=cast.owen, user=cast.users["owen"], now=NOW)
    rotation.begin(NAME)
    assert finished(abandon=True, rehearse=True).startswith("key_pepper: 1 older would be taken out")
    assert len(ring(folder, NAME)) == 2
    assert finished(abandon=True).endswith("is gone, and nobody can use 1 platform keys.")
    assert len(ring(folder, NAME)) == 1


def test_no_pepper_goes_while_a_gateway_may_know_a_key_by_it_alone(hello, folder):
    rotation.begin(NAME)
    Endpoint.objects.update(published_version=0)
    assert "gateways do not know every route" in finished()
    assert len(ring(folder, NAME)) == 2


def test_a_rehearsal_digests_nothing(hello, folder, cast):
    rotation.begin(NAME)
    ApiKey.objects.update(pepper="of-before")
    assert "until digests of theirs are made anew" in finished(rehearse=True)
    assert cast.first_key(hello).pepper == "of-before"


def test_a_browser_is_known_by_the_cookie_of_before(folder, db):
    before = Device().with_name("Owen")
    rotation.begin(NAME)
    assert before.knows("owen")
    after = before.with_name("owen")
    assert len(after.names) == 1
    assert after.names != before.names


@pytest.mark.django_db(transaction=True)
def test_each_step_is_in_the_audit_as_the_platforms_own(hello, folder, cast):
    before = set(Event.objects.values_list("pk", flat=True))
    rotation.announce(NAME)
    rotation.promote(NAME)
    rotation.begin(NAME)
    rotation.begin(NAME, rehearse=True)
    finished()
    rows = Event.objects.exclude(pk__in=before).order_by("pk")
    assert {(row.actor_name, row.verb, row.thing_type) for row in rows} == {
        ("Studio", "rotate keys", "organization")
    }
    told = [(row.changes["ring"], row.changes["step"], row.changes["keys"]) for row in rows]
    steps = [("announce", [1, 2]), ("promote", [2, 2]), ("begin", [2, 3]), ("finish", [3, 1])]
    assert told == [(NAME, *step) for step in steps]
