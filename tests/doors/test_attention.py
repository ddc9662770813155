"""The desk's home page: each thing that needs attention with its way out, and nothing where all is well."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from endpoints.models import Endpoint
from scheduler.models import Demand, Instance, Placement, Sweep
from scheduler.rules import WAITING_SENTENCES
from studio.beat import app as beat
from studio.desk import attention
from studio.doctor.rules import SWEEPS
from tests.doors.test_operators import signed_in
from tests.support.cast import Cast, control_broker

__all__ = ["control_broker"]


@pytest.fixture
def well(cast: Cast, control_broker: redis.Redis) -> Cast:
    """A node, an endpoint that is ready, and sweeps that ran just now."""
    endpoint = cast.bare_endpoint(route_version=1, published_version=1)
    node = cast.node("n1", wished_epoch=1)
    cast.instance(endpoint, state="ready", node=node, port=9000)
    Sweep.objects.bulk_create(Sweep(name=name, last=datetime.now(UTC)) for name in SWEEPS)
    return cast


def seen() -> dict[str, attention.Matter]:
    return {matter.code: matter for matter in attention.matters(datetime.now(UTC))}


def wait(cast: Cast, code: str) -> None:
    cast.instance(cast.bare_endpoint(published_version=1), state="awaiting", reason={"code": code})


def fail(cast: Cast) -> None:
    cast.instance(cast.bare_endpoint(published_version=1), state="failed")


AGES_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TROUBLES: dict[str, tuple[Callable[[Cast], object], str]] = {
    "waiting": (lambda cast: wait(cast, "none_free"), "1 instance on SN40L waits: too few RDUs are free"),
    "failing": (fail, "1 endpoint with 1 instance that failed."),
    "node-lost": (lambda cast: cast.node("n7", state="lost", wished_epoch=1), "1 node (n7): lost."),
    "node-suspect": (lambda cast: cast.node("n7", state="suspect", wished_epoch=1), "1 node (n7): suspect."),
    "node-returning": (lambda cast: cast.node("n7", state="returning", wished_epoch=1), "n7"),
    "node-joining": (
        lambda cast: cast.node("n7", state="joining", wished_epoch=1, created_at=AGES_AGO), "1 node (n7): joining.",
    ),
    "node-refused": (
        lambda cast: cast.node("n7", refusal="It serves one machine only.", wished_epoch=1),
        "The agent of n7 may not join. It serves one machine only.",
    ),
    "node-intruder": (
        lambda cast: cast.node("n7", intruder="another", wished_epoch=1), "A second agent claims to be n7",
    ),
    "node-untold": (lambda cast: cast.node("n7", epoch=3, wished_epoch=2), "the newest wish is not written yet"),
    "sweep": (
        lambda cast: Sweep.objects.filter(name="settle").update(last=AGES_AGO), "“settle” ran last at 2026-01-01",
    ),
    "routes": (
        lambda cast: Endpoint.objects.update(route_version=F("route_version") + 1), "1 endpoint changed",
    ),
    "plan": (lambda cast: Demand.objects.filter(pk="SN30").update(count=9), "SN30: there is something to plan."),
}  # fmt: skip


def test_where_all_is_well_the_page_says_so(well: Cast) -> None:
    page = signed_in(well.users["otto"]).get(reverse("admin:index")).content.decode()
    assert "All is well." in page
    assert seen() == {}


@pytest.mark.parametrize("code", list(TROUBLES))
def test_each_trouble_is_named_with_its_remedy_and_a_page_that_opens(well: Cast, code: str) -> None:
    make, sentence = TROUBLES[code]
    make(well)
    found = seen()
    assert list(found) == [code]
    assert sentence in found[code].sentence
    assert found[code].remedy.endswith(".")
    otto = signed_in(well.users["otto"])
    page = otto.get(reverse("admin:index")).content.decode()
    assert f'data-matter="{code}"' in page
    if found[code].link:
        assert otto.get(found[code].link).status_code == 200


def test_a_broker_that_is_away_is_the_first_thing_said(well: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    monkeypatch.setattr("studio.enqueue._client", nowhere)
    first, *_ = attention.matters(datetime.now(UTC))
    assert first.code == "broker"
    assert "ConnectionError" in first.sentence


@pytest.mark.parametrize(
    ("free", "low"), [(0, True), (attention.LOW_BYTES * 100, False), (attention.LOW_BYTES - 1, True)]
)
def test_a_full_disk_is_said_before_it_is_full(
    well: Cast, monkeypatch: pytest.MonkeyPatch, free: int, low: bool
) -> None:
    monkeypatch.setattr(attention, "disk", lambda folder: (attention.LOW_BYTES * 100, free))
    assert ("disk" in seen()) is low


def test_a_store_elsewhere_is_no_trouble(well: Cast, settings: Any) -> None:
    settings.CHECKPOINT_STORE = Path("/nowhere/at/all")
    assert "disk" not in seen()


def test_a_new_platform_has_time_for_its_first_sweeps(well: Cast) -> None:
    Sweep.objects.all().delete()
    MigrationRecorder.Migration.objects.update(applied=datetime.now(UTC))
    assert seen() == {}


def test_a_platform_that_never_ran_its_sweeps_has_none_of_them_well(
    cast: Cast, control_broker: redis.Redis
) -> None:
    MigrationRecorder.Migration.objects.update(applied=AGES_AGO)
    stale = [matter for matter in attention.matters(datetime.now(UTC)) if matter.code == "sweep"]
    assert len(stale) == len(SWEEPS)
    assert all("never ran" in matter.sentence for matter in stale)


def test_the_sweeps_are_those_that_beat_asks_for() -> None:
    """A new sweep: name it in `studio.doctor.rules.SWEEPS` too."""
    assert dict(SWEEPS) == {name: entry["schedule"] for name, entry in beat.conf.beat_schedule.items()}


def test_every_reason_to_wait_has_its_words() -> None:
    assert attention.WHY_WAITING.keys() - {""} == WAITING_SENTENCES.keys()


def test_the_page_takes_as_many_queries_however_much_is_wrong(well: Cast) -> None:
    otto = signed_in(well.users["otto"])
    otto.get(reverse("admin:index"))
    with CaptureQueriesContext(connection) as few:
        otto.get(reverse("admin:index"))
    for make, _ in TROUBLES.values():
        if "n7" not in (node.name for node in attention.Node.objects.all()):
            make(well)
    for number in range(20):
        well.node(f"lost-{number}", state="lost", refusal="no", intruder="me")
        fail(well)
        wait(well, "quota")
    Placement.objects.update(planned=0)
    with CaptureQueriesContext(connection) as many:
        page = otto.get(reverse("admin:index")).content.decode()
    assert "and 15 more" in page
    assert len(many) == len(few)
    assert len(many) <= 12


def test_what_a_tenant_named_is_not_on_it(well: Cast) -> None:
    endpoint = well.bare_endpoint(name="quarterly figures", route_version=2)
    well.instance(endpoint, state="failed", reason={"code": "crash", "sentence": "customer words"})
    Instance.objects.filter(endpoint=endpoint).update(log_tail=["customer words"])
    page = signed_in(well.users["otto"]).get(reverse("admin:index")).content.decode()
    assert "1 endpoint with 1 instance that failed." in page
    assert "quarterly" not in page
    assert "customer" not in page


def test_a_wait_says_since_when(well: Cast) -> None:
    wait(well, "fragmented")
    Instance.objects.filter(state="awaiting").update(created_at=datetime.now(UTC) - timedelta(days=2))
    assert "the oldest since" in seen()["waiting"].sentence
