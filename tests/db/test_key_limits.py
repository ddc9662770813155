"""What API keys may use: set with the key or later, written down, told to the gateways, all or nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeys import services
from apikeys.models import ApiKey
from endpoints import routing, selectors, wire
from endpoints import services as endpoint_services
from endpoints.models import Endpoint
from studio.audit.models import Event
from studio.errors import Conflict, Forbidden, Invalid, NotFound
from studio.hub.models import Model
from studio.json_api import moment
from studio.projects.models import Project
from tests.support.cast import NOW

LATER = datetime(2030, 12, 31, 18, tzinfo=UTC)


class Limited:
    """The services of one endpoint's keys, asked by somebody."""

    def __init__(self, cast) -> None:
        self.cast = cast
        Model.objects.filter(name="Help").update(aliases=["studio/help"])
        self.endpoint = cast.endpoint()
        self.first = cast.first_key(self.endpoint)

    def _who(self, name: str) -> dict[str, object]:
        self.endpoint.project.refresh_from_db()
        actor = getattr(self.cast, name)
        return {"actor": actor, "facts": selectors.facts(actor, self.endpoint)}

    def add(self, by: str = "owen", now=NOW, **terms) -> ApiKey:
        wanted = {"description": "for the shop"} | terms
        return services.add_key(endpoint=self.endpoint, now=now, **self._who(by), **wanted)[0]

    def limit(self, key: ApiKey, by: str = "owen", now=NOW, **terms) -> ApiKey:
        return services.limit_key(key=key, now=now, **self._who(by), **terms)

    def update(self, key: ApiKey, by: str = "owen", now=NOW, **terms) -> ApiKey:
        return services.update_key(key=key, now=now, **self._who(by), **terms)

    def edit(self, key: ApiKey, by: str = "owen", now=NOW, **terms) -> ApiKey:
        return services.edit_key(key=key, now=now, **self._who(by), **terms)

    def revoke(self, key: ApiKey, by: str = "owen") -> ApiKey:
        return services.revoke_key(key=key, now=NOW, **self._who(by))

    def version(self) -> int:
        self.endpoint.refresh_from_db()
        return self.endpoint.route_version

    def route(self) -> wire.Route:
        return routing.build([self.endpoint.pk])[0]


@pytest.fixture
def keys(cast) -> Limited:
    return Limited(cast)


def test_a_key_has_no_limits_unless_they_are_asked_for(keys):
    key = keys.add()
    assert (key.requests_per_minute, key.tokens_per_month, key.expires_at, key.experts) == (
        None,
        None,
        None,
        [],
    )


def test_a_key_is_added_with_its_limits(keys):
    key = keys.add(
        limits={"parallel": "2", "tokens_per_day": 1000},
        expires_at="2030-12-31T18:00",
        experts=["HELP", "studio/help"],
    )
    key.refresh_from_db()
    assert (key.parallel, key.tokens_per_day, key.tokens_per_minute) == (2, 1000, None)
    assert (key.expires_at, key.experts) == (LATER, ["Help", "studio/help"])
    event = Event.objects.get(verb="add key")
    assert event.changes == {
        "key": str(key.pk), "description": "for the shop", "parallel": 2, "tokens_per_day": 1000,
        "expires_at": LATER.isoformat(), "experts": [[], ["Help", "studio/help"]],
    }  # fmt: skip


def test_a_fault_adds_nothing(keys):
    with pytest.raises(Invalid) as refusal:
        keys.add(limits={"parallel": 0}, experts=["Nobody"], expires_at=NOW)
    assert set(refusal.value.fields) == {"parallel", "experts", "expires_at"}
    assert ApiKey.objects.get() == keys.first


def test_what_is_not_named_stays_and_what_is_empty_ends(keys):
    key = keys.add(limits={"parallel": 2, "tokens_per_day": 1000}, expires_at=LATER, experts=["Help"])
    key = keys.limit(key, limits={"parallel": 3})
    assert (key.parallel, key.tokens_per_day, key.expires_at, key.experts) == (3, 1000, LATER, ["Help"])
    key = keys.limit(key, limits={"tokens_per_day": None}, expires_at="", experts=[])
    assert (key.parallel, key.tokens_per_day, key.expires_at, key.experts) == (3, None, None, [])


def test_a_change_is_written_down_from_old_to_new(keys):
    key = keys.add(limits={"parallel": 2})
    keys.limit(key, limits={"parallel": 3, "tokens_per_day": None}, expires_at=LATER)
    event = Event.objects.get(verb="limit key")
    assert event.changes == {
        "key": str(key.pk), "description": "for the shop", "parallel": [2, 3],
        "expires_at": [None, LATER.isoformat()],
    }  # fmt: skip


def test_the_same_again_is_no_change(keys):
    key = keys.add(limits={"parallel": 2}, expires_at=LATER)
    before = keys.version()
    later = NOW + timedelta(minutes=1)
    keys.limit(key, limits={"parallel": "2"}, expires_at="2030-12-31T18:00", now=later)
    keys.edit(key, description="for the shop", now=later)
    key.refresh_from_db()
    assert (key.updated_at, keys.version()) == (NOW, before)
    assert not Event.objects.filter(verb__in=["limit key", "edit key"]).exists()


def test_the_first_key_is_limited_but_never_expires(keys):
    first = keys.limit(keys.first, limits={"requests_per_minute": 60}, expires_at="", experts=["studio/help"])
    assert (first.requests_per_minute, first.experts) == (60, ["studio/help"])
    with pytest.raises(Invalid) as refusal:
        keys.limit(first, expires_at=LATER)
    assert set(refusal.value.fields) == {"expires_at"}
    with pytest.raises(Conflict, match="First Key"):
        keys.update(first, description="mine", limits={"parallel": 1})
    first.refresh_from_db()
    assert first.parallel is None, "both or neither"


def test_a_revoked_key_stays_as_it_was(keys):
    key = keys.add(limits={"parallel": 2})
    keys.revoke(key)
    for act in (lambda: keys.limit(key, limits={"parallel": 3}), lambda: keys.update(key, description="x")):
        with pytest.raises(Conflict, match="final"):
            act()


def test_an_expired_key_works_again_with_a_later_expiry(keys):
    key = keys.add(expires_at=LATER)
    after = LATER + timedelta(days=1)
    key = keys.limit(key, limits={"parallel": 1}, expires_at=LATER, now=after)
    assert key.parallel == 1
    assert keys.limit(key, expires_at=after + timedelta(days=1), now=after).expires_at > after


@pytest.mark.parametrize("act", ["limit", "edit", "update"])
def test_what_somebody_else_changed_meanwhile_is_kept(keys, act):
    key = keys.add(limits={"parallel": 2})
    seen = moment(key.updated_at)
    keys.limit(key, by="tina", limits={"parallel": 9}, now=NOW + timedelta(seconds=1))
    change = {
        "limit": {"limits": {"parallel": 3}},
        "edit": {"description": "x"},
        "update": {"description": "x"},
    }
    with pytest.raises(Conflict, match="meanwhile"):
        getattr(keys, act)(key, seen=seen, **change[act])
    key.refresh_from_db()
    assert (key.parallel, key.description) == (9, "for the shop")
    assert getattr(keys, act)(key, seen=moment(key.updated_at), **change[act])


def test_a_deleted_endpoints_keys_are_left_alone(keys):
    key = keys.add()
    endpoint_services.delete_endpoint(actor=keys.cast.owen, endpoint=keys.endpoint, now=NOW)
    for act in (keys.add, lambda: keys.limit(key, limits={"parallel": 1}), lambda: keys.revoke(key)):
        with pytest.raises(Conflict, match="is deleted"):
            act()


@pytest.mark.parametrize(("name", "refusal"), [("mila", NotFound), ("oskar", NotFound), ("otto", NotFound)])
def test_whoever_may_not_know_the_endpoint_limits_nothing(keys, name, refusal):
    for act in (keys.limit, keys.update):
        with pytest.raises(refusal):
            act(keys.first, by=name, limits={"parallel": 1})


def test_a_viewer_may_not_limit(keys):
    Project.objects.update(general_access="tenant_viewer")
    for act in (keys.limit, keys.update):
        with pytest.raises(Forbidden, match="API keys"):
            act(keys.first, by="mila", limits={"parallel": 1})
    keys.first.refresh_from_db()
    assert keys.first.parallel is None


def test_a_limit_and_its_audit_row_stand_or_fall_together(keys, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the audit cannot be written")

    monkeypatch.setattr(services, "record", broken)
    with pytest.raises(RuntimeError):
        keys.limit(keys.first, limits={"parallel": 1})
    keys.first.refresh_from_db()
    assert keys.first.parallel is None


# ----- what gateways hear


def test_a_changed_limit_raises_the_routes_version_and_a_description_does_not(keys):
    key = keys.add()
    before = keys.version()
    keys.edit(key, description="other")
    assert keys.version() == before
    keys.limit(key, limits={"parallel": 1})
    assert keys.version() == before + 1


def test_the_route_says_what_each_key_may_use(keys):
    limited = keys.add(
        limits={"parallel": 2, "tokens_per_month": 10**12}, expires_at=LATER, experts=["studio/help"]
    )
    sent = {key.id: key for key in keys.route().keys}
    assert sent[str(limited.pk)] == wire.Key(
        id=str(limited.pk),
        digest=bytes(limited.digest),
        limits=wire.Limits(parallel=2, tokens_per_month=10**12),
        expires_at=LATER.timestamp(),
        experts=["studio/help"],
    )


def test_a_key_without_limits_costs_nothing(keys):
    (sent,) = keys.route().keys
    assert sent == wire.Key(str(keys.first.pk), bytes(keys.first.digest))
    keys.limit(keys.first, limits={"parallel": 1})
    keys.limit(keys.first, limits={"parallel": None})
    assert keys.route().keys[0].limits is None


def test_an_expired_key_is_published_so_that_gateways_can_say_so(keys):
    key = keys.add(expires_at=LATER)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    sent = {each.id: each for each in keys.route().keys}
    assert sent[str(key.pk)].expires_at == datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_routes_names_are_the_models_and_its_aliases(keys):
    assert keys.route().names == ["Help", "studio/help"]
    assert Endpoint.objects.get().model_version.model.names == ["Help", "studio/help"]
