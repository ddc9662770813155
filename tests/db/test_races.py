"""Races between processes, on PostgreSQL: threads that start together at a barrier, many times over."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import close_old_connections, connection
from django.db.models import Count, Q

from apikeys import services as keys
from endpoints import rollouts, routing, selectors, services, wire
from endpoints.models import Endpoint
from scheduler import driver, listening, placing
from scheduler import services as nodes
from scheduler.models import Allocation, Demand, Instance, Node, Placement, Sweep
from studio import env, keyring, seal
from studio.errors import Conflict, Refusal
from tests.support.cast import make_cast
from tests.support.effort import examples
from tests.support.fleet import agent_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

TIMES = examples(8)  # all of them with `make postgres`


@pytest.fixture
def cast(transactional_db, control_broker):
    return make_cast()


def now() -> datetime:
    return datetime.now(UTC)


def together(*acts: Callable[[], object]) -> list[object]:
    """Each act on a thread and a connection of its own, started at once. An expected refusal is an answer."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            return act()
        except Refusal as refusal:
            return refusal
        finally:
            close_old_connections()
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(60) for future in [pool.submit(run, act) for act in acts]]


def counters_are_exact() -> None:
    live = Count("rdus__allocations", filter=Q(rdus__allocations__released_at=None))
    for node in Node.objects.annotate(held=live):
        assert node.free + node.held == node.width


# --- planners --------------------------------------------------------------------------------------------------


def test_two_planners_never_give_one_rdu_to_two(cast):
    for number in range(3):
        cast.node(f"n{number}", 4)
    for _ in range(TIMES):
        for _ in range(4):
            cast.endpoint(instances=2, parameters={"model_parallel_rdus": 1})
        together(*[lambda: placing.place_pending("SN40L")] * 3)
        counters_are_exact()
        assert Placement.objects.get(pk="SN40L").planned == Demand.objects.get(pk="SN40L").count
        placed = Instance.objects.filter(state="placed").count()
        assert placed == min(12, Instance.objects.count())
        assert Allocation.objects.filter(released_at=None).count() == placed


def test_without_the_lease_the_fence_and_the_counter_still_hold(cast):
    """Two planners that both believe to hold the lease write the same plan at once."""
    node = cast.node(width=4)
    for _ in range(TIMES):
        rows = list(cast.endpoint(instances=2, parameters={"model_parallel_rdus": 2}).rows.all())
        fence = placing._take_lease("SN40L", now())
        batch = [placing.planner.Placement(str(row.pk), node.name, row.rdus) for row in rows]
        answers = together(*[lambda f=fence, b=batch: placing.write_placements("SN40L", f, b)] * 2)
        assert sum(answers) == 2
        counters_are_exact()
        Placement.objects.update(held_until=None)
        release_all(rows)


def release_all(rows: list[Instance]) -> None:
    for row in rows:
        row.refresh_from_db()
    nodes.release(rows, now=now())
    Instance.objects.filter(pk__in=[row.pk for row in rows]).update(state="stopped", port=0)


def test_a_wish_raised_while_the_planner_ends_is_seen_by_somebody(cast):
    cast.node(width=64)
    for _ in range(TIMES):
        together(
            lambda: placing.place_pending("SN40L"),
            lambda: (cast.endpoint(), placing.place_pending("SN40L")),
            lambda: (cast.endpoint(), placing.place_pending("SN40L")),
        )
        assert not Instance.objects.filter(state="awaiting").exists()
    counters_are_exact()


def test_a_node_is_cordoned_while_something_is_placed_on_it(cast):
    for number in range(TIMES):
        node = cast.node(f"n{number}", 2)
        cast.endpoint(instances=2)
        together(
            lambda: placing.place_pending("SN40L"),
            lambda n=node: nodes.cordon_node(actor=cast.otto, node=n, now=now()),
        )
        counters_are_exact()
        node.refresh_from_db()
        assert node.state == "cordoned"


# --- one endpoint, many hands ------------------------------------------------------------------------------------


def test_two_converges_open_an_instance_once(cast):
    for _ in range(TIMES):
        endpoint = cast.bare_endpoint(instances=3)
        together(*[lambda e=endpoint: rollouts.converge(e.pk, now=now())] * 3)
        assert endpoint.rows.count() == 3


def test_two_edits_of_one_version_are_one_edit_and_one_conflict(cast):
    for number in range(TIMES):
        endpoint = cast.endpoint()
        edits = [services.Edit(description=f"{number} {n}", spec_version=1) for n in range(2)]
        answers = together(
            *[
                lambda e=edit, of=endpoint: services.update_endpoint(
                    actor=cast.owen, endpoint=of, edit=e, now=now()
                )
                for edit in edits
            ]
        )
        assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]


def test_one_name_is_created_once(cast):
    for number in range(TIMES):
        answers = together(*[lambda n=number: cast.endpoint(name=f"hello {n}")] * 3)
        assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True, True]


def test_stop_delete_and_edit_at_once_end_in_one_of_their_orders(cast):
    for number in range(TIMES):
        cast.node(f"n{number}", 4)
        endpoint = cast.endpoint(instances=2)
        together(
            lambda e=endpoint: services.stop_endpoint(actor=cast.owen, endpoint=e, now=now()),
            lambda e=endpoint: services.delete_endpoint(actor=cast.owen, endpoint=e, now=now()),
            lambda e=endpoint: services.update_endpoint(
                actor=cast.owen, endpoint=e, edit=services.Edit(instances=4), now=now()
            ),
            lambda: placing.place_pending("SN40L"),
        )
        rollouts.converge(endpoint.pk, now=now())
        assert set(endpoint.rows.values_list("state", flat=True)) <= {"stopped", "draining"}
        counters_are_exact()


# --- reports -----------------------------------------------------------------------------------------------------


def test_one_report_read_by_three_workers_is_taken_once(cast, control_broker):
    agent = agent_of(control_broker, cast.node())
    cast.endpoint()
    placing.place_pending("SN40L")
    for attempt in range(2, 6):
        driver.drive_node(agent.node)
        agent.hear()
        (running,) = agent.living()
        agent.crash(running)
        agent.say()
        taken = together(*[lambda: driver.take_reports([agent.node])] * 3)
        row = Instance.objects.get()
        assert sum(taken) == 1
        assert (row.attempt, row.crashes) == (attempt, attempt - 1)
        Instance.objects.update(retry_at=None)
        Node.objects.update(epoch=row.node.epoch + 1)


def test_an_edit_against_a_report_loses_neither(cast, control_broker):
    agent = agent_of(control_broker, cast.node(width=64))
    for number in range(TIMES):
        endpoint = cast.endpoint()
        placing.place_pending("SN40L")
        driver.drive_node(agent.node)
        for _ in range(3):
            agent.round()
        edit = services.Edit(model_version=1) if number % 2 else services.Edit(instances=2)
        together(
            lambda: driver.take_reports([agent.node]),
            lambda e=endpoint, d=edit: services.update_endpoint(
                actor=cast.owen, endpoint=e, edit=d, now=now()
            ),
            lambda: placing.place_pending("SN40L"),
        )
        for _ in range(3):
            placing.place_pending("SN40L")
            driver.drive_node(agent.node)
            for _ in range(4):
                agent.round()
            driver.take_reports([agent.node])
            rollouts.converge(endpoint.pk, now=now())
        endpoint.refresh_from_db()
        ready = endpoint.rows.filter(state="ready")
        assert {row.config_version for row in ready} == {endpoint.config_version}
        assert ready.count() == endpoint.instances
        counters_are_exact()


def test_a_report_against_lost_ends_in_one_of_both_orders(cast, control_broker):
    for number in range(TIMES):
        node = cast.node(f"n{number}", 2)
        agent = agent_of(control_broker, node)
        cast.endpoint()
        placing.place_pending("SN40L")
        driver.drive_node(node.name)
        agent.round()
        agent.say()
        node.refresh_from_db()
        together(
            lambda n=node: driver.take_reports([n.name]),
            lambda n=node: listening._change_state(n, "lost", 31.0, now()),
        )
        node.refresh_from_db()
        row = node.instances.get()
        assert (node.state == "lost") == (row.state == "lost")
        Node.objects.filter(pk=node.pk).update(state="cordoned")


def test_a_node_is_removed_while_its_report_is_taken(cast, control_broker):
    for number in range(TIMES):
        node = cast.node(f"n{number}", 2, state="suspect")
        Node.objects.filter(pk=node.pk).update(state="ready")
        cast.endpoint()
        placing.place_pending("SN40L")
        Node.objects.filter(pk=node.pk).update(state="lost")
        agent = agent_of(control_broker, node)
        agent.say()
        together(
            lambda n=node: nodes.remove_node(actor=cast.otto, node=n, now=now()),
            lambda n=node: driver.take_reports([n.name]),
        )
        counters_are_exact()
        node.refresh_from_db()
        if node.state == "removed":
            assert set(node.instances.values_list("state", flat=True)) == {"stopped"}
        Node.objects.filter(pk=node.pk).exclude(state="removed").update(state="cordoned")


def test_two_drivers_leave_the_newest_wish(cast, control_broker):
    node = cast.node()
    agent = agent_of(control_broker, node)
    for _ in range(TIMES):
        cast.endpoint(parameters={"model_parallel_rdus": 1})
        together(
            lambda: (placing.place_pending("SN40L"), driver.drive_node(node.name)),
            lambda: driver.drive_node(node.name),
            lambda: driver.drive_node(node.name),
        )
        driver.drive_node(node.name)
        node.refresh_from_db()
        wish = agent.hear()
        assert (wish.epoch, len(wish.instances)) == (node.epoch, node.instances.count())


# --- routes -------------------------------------------------------------------------------------------------------


def digests(broker, endpoint: Endpoint) -> set[bytes]:
    raw = broker.hget(wire.ROUTES, str(endpoint.pk))
    route = wire.unpack(raw, keyring.routes_seal(), seal.ring(env.secret("routes_verify").reveal()))
    endpoint.refresh_from_db()
    assert route.version == endpoint.route_version
    return {key.digest for key in route.keys}


def test_a_revoked_key_never_stands_in_the_newest_route(cast, control_broker):
    endpoint = cast.endpoint()
    facts = selectors.facts(cast.owen, endpoint)
    for number in range(TIMES):
        key, _ = keys.add_key(
            actor=cast.owen, endpoint=endpoint, facts=facts, description=str(number), now=now()
        )
        assert bytes(key.digest) in digests(control_broker, endpoint)
        together(
            lambda k=key: keys.revoke_key(actor=cast.owen, key=k, facts=facts, now=now()),
            lambda: routing.publish([endpoint.pk]),
            lambda: keys.add_key(actor=cast.owen, endpoint=endpoint, facts=facts, description="", now=now()),
            routing.look,
        )
        assert bytes(key.digest) not in digests(control_broker, endpoint)


def test_a_key_is_revoked_once(cast):
    endpoint = cast.endpoint()
    facts = selectors.facts(cast.owen, endpoint)
    key, _ = keys.add_key(actor=cast.owen, endpoint=endpoint, facts=facts, description="", now=now())
    answers = together(*[lambda: keys.revoke_key(actor=cast.owen, key=key, facts=facts, now=now())] * 3)
    assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True, True]


def test_publishers_that_rebuild_at_once_leave_a_whole_table(cast, control_broker):
    for _ in range(5):
        cast.endpoint()
    for _ in range(TIMES):
        control_broker.flushall()
        together(*[routing.look] * 3)
        assert control_broker.exists(wire.MARKER)
        assert control_broker.hlen(wire.ROUTES) == Endpoint.objects.count()


def test_a_sweep_is_claimed_by_one_of_many_beats(cast):
    for _ in range(TIMES):
        Sweep.objects.all().delete()
        assert sum(together(*[lambda: listening.claim_sweep("mend", 60, now())] * 4)) == 1
        Sweep.objects.update(last=datetime(2024, 1, 1, tzinfo=UTC))
        assert sum(together(*[lambda: listening.claim_sweep("mend", 60, now())] * 4)) == 1
