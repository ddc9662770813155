"""The mark of a state of shares, what is written down of a change, and what a list of grants may be."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import Invalid
from studio.sharing.rules import MOST, TENANT, USER, Grant, Shares, changes, check_once, check_role

ids = st.integers(1, 6).map(lambda number: UUID(int=number))
grant = st.builds(
    lambda kind, pk, role: Grant(kind, pk, f"{kind} {pk.int}", role),
    st.sampled_from([USER, TENANT]), ids, st.sampled_from(["viewer", "editor"]),
)  # fmt: skip
shares = st.builds(
    lambda access, grants: Shares(access, tuple(grants)),
    st.sampled_from(["private", "tenant_viewer"]),
    st.lists(grant, unique_by=lambda each: (each.kind, each.id)),
)


def said(state: Shares) -> tuple[str, frozenset[Grant]]:
    return state.general_access, frozenset(state.grants)


@given(shares, shares)
def test_a_state_has_the_same_version_and_no_changes_exactly_where_it_is_the_same(one, other):
    assert (one.version == other.version) is (said(one) == said(other))
    assert (changes(one, other) == {}) is (said(one) == said(other))


@given(shares, st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(state, chance: random.Random):
    mixed = list(state.grants)
    chance.shuffle(mixed)
    assert Shares(state.general_access, tuple(mixed)).version == state.version
    assert check_once(mixed) == check_once(state.grants)


@given(shares, shares)
def test_changes_said_backwards_lead_back(one, other):
    there, back = changes(one, other), changes(other, one)
    assert {what: [new, old] for what, (old, new) in there.items()} == back


def test_nobody_is_named_twice_and_not_too_many():
    mila = Grant(USER, UUID(int=1), "mila", "viewer")
    with pytest.raises(Invalid, match="mila is named twice"):
        check_once([mila, Grant(USER, UUID(int=1), "mila", "editor")])
    everybody = [Grant(USER, UUID(int=number), str(number), "viewer") for number in range(MOST + 1)]
    with pytest.raises(Invalid, match="At most 200"):
        check_once(everybody)
    assert len(check_once(everybody[:-1])) == MOST


def test_a_user_and_a_tenant_of_one_id_are_two():
    assert len(check_once([Grant(kind, UUID(int=1), "x", "viewer") for kind in (USER, TENANT)])) == 2


@pytest.mark.parametrize("typed", ["Viewer", " editor ", "EDITOR"])
def test_a_role_in_any_case(typed):
    assert check_role(typed) == typed.strip().lower()


@pytest.mark.parametrize("typed", ["", "owner", "none"])
def test_no_other_role(typed):
    with pytest.raises(Invalid):
        check_role(typed)
