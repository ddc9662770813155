"""Endpoints that have to wait: why, until when, and what those see that get only some of their instances."""

import time
from collections.abc import Iterator

import pytest

from tests.support.desk import Desk, Endpoint
from tests.support.oracle import Oracle
from tests.support.platform import Platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def desk(up: Platform) -> Iterator[Desk]:
    """Only hello is there before, with one of the sixteen SN40L RDUs; nothing else is left behind."""
    made = Desk(up)
    made.until(made.hello(), "Live")
    yield made
    Oracle(up).agrees()


def test_an_instance_wider_than_every_node_waits_and_says_so(desk: Desk) -> None:
    wide = desk.create("wide", rdus=16)
    assert "Awaiting RDU" in wide["warnings"][0]
    desk.until(wide, "AwaitingRDU")
    (wait,) = desk.info(wide)["waiting"]
    assert wait["reason"] == "too_wide"
    assert wait["sentence"].startswith(
        "No SN40L node is wide enough: it needs 16 RDUs in a single node, the widest has 8."
    )
    refused = desk.predict(wide)
    assert refused == 503
    desk.delete(wide)


def test_what_waits_goes_live_when_another_endpoint_stops(desk: Desk) -> None:
    """All eight RDUs of the one SN30 node are taken, then stopped."""
    holder = desk.create("holder", arch="SN30", rdus=8)
    desk.until(holder, "Live")
    waiter = desk.create("waiter", arch="SN30", rdus=8)
    desk.until(waiter, "AwaitingRDU")
    (wait,) = desk.info(waiter)["waiting"]
    assert wait["sentence"].startswith("Nothing is free: it needs 8 RDUs in a single node, all 8 SN30 RDUs")

    desk.stop(holder)
    stopped = desk.until(holder, "Stopped")
    seconds = desk.until(waiter, "Live")
    print(f"waiting ended {seconds:.1f} s after the other had stopped, which took {stopped:.1f} s")
    assert seconds <= 5
    desk.until_it_answers(waiter)
    desk.delete(waiter)
    desk.delete(holder)


def test_some_of_forty_instances_run_and_each_other_says_why_not(up: Platform, desk: Desk) -> None:
    many = desk.create("many", instances=40)
    begun = time.monotonic()
    eventually(lambda: desk.info(many)["instances_ready"] == 15, timeout=120, every=0.5, what="15 run")
    print(f"15 of 40 instances ready after {time.monotonic() - begun:.1f} s")
    shown = desk.info(many)
    assert shown["status"] == "Live"
    assert (shown["instances_ready"], shown["instances_wanted"]) == (15, 40)
    waiting = shown["waiting"]
    assert len(waiting) == 25
    assert sorted(wait["position"] for wait in waiting) == list(range(1, 26))
    assert all(wait["sentence"].startswith("Nothing is free: it needs 1 RDU") for wait in waiting)
    assert len({wait["instance"] for wait in waiting}) == 25
    until_it_rests(up)
    desk.delete(many)


def until_it_rests(up: Platform) -> None:
    Oracle(up).agrees(90)


def created_and_live(desk: Desk, name: str) -> tuple[Endpoint, float]:
    begun = time.monotonic()
    made = desk.create(name)
    desk.until(made, "Live")
    return made, time.monotonic() - begun


def test_a_new_endpoint_is_live_within_seconds(desk: Desk) -> None:
    made, seconds = created_and_live(desk, "quick")
    print(f"Live {seconds:.1f} s after Create")
    desk.delete(made)
    assert seconds <= 10
