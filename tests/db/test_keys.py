"""Endpoint API keys: added, described, revoked for good, shown and counted; the First Key's rules."""

import uuid
from datetime import timedelta

import pytest

from apikeys import services
from apikeys.models import ApiKey
from apikeys.selectors import keys_of
from endpoints import selectors
from studio import keyring, seal
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.projects.models import Project
from tests.support.cast import NOW


class Keys:
    """The services of one endpoint's keys, asked by somebody."""

    def __init__(self, cast) -> None:
        self.cast = cast
        self.endpoint = cast.endpoint()
        self.first = cast.first_key(self.endpoint)

    def facts(self, name: str):
        self.endpoint.project.refresh_from_db()
        return selectors.facts(getattr(self.cast, name), self.endpoint)

    def add(self, by: str = "owen", description: str = "for the shop", **more: object):
        return services.add_key(
            actor=getattr(self.cast, by),
            endpoint=self.endpoint,
            facts=self.facts(by),
            description=description,
            **more,
            now=NOW,
        )

    def edit(self, key: ApiKey, by: str = "owen", description: str = "other"):
        return services.edit_key(
            actor=getattr(self.cast, by), key=key, facts=self.facts(by), description=description, now=NOW
        )

    def revoke(self, key: ApiKey, by: str = "owen"):
        return services.revoke_key(actor=getattr(self.cast, by), key=key, facts=self.facts(by), now=NOW)

    def show(self, *keys: ApiKey, by: str = "owen", now=NOW):
        found = list(keys)
        return services.show_keys(
            actor=getattr(self.cast, by), endpoint=self.endpoint, keys=found, facts=self.facts(by), now=now
        )


@pytest.fixture
def keys(cast) -> Keys:
    return Keys(cast)


def test_a_key_is_kept_as_a_digest_and_a_sealed_value(keys):
    key, value = keys.add()
    assert bytes(key.digest) == seal.digest(keyring.key_pepper(), value.reveal())
    assert keyring.open_value(key.sealed, "api key") == value.reveal()
    assert value.reveal().encode() not in bytes(key.sealed)
    assert key.prefix == value.reveal()[:8]
    assert keys.show(key)[key.pk].reveal() == value.reveal()
    assert services.key_named(keys.endpoint, value.reveal()) == key
    assert services.key_named(keys.endpoint, str(key.pk)) == key


def test_the_same_form_sent_twice_adds_one_key_and_is_answered_twice(keys):
    token = uuid.uuid4()
    terms = {"limits": {"parallel": 2}, "expires_at": NOW + timedelta(days=1), "experts": ["Help"]}
    answers = [keys.add(token=token, **terms) for _ in range(2)]
    assert [(key.pk, value.reveal()) for key, value in answers] == 2 * [(token, answers[0][1].reveal())]
    verbs = Event.objects.filter(changes__key=str(token)).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["add key", "show key"], "the second answer shows the value once more"
    assert ApiKey.objects.filter(is_first=False).count() == 1


def test_a_form_that_says_something_else_adds_a_key_of_its_own(keys, cast):
    """Its token is no key to what somebody else has made, nor to what is revoked."""
    token = uuid.uuid4()
    first, value = keys.add(token=token)
    keys.add(token=token, description="for the till")
    keys.add(token=token, limits={"parallel": 2})
    keys.add(token=token, by="olga")
    keys.revoke(first)
    keys.add(token=token)
    rows = ApiKey.objects.filter(is_first=False)
    assert (rows.count(), rows.filter(pk=token).count()) == (5, 1)
    elsewhere = Keys(cast)
    other, others_value = elsewhere.add(token=token)
    assert other.endpoint == elsewhere.endpoint
    assert other.pk != token
    assert others_value.reveal() != value.reveal()


def test_revoked_is_final(keys):
    key, value = keys.add()
    revoked = keys.revoke(key)
    assert (revoked.revoked_at, revoked.sealed) == (NOW, None)
    for again in (lambda: keys.revoke(key), lambda: keys.edit(revoked)):
        with pytest.raises(Conflict, match="final"):
            again()
    with pytest.raises(Conflict, match="no longer be shown"):
        services.show_key(actor=keys.cast.owen, key=revoked, facts=keys.facts("owen"), now=NOW)
    assert keys.show(revoked) == {}
    assert services.key_named(keys.endpoint, value.reveal()) == key, "its row can still be named"


def test_the_first_key_keeps_its_description_and_is_never_revoked(keys):
    with pytest.raises(Conflict, match="First Key"):
        keys.edit(keys.first)
    with pytest.raises(Conflict, match="First Key"):
        keys.revoke(keys.first)


@pytest.mark.parametrize("description", ["x" * 121, "bell\x07"])
def test_a_bad_description_is_refused_at_its_field(keys, description):
    with pytest.raises(Invalid) as refusal:
        keys.add(description=description)
    assert set(refusal.value.fields) == {"description"}


@pytest.mark.parametrize("said", ["nonsense", "", "00000000-0000-0000-0000-000000000000", "' OR 1=1"])
def test_an_unknown_key_is_not_found(keys, said):
    with pytest.raises(NotFound):
        services.key_named(keys.endpoint, said)


def test_a_key_of_another_endpoint_is_not_found_here(keys):
    other = keys.cast.first_key(keys.cast.endpoint())
    with pytest.raises(NotFound):
        services.key_named(keys.endpoint, str(other.pk))


@pytest.mark.parametrize(("name", "refusal"), [("oskar", NotFound), ("mila", NotFound), ("otto", NotFound)])
def test_whoever_may_not_know_the_endpoint_finds_no_key(keys, name, refusal):
    key, _ = keys.add()
    acts = (
        lambda: keys.add(by=name), lambda: keys.edit(key, by=name), lambda: keys.revoke(key, by=name),
        lambda: keys.show(key, by=name),
    )  # fmt: skip
    for act in acts:
        with pytest.raises(refusal):
            act()
    assert Event.objects.filter(actor_name=name).count() == 0


def test_an_editor_sees_the_table_but_no_value(keys):
    Project.objects.update(general_access="tenant_editor")
    for act in (lambda: keys.add(by="mila"), lambda: keys.show(keys.first, by="mila")):
        with pytest.raises(Forbidden, match="API keys"):
            act()


def test_the_first_key_stands_last_in_the_table(keys):
    added = [keys.add()[0], keys.add()[0]]
    assert set(list(keys_of(keys.endpoint))[:2]) == set(added)
    assert list(keys_of(keys.endpoint))[2] == keys.first


def test_each_change_is_written_down_without_the_value(keys):
    key, value = keys.add()
    keys.edit(key)
    keys.revoke(key)
    events = Event.objects.filter(thing_id=keys.endpoint.pk).exclude(verb="create").order_by("id")
    assert list(events.values_list("verb", flat=True)) == ["add key", "edit key", "revoke key"]
    assert events[1].changes["description"] == ["for the shop", "other"]
    for event in events:
        assert event.changes["key"] == str(key.pk)
        assert value.reveal() not in str(event.changes)


def test_showing_is_written_down_once_per_actor_key_and_hour(keys):
    key, _ = keys.add()
    for minutes in (0, 10, 59):
        keys.show(key, now=NOW + timedelta(minutes=minutes))
    keys.show(key, by="olga", now=NOW)
    shown = Event.objects.filter(verb="show key").order_by("id")
    assert [event.actor_name for event in shown] == ["owen", "olga"]
    keys.show(key, now=NOW + timedelta(minutes=61))
    assert shown.all().count() == 3


@pytest.mark.parametrize("act", ["add", "revoke"])
def test_every_change_of_what_works_raises_the_routes_version(keys, act):
    key, _ = keys.add()
    keys.endpoint.refresh_from_db()
    before = keys.endpoint.route_version
    keys.add() if act == "add" else keys.revoke(key)
    keys.endpoint.refresh_from_db()
    assert keys.endpoint.route_version > before


@pytest.mark.parametrize("act", ["add", "edit", "revoke"])
def test_a_key_and_its_audit_row_stand_or_fall_together(keys, act, monkeypatch):
    key, _ = keys.add()

    def broken(*args, **kwargs):
        raise RuntimeError("the audit cannot be written")

    monkeypatch.setattr(services, "record", broken)
    acts = {"add": keys.add, "edit": lambda: keys.edit(key), "revoke": lambda: keys.revoke(key)}
    with pytest.raises(RuntimeError):
        acts[act]()
    key.refresh_from_db()
    assert (key.description, key.revoked_at, ApiKey.objects.count()) == ("for the shop", None, 2)
