"""New keys for the routes: what lies in the broker is published anew; no key goes while something there needs it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from endpoints import routing, wire
from endpoints.gateway import rings
from endpoints.models import Endpoint
from endpoints.usage import wire as usage
from studio import enqueue, keyring, rotation, seal
from studio.errors import Conflict
from tests.support.rings import ring

pytestmark = pytest.mark.django_db(transaction=True)  # what is published is so after the commit

BOTH = pytest.mark.parametrize("name", ["routes_seal", "routes_sign"])


@pytest.fixture
def hello(folder: Path, cast, control_broker) -> Endpoint:
    endpoint = cast.endpoint()
    routing.publish([endpoint.pk])
    return endpoint


def finished(name: str) -> str:
    return rotation.finish(name, now=datetime.now(UTC) + rotation.GRACE)


def opened(broker: redis.Redis, endpoint: Endpoint) -> wire.Route:
    """As a gateway that starts now opens it."""
    held = rings.from_environment()
    return wire.unpack(broker.hget(wire.ROUTES, str(endpoint.pk)), held.keys, held.publics)


@BOTH
def test_routes_are_published_anew_with_a_greater_version_and_the_old_key_goes(
    name, hello, folder, control_broker
):
    before = opened(control_broker, hello)
    (old,) = ring(folder, name)
    assert rotation.begin(name) == f"{name}: a new key stands in front of 1; 1 routes of older keys."
    new, still = ring(folder, name)
    assert (still, new != old) == (old, True)
    assert opened(control_broker, hello).version > before.version
    assert finished(name) == f"{name}: 1 older were taken out."
    assert ring(folder, name) == [new]
    after = opened(control_broker, hello)
    assert after.keys == before.keys
    assert seal.public_of(keyring.routes_sign()) in keyring.routes_verify()
    assert (len(keyring.routes_verify()), "nothing to finish" in finished(name)) == (1, True)


@BOTH
def test_what_is_published_with_the_old_key_meanwhile_is_published_anew_before_that_goes(
    name, hello, folder, control_broker
):
    stale = control_broker.hget(wire.ROUTES, str(hello.pk))
    rotation.begin(name)
    control_broker.hset(wire.ROUTES, str(hello.pk), stale)
    assert finished(name) == f"{name}: 1 older were taken out; 1 routes of older keys."
    assert opened(control_broker, hello)


def test_no_key_goes_while_usage_of_it_waits(hello, folder, control_broker):
    box = usage.pack(usage.Batch("g", 1), keyring.routes_seal()[0])
    rotation.begin("routes_seal")
    control_broker.hset(usage.BATCHES, usage.batch_field("g", 1), box)
    assert "since the broker has 1 batches of usage of theirs" in finished("routes_seal")
    control_broker.delete(usage.BATCHES)
    assert "taken out" in finished("routes_seal")


def test_no_key_goes_while_the_broker_is_away_and_the_rotation_says_so(hello, folder, monkeypatch):
    nobody = redis.Redis.from_url("unix:///nowhere/broker.sock")
    monkeypatch.setattr(enqueue, "_client", nobody)
    assert "the broker does not answer" in rotation.begin("routes_seal")
    assert "since the broker does not answer" in finished("routes_seal")
    assert len(ring(folder, "routes_seal")) == 2


def test_what_is_no_endpoints_holds_nothing(hello, folder, control_broker):
    control_broker.hset(wire.ROUTES, mapping={"nonsense": b"x" * 99, str(hello.project_id): b"y" * 99})
    rotation.begin("routes_seal")
    assert "taken out" in finished("routes_seal")


def test_a_pair_that_was_cut_off_between_its_files_is_finished(hello, folder, monkeypatch):
    whole = rotation._write

    def breaks(name, keys):
        if name == "routes_sign":
            raise KeyboardInterrupt
        whole(name, keys)

    monkeypatch.setattr(rotation, "_write", breaks)
    with pytest.raises(KeyboardInterrupt):
        rotation.begin("routes_sign")
    assert (len(ring(folder, "routes_sign")), len(ring(folder, "routes_verify"))) == (1, 2)
    monkeypatch.setattr(rotation, "_write", whole)
    finished("routes_sign")
    assert seal.ring(ring(folder, "routes_verify")[0]) == [seal.public_of(keyring.routes_sign())]


@pytest.mark.parametrize("name", rotation.RINGS)
def test_an_announced_key_is_accepted_everywhere_before_anything_is_made_with_it(
    name, hello, folder, control_broker
):
    (old,) = ring(folder, name)
    assert "accepted and not used" in rotation.announce(name)
    kept, announced = ring(folder, name)
    assert kept == old
    elsewhere = rings.from_environment()  # a gateway on another machine, once the files are there
    rotation.promote(name)
    assert ring(folder, name) == [announced, old]
    box = control_broker.hget(wire.ROUTES, str(hello.pk))
    assert wire.unpack(box, elsewhere.keys, elsewhere.publics).keys[0].digest
    with pytest.raises(Conflict, match="announce another one"):
        rotation.promote("routes_seal" if name != "routes_seal" else "value_seal")


def test_a_rehearsal_writes_no_file(hello, folder):
    before = {path.name: path.read_text() for path in folder.iterdir()}
    for name in rotation.RINGS:
        rotation.announce(name, rehearse=True)
        rotation.begin(name, rehearse=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
