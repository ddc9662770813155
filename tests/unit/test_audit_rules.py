"""Marks and seals: the same row gives the same bytes in either database, another row or key does not."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.audit import rules

KEYS, OTHERS = [b"k" * 32, b"old" + b"k" * 29], [b"x" * 32]
FACTS: dict[str, Any] = {
    "id": 7,
    "at": datetime(2024, 1, 2, tzinfo=UTC),
    "tenant_id": UUID(int=1),
    "actor_id": None,
    "actor_name": "Studio",
    "role": "platform",
    "address": "",
    "request_id": "",
    "verb": "edit",
    "thing_type": "endpoint",
    "thing_id": UUID(int=2),
    "thing_name": "hello",
    "changes": {"name": ["a", "b"], "temperature": [1, 0.5]},
    "concerns": UUID(int=4),
    "open_until": None,
    "position": 3,
}
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def marked(keys: list[bytes] = KEYS, **other: Any) -> dict[str, Any]:
    facts = FACTS | other
    return facts | {"mark": rules.new_mark(keys, facts)}


@given(jsons)
def test_a_mark_holds_after_the_facts_were_written_and_read(value: Any) -> None:
    facts = marked(changes={"value": value})
    assert rules.is_marked(
        KEYS, facts | {"changes": json.loads(json.dumps(facts["changes"], sort_keys=True))}
    )


@given(jsons, jsons)
def test_facts_that_differ_are_told_differently(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or one == other
    assert same or rules.canonical({"a": one}) != rules.canonical({"a": other})


def test_a_number_that_postgres_keeps_otherwise_is_the_same() -> None:
    assert rules.canonical({"a": [1.0, -0.0, 1e16]}) == rules.canonical({"a": [1, 0, 10**16]})


@pytest.mark.parametrize("name", rules.TOLD)
def test_every_fact_is_under_the_mark(name: str) -> None:
    assert not rules.is_marked(KEYS, marked() | {name: "other"})


@pytest.mark.parametrize("name", rules.ROW)
def test_every_fact_is_under_the_seal(name: str) -> None:
    facts = marked()
    seal = rules.new_seal(KEYS, rules.GENESIS, facts)
    assert rules.is_sealed(KEYS, rules.GENESIS, facts, seal)
    assert not rules.is_sealed(KEYS, rules.GENESIS, facts | {name: b"other"}, seal)
    assert not rules.is_sealed(KEYS, seal, facts, seal)


@pytest.mark.parametrize("mark", [None, b"", b"s" * rules.SALT, b"s" * 48])
def test_what_is_no_mark_marks_nothing(mark: bytes | None) -> None:
    assert not rules.is_marked(KEYS, FACTS | {"mark": mark})


def test_every_key_of_the_ring_is_accepted_and_no_other() -> None:
    old = marked(KEYS[1:])
    assert rules.is_marked(KEYS, old)
    assert not rules.is_marked(OTHERS, old)
    assert not rules.is_sealed(OTHERS, b"", old, rules.new_seal(KEYS, b"", old))


def test_the_ledger_is_over_every_end_in_any_order() -> None:
    heads = [("", 3, b"a", 1, b"b"), ("1" * 32, 5, b"c", 2, b"d")]
    mac = rules.new_ledger(KEYS, heads)
    assert rules.is_ledger(KEYS, heads[::-1], mac)
    for other in ([], heads[:1], [heads[0], ("1" * 32, 4, b"c", 2, b"d")], [*heads, heads[0]]):
        assert not rules.is_ledger(KEYS, other, mac)
