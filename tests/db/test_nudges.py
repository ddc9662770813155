"""Nudges go to the broker after the commit, one at a time per subject, and never hold anybody up."""

import json

import pytest
import redis
from django.db import transaction

from studio import enqueue


def sent(broker: redis.Redis, queue: str) -> list[tuple[str, str]]:
    """(task, subject) of what waits in a queue."""
    found = [json.loads(raw) for raw in broker.lrange(queue, 0, -1)]
    return [(each["headers"]["task"], each["headers"]["argsrepr"]) for each in found]


def test_a_nudge_is_a_task_by_name_with_one_id(control_broker):
    assert enqueue.nudge("scheduler.tasks.place", "SN40L", queue="placement")
    assert sent(control_broker, "placement") == [("scheduler.tasks.place", "['SN40L']")]


def test_one_nudge_per_subject_is_on_its_way_until_it_is_begun(control_broker):
    for _ in range(3):
        assert enqueue.nudge("t", "one", queue="q")
    enqueue.nudge("t", "two", queue="q")
    assert control_broker.llen("q") == 2
    enqueue.begun("t", "one")
    enqueue.nudge("t", "one", queue="q")
    assert control_broker.llen("q") == 3


def test_a_nudge_whose_worker_died_blocks_its_subject_for_seconds_only(control_broker):
    enqueue.nudge("t", "one", queue="q")
    assert 0 < control_broker.ttl("nudged:t:one") <= enqueue.OUTSTANDING_SECONDS


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_for_what_was_rolled_back(control_broker):
    with transaction.atomic():
        enqueue.nudge_placement("SN40L")
        transaction.set_rollback(True)
    assert control_broker.llen("placement") == 0
    with transaction.atomic():
        enqueue.nudge_placement("SN40L")
        enqueue.nudge_driving("n1")
        enqueue.nudge_converging("e")
        assert control_broker.llen("placement") == 0
    assert control_broker.llen("placement") == 1
    assert control_broker.llen("driving") == 2


def test_without_a_broker_the_first_nudge_fails_and_for_a_second_nobody_asks(control_broker, monkeypatch):
    asked = []

    class Gone:
        def set(self, *args, **kwargs):
            asked.append(args)
            raise redis.ConnectionError

        def delete(self, *args):
            raise redis.ConnectionError

    with monkeypatch.context() as away:
        away.setattr(enqueue, "_client", Gone())
        assert not enqueue.nudge("t", "one", queue="q")
        assert not enqueue.nudge("t", "two", queue="q")
        assert not enqueue.wake("q", "t")
        enqueue.begun("t", "one")
    assert len(asked) == 1
    assert enqueue.resting()
    monkeypatch.setattr(enqueue, "_paused_until", 0.0)
    assert enqueue.nudge("t", "one", queue="q")
