"""The way of an endpoint through control: created, placed, driven, reported, stopped."""

from datetime import UTC, datetime

import pytest

from endpoints import rollouts, services
from scheduler import driver, placing
from scheduler.models import Allocation, Instance
from tests.support.cast import view_of
from tests.support.fleet import agent_of

pytestmark = pytest.mark.django_db


def now():
    return datetime.now(UTC)


def take(*agents):
    return driver.take_reports([agent.node for agent in agents])


def test_hello_goes_live_answers_and_stops(cast, control_broker):
    node = cast.node()
    agent = agent_of(control_broker, node)
    hello = cast.endpoint(instances=2, parameters={"model_parallel_rdus": 4})
    assert view_of(hello).status == "Setting Up"

    assert placing.place_pending("SN40L") == 2
    node.refresh_from_db()
    assert node.free == 0
    for seen in ("starting", "warming", "ready"):
        driver.drive_node(node.name)
        agent.hear()
        agent.say()
        assert take(agent) == 1
        assert {row.state for row in Instance.objects.all()} == {seen}
        agent.progress()
    assert (view_of(hello).status, view_of(hello).tally) == ("Live", "2 of 2 instances")

    services.stop_endpoint(actor=cast.owen, endpoint=hello, now=now())
    assert view_of(hello).status == "Stopping"
    driver.drive_node(node.name)
    agent.round()
    agent.say()
    take(agent)
    assert view_of(hello).status == "Stopped"
    node.refresh_from_db()
    assert node.free == 8
    assert not Allocation.objects.filter(released_at=None).exists()
    assert rollouts.unsettled() == []
