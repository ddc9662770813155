"""Many creates at once through the REST API, with one idempotency key and with one each, on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Q

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from scheduler import placing
from scheduler.models import Allocation, Instance, Node, Rdu
from studio.repeats.models import Answered
from tests.doors.rest.conftest import Answer, Rest
from tests.support.cast import control_broker

__all__ = ["control_broker"]

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("hub", "demo", "control_broker"),
]

# Two hundred take a minute.
many_at_once = pytest.mark.parametrize("many", [20, pytest.param(200, marks=pytest.mark.soak)])
WISH = {"project": "demo", "model_checkpoint": "Help", "rdu_arch": "SN40L"}


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """`act` on as many threads with a connection each, let go at once."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(60)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=110))


@many_at_once
def test_one_key_makes_one_endpoint(rest: Rest, many: int) -> None:
    owen = rest.owen.saying(idempotency_key="once")
    answers: list[Answer] = together(
        many, lambda number: owen.post("/api/endpoints", WISH | {"endpoint_name": "hello"})
    )
    assert {answer.status for answer in answers} == {200}
    assert all(answer.json == answers[0].json for answer in answers)
    counts = [rows.objects.count() for rows in (Endpoint, ApiKey, Instance, Answered)]
    assert counts == [1, 1, 1, 1]


def test_one_key_and_a_refused_first_one_makes_one_endpoint(rest: Rest) -> None:
    """Whoever waited for one that was refused does it itself: no answer of nothing, and no second endpoint."""
    owen = rest.owen.saying(idempotency_key="once")
    wishes = [
        WISH | {"endpoint_name": "hello"} | ({"model_version": 9} if number % 2 else {})
        for number in range(40)
    ]
    answers = together(40, lambda number: owen.post("/api/endpoints", wishes[number]))
    assert {answer.status for answer in answers[::2]} == {200}
    assert {answer.status for answer in answers[1::2]} <= {400, 422}
    assert Endpoint.objects.count() == 1


@many_at_once
def test_as_many_keys_make_as_many_endpoints_and_no_rdu_is_held_twice(rest: Rest, many: int) -> None:
    width = 128 if many > 128 else 8  # beside the eight of another node: some have to wait
    node = Node.objects.create(
        name="sn40l-wide",
        generation_id="SN40L",
        width=width,
        free=width,
        virtual=True,
        state="ready",
        sealed_token=b"",
    )
    Rdu.objects.bulk_create(Rdu(node=node, index=index) for index in range(width))

    def create(number: int) -> int:
        owen = rest.owen.saying(idempotency_key=f"key-{number}")
        status = owen.post("/api/endpoints", WISH | {"endpoint_name": f"hello {number}"}).status
        if number % (many // 10) == 0:
            placing.place_pending("SN40L")
        return status

    assert set(together(many, create)) == {200}
    assert Endpoint.objects.count() == many
    placing.place_pending("SN40L")
    held = Allocation.objects.filter(released_at=None)
    assert held.count() == held.values("rdu").distinct().count() == 8 + width
    assert Instance.objects.filter(state="awaiting").count() == many - 8 - width
    live = Count("rdus__allocations", filter=Q(rdus__allocations__released_at=None))
    assert all(node.free + node.held == node.width for node in Node.objects.annotate(held=live))
