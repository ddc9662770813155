"""The gateways' table in the broker: newest wins, complete or not marked so, rebuilt whenever it was lost."""

import signal
import time

import pytest
import redis

from apikeys import services as keys
from endpoints import routing, selectors, services, wire
from endpoints.models import Endpoint
from scheduler.driver import mint_incarnation
from scheduler.models import Instance
from studio import enqueue, env, keyring, seal
from studio.hub.models import Runtime
from tests.support import broker as brokers
from tests.support.cast import NOW, speaking_to


def public_key() -> list[bytes]:
    return seal.ring(env.secret("routes_verify").reveal())


def standing(broker: redis.Redis, endpoint: Endpoint) -> wire.Route:
    raw = broker.hget(wire.ROUTES, str(endpoint.pk))
    return wire.unpack(raw, keyring.routes_seal(), public_key())


def changes(broker: redis.Redis) -> int:
    return int(broker.get(wire.CHANGES) or 0)


@pytest.fixture
def hello(cast, control_broker) -> Endpoint:
    endpoint = cast.endpoint(name="hello")
    endpoint.rows.update(state="ready", node=cast.node(), host="127.0.0.1", port=9001,
                         sealed_token=keyring.seal_value("the-token", "instance"))  # fmt: skip
    return endpoint


def stale(endpoint: Endpoint) -> None:
    """Something changed and was not published."""
    routing.touch([endpoint.pk])


# --- one route --------------------------------------------------------------------------------------------------


def test_a_route_says_where_who_and_what(cast, hello, control_broker):
    assert routing.publish([hello.pk])
    route = standing(control_broker, hello)
    hello.refresh_from_db()
    assert route.version == hello.route_version
    assert (route.name, route.status, route.sentence, route.model) == ("hello", "Live", "", "Help")
    assert [key.digest for key in route.keys] == [bytes(cast.first_key(hello).digest)]
    (upstream,) = route.upstreams
    assert (upstream.host, upstream.port, upstream.token, upstream.spare) == (
        "127.0.0.1",
        9001,
        "the-token",
        False,
    )
    assert hello.published_version == hello.route_version


def test_an_upstream_says_how_many_calls_it_works_on_at_once(cast, hello, control_broker):
    routing.publish([hello.pk])
    assert [each.slots for each in standing(control_broker, hello).upstreams] == [0], "as many as come"
    Runtime.objects.update(parallel=4)
    stale(hello)
    routing.publish([hello.pk])
    assert [each.slots for each in standing(control_broker, hello).upstreams] == [4]


def test_neither_key_nor_token_stands_in_the_broker_in_clear(cast, hello, control_broker):
    routing.publish([hello.pk])
    raw = control_broker.hget(wire.ROUTES, str(hello.pk))
    assert b"the-token" not in raw
    assert bytes(cast.first_key(hello).digest) not in raw


def test_a_stopped_endpoint_has_no_upstreams_and_says_so(cast, hello, control_broker):
    services.stop_endpoint(actor=cast.owen, endpoint=hello, now=NOW)
    routing.publish([hello.pk])
    route = standing(control_broker, hello)
    assert (route.status, route.upstreams) == ("Stopping", [])
    assert len(route.keys) == 1, "a right key hears why, a wrong one is refused"


def test_a_deleted_endpoint_leaves_a_tombstone(cast, hello, control_broker):
    routing.publish([hello.pk])
    services.delete_endpoint(actor=cast.owen, endpoint=hello, now=NOW)
    routing.publish([hello.pk])
    route = standing(control_broker, hello)
    assert (route.deleted, route.keys, route.upstreams) == (True, [], [])


def test_a_commit_publishes_at_once(cast, hello, control_broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        key, _ = keys.add_key(
            actor=cast.owen, endpoint=hello, facts=selectors.facts(cast.owen, hello), description="", now=NOW
        )
    assert bytes(key.digest) in {each.digest for each in standing(control_broker, hello).keys}


def test_a_revoked_key_is_out_of_the_next_route(
    cast, hello, control_broker, django_capture_on_commit_callbacks
):
    facts = selectors.facts(cast.owen, hello)
    with django_capture_on_commit_callbacks(execute=True):
        key, _ = keys.add_key(actor=cast.owen, endpoint=hello, facts=facts, description="", now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        keys.revoke_key(actor=cast.owen, key=key, facts=facts, now=NOW)
    assert bytes(key.digest) not in {each.digest for each in standing(control_broker, hello).keys}


# --- newest wins ------------------------------------------------------------------------------------------------


def test_an_older_route_never_replaces_a_newer_one(hello, control_broker, monkeypatch):
    """A process built its route, was frozen, and writes it after somebody else wrote a newer one."""
    old = routing.build([hello.pk])
    stale(hello)
    routing.publish([hello.pk])
    newest, count = standing(control_broker, hello).version, changes(control_broker)
    monkeypatch.setattr(routing, "build", lambda ids: old)
    routing.publish([hello.pk])
    assert standing(control_broker, hello).version == newest
    assert changes(control_broker) == count, "and nobody is told of a change"


def test_the_same_route_again_is_no_change(hello, control_broker):
    routing.publish([hello.pk])
    before = changes(control_broker)
    routing.publish([hello.pk])
    assert changes(control_broker) == before


def test_every_change_is_counted_logged_and_told(hello, control_broker):
    with control_broker.pubsub(ignore_subscribe_messages=True) as told:
        told.subscribe(wire.NUDGE)
        told.get_message(timeout=1)
        routing.publish([hello.pk])
        assert control_broker.zscore(wire.LOG, str(hello.pk)) == changes(control_broker) == 1
        assert told.get_message(timeout=1)["data"] == b"1"


def test_without_a_broker_a_change_waits_for_the_publisher(hello, control_broker, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(enqueue, "_client", redis.Redis.from_url("unix:///nowhere.sock", retry=None))
        assert routing.publish([hello.pk]) is False
        assert routing.publish([hello.pk]) is False, "for a second nobody even asks"
    enqueue._paused_until = 0.0
    routing.look()
    assert standing(control_broker, hello).name == "hello"


# --- the whole table --------------------------------------------------------------------------------------------


def test_the_marker_names_incarnation_and_broker_run_and_comes_last(hello, control_broker, monkeypatch):
    seen = []
    whole = routing._publish_all
    monkeypatch.setattr(
        routing, "_publish_all", lambda: (seen.append(control_broker.get(wire.MARKER)), whole())
    )
    routing.look()
    run = control_broker.info("server")["run_id"]
    assert seen == [None]
    assert control_broker.get(wire.MARKER).decode() == f"1:{run}"
    assert control_broker.hlen(wire.ROUTES) == 1


def test_a_look_at_a_complete_table_publishes_only_what_is_behind(cast, hello, control_broker):
    routing.look()
    other = cast.bare_endpoint()
    before = changes(control_broker)
    routing.look()
    assert changes(control_broker) == before + 1
    assert standing(control_broker, other).version == 1
    routing.look()
    assert changes(control_broker) == before + 1


def test_an_emptied_broker_gets_everything_again(cast, hello, control_broker):
    routing.look()
    control_broker.flushall()
    routing.look()
    assert control_broker.hlen(wire.ROUTES) == 1
    assert control_broker.exists(wire.MARKER)


def test_a_broker_that_is_emptied_while_it_is_filled_is_not_called_complete(
    hello, control_broker, monkeypatch
):
    whole = routing._publish_all
    with monkeypatch.context() as while_filling:
        while_filling.setattr(routing, "_publish_all", lambda: (whole(), control_broker.flushall()))
        routing.look()
    assert control_broker.exists(wire.MARKER) == 0
    routing.look()
    assert (control_broker.exists(wire.MARKER), control_broker.hlen(wire.ROUTES)) == (1, 1)


def test_another_run_of_the_broker_is_filled_before_it_is_marked(hello, control_broker):
    routing.look()
    with brokers.embedded() as second, second.client() as client, speaking_to(second.celery_url, client):
        client.set(wire.MARKER, control_broker.get(wire.MARKER))  # its file was a copy of the first one's
        routing.look()
        run = client.info("server")["run_id"]
        assert client.get(wire.MARKER).decode() == f"1:{run}"
        assert standing(client, hello).name == "hello"


def restore(endpoint: Endpoint) -> None:
    """The database of the day before: versions lower than the broker's."""
    Endpoint.objects.filter(pk=endpoint.pk).update(route_version=1, published_version=1, name="as it was")


def test_a_restored_databases_rows_count_although_their_versions_are_lower(hello, control_broker):
    for _ in range(5):
        stale(hello)
    routing.look()
    restore(hello)
    mint_incarnation(above=1)
    routing.look()
    assert standing(control_broker, hello).name == "as it was"
    assert control_broker.get(wire.MARKER).startswith(b"2:")


def test_two_builders_of_a_new_incarnation_empty_the_table_once(cast, hello, control_broker, monkeypatch):
    """The second has read the old marker already when the first is done."""
    routing.look()
    mint_incarnation(above=1)
    ask, old = routing._ask, routing._ask(control_broker)
    routing.look()
    with monkeypatch.context() as late:
        late.setattr(routing, "_ask", lambda broker: old)
        late.setattr(routing, "_publish_all", lambda: None)
        routing.look()
    assert ask(control_broker)[1].startswith(b"2:")
    assert standing(control_broker, hello).name == "hello"


def test_even_before_a_new_incarnation_a_restored_row_goes_above_the_broker(cast, hello, control_broker):
    for _ in range(5):
        stale(hello)
    routing.look()
    restore(hello)
    stale(hello)
    routing.look()
    routing.look()
    hello.refresh_from_db()
    assert standing(control_broker, hello).name == "as it was"
    assert hello.published_version == hello.route_version


def test_publishing_a_page_costs_the_same_queries_however_many(
    cast, control_broker, django_assert_num_queries
):
    for _ in range(4):
        cast.endpoint(instances=2)
    ids = list(Endpoint.objects.values_list("pk", flat=True))
    with django_assert_num_queries(3):
        assert len(routing.build(ids[:1])) == 1
    with django_assert_num_queries(3):
        assert len(routing.build(ids)) == 4
    Instance.objects.update(state="ready", node=cast.node(), host="127.0.0.1", port=9001)
    with django_assert_num_queries(5):
        assert len(routing.build(ids[:1])) == 1
    with django_assert_num_queries(5):
        assert [len(route.upstreams) for route in routing.build(ids)] == [2, 2, 2, 2]


def test_a_frozen_broker_holds_a_change_up_for_a_second_at_most(
    cast, hello, django_capture_on_commit_callbacks
):
    with brokers.embedded() as frozen:
        client = redis.Redis.from_url(frozen.url, **enqueue.TIMEOUTS)
        with speaking_to(frozen.celery_url, client):
            frozen.process.send_signal(signal.SIGSTOP)
            try:
                begun = time.monotonic()
                with django_capture_on_commit_callbacks(execute=True):
                    services.stop_endpoint(actor=cast.owen, endpoint=hello, now=NOW)
                assert time.monotonic() - begun < 2.5
            finally:
                frozen.process.send_signal(signal.SIGCONT)
