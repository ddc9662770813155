"""The audit's chains: what is committed is sealed in its place, and whatever is changed afterwards is found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio import keyring, seal
from studio.audit import sealing
from studio.audit.models import Chain, Event, Ledger, every_way
from studio.audit.services import record
from studio.tenants.models import Organization, Tenant
from studio.tenants.rules import STUDIO
from tests.support.audits import unguarded

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
ONE, OTHER = UUID(int=1), UUID(int=2)
TENANTS = (ONE, OTHER, None)


def write(tenant: UUID | None, many: int = 1, **facts: Any) -> list[Event]:
    told = {"changes": {"name": ["a", "b"], "share": [0.5, 1.0]}} | facts
    return [
        record(STUDIO, "edit", "endpoint", uuid4(), f"n{number}", tenant=tenant, role="platform", **told)
        for number in range(many)
    ]


@pytest.fixture
def sealed() -> list[Event]:
    """Five rows of each chain, sealed."""
    for _ in range(5):
        for tenant in TENANTS:
            write(tenant)
    assert sealing.seal() == 15
    return list(Event.objects.order_by("id"))


def findings(chain: str | None = None) -> list[sealing.Finding]:
    return list(sealing.verify(chain=chain))


def places(tenant: UUID | None) -> list[int | None]:
    return list(Event.objects.filter(tenant_id=tenant).order_by("id").values_list("position", flat=True))


def test_every_tenant_and_the_platform_have_a_chain_of_their_own(sealed: list[Event]) -> None:
    assert [places(tenant) for tenant in TENANTS] == [[1, 2, 3, 4, 5]] * 3
    assert findings() == []
    assert sealing.seal() == 0, "twice is the same as once"
    write(ONE)
    assert sealing.seal() == 1
    assert (places(ONE)[-1], findings()) == (6, [])


def test_many_rows_are_sealed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    monkeypatch.setattr(sealing, "AT_ONCE", 2)
    write(ONE, 10)
    assert sealing.seal() == 10
    assert findings() == []


def test_rows_sealed_with_an_earlier_key_hold_as_long_as_it_is_in_the_ring(
    sealed: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = keyring.audit_seal(), seal.ring(seal.new_key())
    monkeypatch.setattr(keyring, "audit_seal", lambda: [*new, *old])
    write(ONE)
    sealing.seal()
    assert findings() == []
    monkeypatch.setattr(keyring, "audit_seal", lambda: new)
    assert {finding.position for finding in findings(ONE.hex)} == {1, 2, 3, 4, 5}


# ----- whatever is changed is found -----------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "at": datetime(2020, 1, 1, tzinfo=UTC), "actor_id": UUID(int=9), "actor_name": "x", "role": "x", "address": "x",
    "request_id": "x", "verb": "x", "thing_type": "x", "thing_id": UUID(int=9), "thing_name": "x",
    "changes": {"name": ["a", "c"]}, "open_until": NOW, "mark": b"m" * 48, "seal": b"s" * 32, "id": 10**6,
    "position": 99,
}  # fmt: skip


def set_one(row: Event, **facts: Any) -> None:
    every_way().filter(pk=row.pk).update(**facts)


def change(field: str) -> Callable[[list[Event], int], None]:
    return lambda rows, at: set_one(rows[at], **{field: VALUES[field]})


def remove(rows: list[Event], at: int) -> None:
    every_way().filter(pk=rows[at].pk).delete()


def to_another_tenant(rows: list[Event], at: int) -> None:
    set_one(rows[at], tenant_id=UUID(int=3))


def exchange(rows: list[Event], at: int) -> None:
    """Two rows of a chain change places, with their seals."""
    mine = [row for row in rows if row.tenant_id == rows[at].tenant_id]
    one, other = rows[at], next(row for row in mine if row.pk != rows[at].pk)
    set_one(one, position=1000)
    set_one(other, position=one.position, seal=one.seal)
    set_one(one, position=other.position, seal=other.seal)


def insert(rows: list[Event], at: int) -> None:
    """A row like this one, by somebody who knows everything but the key."""
    copy = Event.objects.get(pk=rows[at].pk)
    copy.pk, copy.position, copy.seal, copy.mark = None, None, None, seal.new_key().encode()[:48]
    copy._state.adding = True
    copy.save()


def insert_behind(rows: list[Event], at: int) -> None:
    insert(rows, at)
    every_way().filter(position=None).update(position=6, seal=rows[at].seal)


def insert_and_wait(rows: list[Event], at: int) -> None:
    insert(rows, at)
    sealing.seal()


def copy_in_its_place(rows: list[Event], at: int) -> None:
    """The neighbour is overwritten with this row, so that nothing seems to be missing."""
    mine = [row for row in rows if row.tenant_id == rows[at].tenant_id and row.pk != rows[at].pk]
    copied = {name: getattr(rows[at], name) for name in ("thing_id", "thing_name", "changes")}
    set_one(mine[0], **copied)


def cut_off(rows: list[Event], at: int) -> None:
    """The last row, with the end of its chain set back to the row before it."""
    mine = [row for row in rows if row.tenant_id == rows[at].tenant_id]
    every_way().filter(pk=mine[-1].pk).delete()
    ends = Chain.objects.filter(name=mine[-1].tenant_id.hex if mine[-1].tenant_id else "")
    ends.update(position=4, seal=mine[-2].seal)


def remove_chain(rows: list[Event], at: int) -> None:
    tenant = rows[at].tenant_id
    every_way().filter(tenant_id=tenant).delete()
    Chain.objects.filter(name=tenant.hex if tenant else "").delete()


def move_anchor(rows: list[Event], at: int) -> None:
    """The oldest rows, as if retention had removed them."""
    mine = [row for row in rows if row.tenant_id == rows[at].tenant_id]
    every_way().filter(pk=mine[0].pk).delete()
    ends = Chain.objects.filter(name=mine[0].tenant_id.hex if mine[0].tenant_id else "")
    ends.update(kept_from=2, anchor=mine[0].seal)


def end_otherwise(rows: list[Event], at: int) -> None:
    Ledger.objects.update(mac=b"m" * 32)


MUTATIONS = {
    **{f"change {field}": change(field) for field in VALUES},
    **{
        deed.__name__: deed
        for deed in (
            remove, to_another_tenant, exchange, insert, insert_behind, insert_and_wait, copy_in_its_place, cut_off,
            remove_chain, move_anchor, end_otherwise,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_it_is_found(mutation: str, sealed: list[Event]) -> None:
    with unguarded():
        MUTATIONS[mutation](sealed, 3)
    assert findings() != []


@given(mutation=st.sampled_from(sorted(MUTATIONS)), at=st.integers(0, 14))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_mutation_of_any_row_is_found(sealed: list[Event], mutation: str, at: int) -> None:
    with transaction.atomic():
        with unguarded():
            MUTATIONS[mutation](sealed, at)
            found = findings()
        transaction.set_rollback(True)
    assert found != []


@pytest.mark.parametrize(
    ("mutation", "said"),
    [
        ("change verb", "row 2 (id {}) was changed"),
        ("change at", "row 2 (id {}) does not follow the row before it"),
        ("remove", "row 2 is missing"),
        ("insert_behind", "row 6 (id {}) was inserted behind the end"),
    ],
)
def test_it_says_which_row_of_which_chain(mutation: str, said: str, sealed: list[Event]) -> None:
    row = sealed[3]
    with unguarded():
        MUTATIONS[mutation](sealed, 3)
    newest = Event.objects.order_by("-id").values_list("pk", flat=True)[0]
    found = [finding for finding in findings() if finding.position]
    assert {finding.chain for finding in found} == {ONE.hex}
    assert found[0].what.startswith(said.format(newest if "insert" in mutation else row.pk))


def test_one_changed_row_accuses_no_other(sealed: list[Event]) -> None:
    with unguarded():
        set_one(sealed[3], verb="stop")
    assert [finding.row for finding in findings()] == [sealed[3].pk]
    assert findings(OTHER.hex) == []


# ----- retention ------------------------------------------------------------------------------------------


def age(rows: list[Event], days: int) -> None:
    """As if they had been written so long ago, before they were sealed."""
    with unguarded():
        every_way().filter(pk__in=[row.pk for row in rows]).update(at=NOW - timedelta(days=days))


@pytest.fixture
def aged() -> None:
    for tenant in TENANTS:
        age(write(tenant, 4), 40)
        age(write(tenant, 3), 5)
    sealing.seal()


def test_what_is_too_old_goes_and_the_rest_still_follows(aged: None) -> None:
    assert sealing.forget(days=0, now=NOW) == 0
    assert sealing.forget(days=30, now=NOW) == 12
    assert [places(tenant) for tenant in TENANTS] == [[5, 6, 7]] * 3
    assert findings() == []
    assert sealing.forget(days=30, now=NOW) == 0
    write(ONE)
    sealing.seal()
    assert (places(ONE), findings()) == ([5, 6, 7, 8], [])
    with unguarded():
        every_way().filter(tenant_id=ONE, position=5).delete()
    assert [finding.what for finding in findings()] == ["row 5 is missing"]


def test_everything_may_be_too_old(aged: None) -> None:
    assert sealing.forget(days=1, now=NOW) == 21
    assert (Event.objects.count(), findings()) == (0, [])
    write(ONE)
    sealing.seal()
    assert (places(ONE), findings()) == ([8], [])


def test_it_goes_in_batches_and_none_that_is_not_sealed(aged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 2)
    monkeypatch.setattr(sealing, "MOST_BATCHES", 1)
    age(write(ONE), 100)
    assert sealing.forget(days=30, now=NOW) == 6
    assert (places(ONE), findings()) == ([3, 4, 5, 6, 7, None], [])


def test_a_gap_is_not_forgotten_before_it_is_found(aged: None) -> None:
    with unguarded():
        every_way().filter(tenant_id=ONE, position=2).delete()
    sealing.forget(days=30, now=NOW)
    assert places(ONE) == [3, 4, 5, 6, 7]
    assert [finding.what for finding in findings()] == ["row 2 is missing"]


def test_retention_that_goes_on_meanwhile_is_no_finding(aged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "AT_ONCE", 2)
    looking = sealing.verify(chain=ONE.hex)
    snapshot = sealing._snapshot

    def then_forget() -> Any:
        taken = snapshot()
        sealing.forget(days=30, now=NOW)
        return taken

    monkeypatch.setattr(sealing, "_snapshot", then_forget)
    assert list(looking) == []


# ----- the command ----------------------------------------------------------------------------------------


def say(*words: str) -> str:
    printed = StringIO()
    call_command("audit", "verify", *words, stdout=printed)
    return printed.getvalue()


def test_the_command_says_what_it_looked_at_or_what_is_wrong(sealed: list[Event]) -> None:
    assert say() == "The audit stands as it was written: 15 sealed rows in 3 chains, 0 not sealed yet.\n"
    Tenant.objects.create(pk=ONE, name="default", organization=Organization.objects.create(name="Studio"))
    with unguarded():
        set_one(sealed[3], verb="stop")
    printed = StringIO()
    with pytest.raises(CommandError, match="does not stand") as refused:
        call_command("audit", "verify", stdout=printed)
    assert refused.value.returncode == 1
    assert printed.getvalue().startswith("default: row 2 ")
    with pytest.raises(CommandError, match="does not stand"):
        say("--tenant", "default")
    with pytest.raises(CommandError, match="There is no tenant 'x'"):
        say("--tenant", "x")


def test_an_older_state_of_the_database_is_found_by_the_ends_that_were_noted(
    sealed: list[Event], tmp_path: Path
) -> None:
    heads = tmp_path / "heads.json"
    before = {chain.pk: (chain.position, chain.seal) for chain in Chain.objects.all()}
    mac = Ledger.objects.get().mac
    write(ONE)
    sealing.seal()
    say("--heads", str(heads))
    assert json.loads(heads.read_text())[ONE.hex][0] == 6
    say("--heads", str(heads))
    with unguarded():
        every_way().filter(position=6).delete()
    for name, (position, last) in before.items():
        Chain.objects.filter(pk=name).update(position=position, seal=last)
    Ledger.objects.update(mac=mac)
    say()
    with pytest.raises(CommandError, match="does not stand"):
        say("--heads", str(heads))
