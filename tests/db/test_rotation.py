"""The First Key's value is replaced: what the gateways are told, who may, and what is written down."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apikeys import services
from apikeys.models import ApiKey
from endpoints import routing, selectors
from studio import keyring, seal
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.json_api import moment
from studio.projects.models import Project
from tests.support.cast import NOW


class Rotated:
    """The First Key of one endpoint, rotated by somebody."""

    def __init__(self, cast) -> None:
        self.cast = cast
        self.endpoint = cast.endpoint()
        self.first = cast.first_key(self.endpoint)

    def who(self, name: str) -> dict[str, object]:
        self.endpoint.project.refresh_from_db()
        actor = getattr(self.cast, name)
        return {"actor": actor, "facts": selectors.facts(actor, self.endpoint)}

    def rotate(self, grace="none", key=None, by="owen", now=NOW, **more) -> str:
        key = key or self.first
        _, value = services.rotate_key(**self.who(by), key=key, grace=grace, now=now, **more)
        self.first.refresh_from_db()
        return value.reveal()

    def shown(self) -> str:
        return services.show_key(**self.who("owen"), key=self.first, now=NOW).reveal()

    def published(self):
        (key,) = routing.build([self.endpoint.pk])[0].keys
        return key


@pytest.fixture
def one(cast) -> Rotated:
    return Rotated(cast)


def digest(value: str) -> bytes:
    return seal.digest(keyring.key_pepper(), value)


def test_the_new_value_is_the_keys_and_all_else_stays(one):
    services.limit_key(**one.who("owen"), key=one.first, limits={"parallel": 2}, now=NOW)
    old, before = one.shown(), one.first.pk
    new = one.rotate()
    assert one.shown() == new != old
    assert (one.first.pk, one.first.parallel, one.first.prefix) == (before, 2, new[:8])
    assert (one.published().digest, one.published().old_digest) == (digest(new), b"")


@pytest.mark.parametrize(
    ("grace", "span"), [("1h", timedelta(hours=1)), ("1d", timedelta(days=1)), ("7d", timedelta(days=7))]
)
def test_the_gateways_are_told_the_old_value_with_its_end(one, grace, span):
    old = one.shown()
    new = one.rotate(grace)
    told = one.published()
    assert (told.digest, told.old_digest) == (digest(new), digest(old))
    assert told.old_until == (NOW + span).timestamp()


def test_each_rotation_ends_what_was_replaced_before(one):
    one.rotate("7d")
    second = one.shown()
    one.rotate("1h")
    assert one.published().old_digest == digest(second)
    one.rotate()
    assert (one.published().old_digest, one.published().old_until) == (b"", 0)


def test_a_rotation_raises_the_routes_version(one):
    one.endpoint.refresh_from_db()
    before = one.endpoint.route_version
    one.rotate("1d")
    one.endpoint.refresh_from_db()
    assert one.endpoint.route_version > before


def test_it_is_written_down_without_a_value(one):
    old = one.shown()
    new = one.rotate("1d")
    event = Event.objects.get(verb="rotate key")
    assert (event.actor_name, event.role, event.thing_id) == ("owen", "owner", one.endpoint.pk)
    assert event.changes["grace"] == "1d"
    assert event.changes["beginning"] == [old[:8], new[:8]]
    assert not {old, new} & set(str(event.changes).replace("'", " ").split())


def test_only_the_first_key_is_rotated(one):
    other, _ = services.add_key(**one.who("owen"), endpoint=one.endpoint, description="", now=NOW)
    with pytest.raises(Conflict, match="Only the First Key"):
        one.rotate(key=other)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=other.pk).update(old_digest=b"x" * 32, old_until=NOW)


@pytest.mark.parametrize("grace", ["2h", "", None, 3600, ["none"]])
def test_another_grace_time_is_refused_at_its_field(one, grace):
    with pytest.raises(Invalid) as refusal:
        one.rotate(grace)
    assert list(refusal.value.fields) == ["grace"]


def test_two_who_rotate_at_once_do_it_once(one):
    seen = moment(one.first.updated_at)
    one.rotate(seen=seen, now=NOW + timedelta(seconds=1))
    with pytest.raises(Conflict, match="meanwhile"):
        one.rotate(seen=seen, now=NOW + timedelta(seconds=2))


@pytest.mark.parametrize(("name", "refusal"), [("oskar", NotFound), ("mila", NotFound), ("otto", NotFound)])
def test_whoever_may_not_know_the_endpoint_rotates_nothing(one, name, refusal):
    with pytest.raises(refusal):
        one.rotate(by=name)


def test_nor_does_an_editor(one):
    Project.objects.update(general_access="tenant_editor")
    with pytest.raises(Forbidden, match="API keys"):
        one.rotate(by="mila")


def test_the_value_and_its_audit_row_stand_or_fall_together(one, monkeypatch):
    old = one.shown()

    def broken(*args, **kwargs):
        raise RuntimeError("the audit cannot be written")

    with monkeypatch.context() as without_audit:
        without_audit.setattr(services, "record", broken)
        with pytest.raises(RuntimeError):
            one.rotate()
    assert one.published().digest == digest(old)
