"""The chains of the audit: sealing what is committed, looking whether all still stands, removing what is too old.

Ids come from a sequence and are committed in any order, so a row's place in its chain is given here: whatever is
committed and has none gets the next ones. A row that is committed late follows rows with greater ids, and nobody has
to know what other transactions may still do. Whoever changes a chain holds the ledger's row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from studio import keyring
from studio.audit import rules
from studio.audit.models import Chain, Event, Ledger, every_way
from studio.unit import unit_of_work

BATCH = 500  # rows of one transaction
MOST_BATCHES = 40  # of one sweep; the next one goes on
AT_ONCE = 2000  # rows that are read at once


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written. `chain`: the tenant's id, nothing for the platform's own."""

    chain: str
    position: int | None
    row: int | None
    what: str


@dataclass(slots=True)
class Verified:
    """What `verify` has seen so far."""

    chains: int = 0
    rows: int = 0
    unsealed: int = 0


# ----- sealing --------------------------------------------------------------------------------------------


def seal() -> int:
    """The sweep: every committed row gets its place and its seal. Returns how many."""
    sealed = 0
    for _ in range(MOST_BATCHES):
        if not _unsealed().exists():
            break
        done = _seal_batch()
        sealed += done
        if done < BATCH:
            break
    return sealed


def _unsealed() -> QuerySet[Event]:
    return every_way().filter(position=None).order_by("id")


@unit_of_work
def _seal_batch() -> int:
    keys, ledger = keyring.audit_seal(), _locked_ledger()
    rows = list(_unsealed()[:BATCH])
    chains: dict[str, Chain] = {}
    for row in rows:
        name = _chain_of(row.tenant_id)
        chain = chains.get(name) or _chain(name)
        chains[name] = chain
        row.position = chain.position + 1
        row.seal = rules.new_seal(keys, bytes(chain.seal), _facts(row))
        chain.position, chain.seal = row.position, row.seal
    every_way().bulk_update(rows, ["position", "seal"], batch_size=100)
    for chain in chains.values():
        chain.save()
    if rows:
        _close(ledger, keys)
    return len(rows)


def _chain(name: str) -> Chain:
    begin = {"seal": rules.GENESIS, "anchor": rules.GENESIS}
    return Chain.objects.get_or_create(name=name, defaults=begin)[0]


def _chain_of(tenant: UUID | None) -> str:
    return tenant.hex if tenant else ""


def _facts(row: Event) -> dict[str, Any]:
    return {name: getattr(row, name) for name in rules.ROW}


def _locked_ledger() -> Ledger:
    Ledger.objects.get_or_create(pk=1)
    return Ledger.objects.select_for_update().get(pk=1)


def _close(ledger: Ledger, keys: Sequence[bytes]) -> None:
    ledger.mac = rules.new_ledger(keys, _heads(Chain.objects.all()))
    ledger.save(update_fields=["mac"])


def _heads(chains: Sequence[Chain] | QuerySet[Chain]) -> list[rules.Head]:
    return [
        (chain.name, chain.position, bytes(chain.seal), chain.kept_from, bytes(chain.anchor))
        for chain in chains
    ]


# ----- retention ------------------------------------------------------------------------------------------


def forget(*, days: int, now: datetime) -> int:
    """The sweep: sealed rows that are older go, oldest first; 0 days keep all. Returns how many.

    The chain's anchor moves behind them in the same transaction, so what is kept still follows from it.
    """
    if not days:
        return 0
    forgotten, before = 0, now - timedelta(days=days)
    for name in list(Chain.objects.values_list("name", flat=True)):
        for _ in range(MOST_BATCHES):
            gone = _forget_batch(name, before)
            forgotten += gone
            if gone < BATCH:
                break
    return forgotten


@unit_of_work
def _forget_batch(name: str, before: datetime) -> int:
    ledger = _locked_ledger()
    chain = Chain.objects.get(pk=name)
    kept = _sealed(name).filter(position__gte=chain.kept_from).order_by("position")
    old: list[tuple[int, bytes]] = []
    for position, at, own_seal in kept.values_list("position", "at", "seal")[:BATCH]:
        # Over a gap no anchor is laid: it has to be found.
        if at >= before or position != chain.kept_from + len(old):
            break
        old.append((position, bytes(own_seal or b"")))
    if not old:
        return 0
    last, chain.anchor = old[-1]
    chain.kept_from = last + 1
    chain.save()
    every_way().filter(tenant_id=chain.tenant_id, position__lte=last).delete()
    _close(ledger, keyring.audit_seal())
    return len(old)


def _sealed(name: str) -> QuerySet[Event]:
    tenant = UUID(name) if name else None
    return every_way().filter(tenant_id=tenant, position__isnull=False)


# ----- looking --------------------------------------------------------------------------------------------


def verify(*, chain: str | None = None, seen: Verified | None = None) -> Iterator[Finding]:
    """Everything that is not as it was written, chain by chain; rows are read some at a time.

    `chain`: that one only. It may run beside everything else: what is sealed meanwhile is left for the next time.
    """
    seen = seen if seen is not None else Verified()
    keys = keyring.audit_seal()
    heads, mac, beyond = _snapshot()
    if heads and not rules.is_ledger(keys, _heads(heads), mac):
        yield Finding(
            "", None, None, "the list of chains and their ends was changed, or is older than its rows"
        )
    yield from _without_chain({head.name for head in heads})
    for head in heads:
        if chain in (None, head.name):
            seen.chains += 1
            yield from _verify_chain(head, keys, seen)
            for row in beyond.get(head.name, []):
                yield _found(head, row, "was inserted behind the end of its chain")
    yield from _verify_unsealed(keys, seen, chain)


@unit_of_work
def _snapshot() -> tuple[list[Chain], bytes, dict[str, list[Event]]]:
    """The chains, their seal and what stands behind their ends, at one moment: nobody seals meanwhile."""
    ledger = _locked_ledger()
    heads = list(Chain.objects.order_by("name"))
    beyond = {head.name: list(_sealed(head.name).filter(position__gt=head.position)[:10]) for head in heads}
    return heads, bytes(ledger.mac), beyond


def _without_chain(known: set[str]) -> Iterator[Finding]:
    sealed = every_way().filter(position__isnull=False)
    for tenant, count in sealed.order_by().values_list("tenant_id").annotate(Count("pk")):
        if _chain_of(tenant) not in known:
            what = f"{count} sealed rows belong to a chain that is not there"
            yield Finding(_chain_of(tenant), None, None, what)


def _verify_chain(head: Chain, keys: Sequence[bytes], seen: Verified) -> Iterator[Finding]:
    """Each row by its mark, its place and its seal, which follows the stored seal of the row before it."""
    expected, before = head.kept_from, bytes(head.anchor)
    for row in _in_order(head):
        seen.rows += 1
        if row.position < expected:
            yield _found(head, row, "was inserted: its place is taken, or was removed by retention")
            continue
        follows: bytes | None = before
        if row.position > expected:
            expected, follows = _behind_retention(head.name, expected, row.position)
        if row.position > expected:
            yield _missing(head, expected, row.position - 1)
        yield from _verify_row(head, row, keys, follows)
        expected, before = row.position + 1, bytes(row.seal)
    if expected <= head.position:
        expected, _ = _behind_retention(head.name, expected, head.position + 1)
        if expected <= head.position:
            yield _missing(head, expected, head.position)
    elif before != bytes(head.seal):
        yield Finding(head.name, head.position, None, "its last seal is not the one that the chain ends with")


def _behind_retention(name: str, expected: int, position: int) -> tuple[int, bytes | None]:
    """The first place that should be there, and what it follows: retention may go on meanwhile."""
    chain = Chain.objects.get(pk=name)
    if chain.kept_from <= expected:
        return expected, None
    return min(chain.kept_from, position), bytes(chain.anchor) if chain.kept_from == position else None


def _missing(head: Chain, first: int, last: int) -> Finding:
    what = f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"
    return Finding(head.name, first, None, what)


def _in_order(head: Chain) -> Iterator[Any]:
    after = 0
    while True:
        rows = list(
            _sealed(head.name)
            .filter(position__gt=after, position__lte=head.position)
            .order_by("position", "id")[:AT_ONCE]
        )
        yield from rows
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].position or 0


def _verify_row(head: Chain, row: Any, keys: Sequence[bytes], before: bytes | None) -> Iterator[Finding]:
    facts = _facts(row)
    if not rules.is_marked(keys, facts):
        yield _found(head, row, "was changed, or was not written by Studio with a key of the ring")
    elif before is not None and not rules.is_sealed(keys, before, facts, bytes(row.seal)):
        yield _found(
            head, row, "does not follow the row before it: its place, its time or its seal was changed"
        )


def _found(head: Chain, row: Any, what: str) -> Finding:
    return Finding(head.name, row.position, row.pk, f"row {row.position} (id {row.pk}) {what}")


def _verify_unsealed(keys: Sequence[bytes], seen: Verified, chain: str | None) -> Iterator[Finding]:
    for row in every_way().filter(position=None).order_by("id").iterator(chunk_size=AT_ONCE):
        name = _chain_of(row.tenant_id)
        if chain not in (None, name):
            continue
        seen.unsealed += 1
        if not rules.is_marked(keys, _facts(row)):
            what = f"the row with id {row.pk}, not sealed yet, was changed or was not written by Studio"
            yield Finding(name, None, row.pk, what)


# ----- ends that were noted elsewhere ---------------------------------------------------------------------


def heads() -> dict[str, tuple[int, str]]:
    """Chain → its last place and seal, to be kept where nobody reaches who can change the database."""
    return {chain.name: (chain.position, bytes(chain.seal).hex()) for chain in Chain.objects.all()}


def compare(noted: Mapping[str, tuple[int, str]]) -> Iterator[Finding]:
    """Ends that were noted once and stand no more: an older state of the database was put back."""
    chains = {chain.name: chain for chain in Chain.objects.all()}
    for name, (position, noted_seal) in noted.items():
        chain = chains.get(name)
        if chain is not None and position < chain.kept_from - 1:
            continue  # retention has removed it since
        if chain is not None and position == chain.kept_from - 1:
            found = chain.anchor
        else:
            found = _sealed(name).filter(position=position).values_list("seal", flat=True).first() or b""
        if bytes(found).hex() != noted_seal:
            yield Finding(
                name, position, None, f"row {position} is not the one that was noted as the chain's end"
            )


# ----- keys -----------------------------------------------------------------------------------------------


@unit_of_work
def close_anew() -> None:
    """The seal over all ends, with the newest key. A seal that holds with no key stays, to be found."""
    ledger, keys = _locked_ledger(), keyring.audit_seal()
    if ledger.mac and rules.is_ledger(keys, _heads(Chain.objects.all()), bytes(ledger.mac)):
        _close(ledger, keys)


def needs_more_than(keys: Sequence[bytes]) -> bool:
    """Whether a row was marked or sealed with another key than these, or looks so."""
    for row in every_way().order_by("id").iterator(chunk_size=AT_ONCE):
        if not rules.is_marked(keys, _facts(row)):
            return True
    return any(
        next(_verify_chain(head, keys, Verified()), None) is not None
        for head in Chain.objects.order_by("name")
    )
