"""Who is told that what they may see or do has changed, and that each row of the audit is told once."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.standing.rules import (
    OF_CONSEQUENCE,
    OF_NO_CONSEQUENCE,
    Guests,
    Heard,
    Listener,
    Row,
    about,
    shares_named,
    speaks_to,
)

HERE, AWAY, ENDPOINT, PERSON = uuid4(), uuid4(), uuid4(), uuid4()
NOBODY = Guests()
SHARE = Row(1, datetime(2026, 11, 7, tzinfo=UTC), "share", "endpoint", ENDPOINT, HERE, None)
ROLES = replace(SHARE, verb="roles", kind="user", thing=PERSON)
HIS = Listener(uuid4(), PERSON, frozenset([HERE]))
THEIRS = Listener(uuid4(), uuid4(), frozenset([AWAY]))


# Who is told


def test_a_row_speaks_to_its_tenant_and_to_no_other() -> None:
    assert speaks_to(SHARE, HIS, NOBODY)
    assert not speaks_to(SHARE, THEIRS, NOBODY)


def test_an_org_admin_hears_of_every_tenant() -> None:
    assert speaks_to(SHARE, replace(THEIRS, is_org_admin=True), NOBODY)


@pytest.mark.parametrize(
    "guests",
    [Guests(people=frozenset([THEIRS.person])), Guests(tenants=frozenset([AWAY])), Guests(everybody=True)],
)
def test_whoever_sees_the_thing_from_elsewhere_is_told(guests: Guests) -> None:
    assert speaks_to(SHARE, THEIRS, guests)


def test_whose_thing_it_was_is_told_wherever_they_are() -> None:
    assert speaks_to(replace(SHARE, concerns=THEIRS.person), THEIRS, NOBODY)


def test_what_was_open_to_every_tenant_speaks_to_every_tenant() -> None:
    assert speaks_to(replace(SHARE, is_open=True), THEIRS, NOBODY)
    assert speaks_to(replace(SHARE, verb="edit", kind="organization", tenant=None), THEIRS, NOBODY)


def test_what_is_done_to_a_person_is_said_to_that_person_alone() -> None:
    assert speaks_to(ROLES, HIS, NOBODY)
    assert not speaks_to(ROLES, replace(HIS, person=uuid4(), is_org_admin=True), NOBODY)


def test_the_window_of_another_endpoint_need_not_look() -> None:
    window = f"http://studio.test/endpoints/{ENDPOINT}/?tab=keys"
    assert about(window) == ("endpoint", ENDPOINT)
    assert speaks_to(SHARE, replace(HIS, about=about(window)), NOBODY)
    assert not speaks_to(replace(SHARE, thing=uuid4()), replace(HIS, about=about(window)), NOBODY)
    assert speaks_to(replace(SHARE, kind="project", thing=uuid4()), replace(HIS, about=about(window)), NOBODY)


@pytest.mark.parametrize(
    "address",
    ["", "/", "/projects/", "http://[", "/projects/00000000-0000-4000-8000-000000000000/", "/endpoints/1/"],
)
def test_other_pages_are_about_no_single_endpoint(address: str) -> None:
    assert about(address) is None


def test_whom_a_change_of_shares_names() -> None:
    changes = {
        "user mila": ["viewer", ""],
        "tenant research": ["", "editor"],
        "general_access": ["private", "x"],
    }
    assert shares_named(changes) == (frozenset(["user mila", "tenant research"]), False)
    assert shares_named({"general_access": ["all_viewer", "private"]}) == (frozenset(), True)


def test_a_deed_that_nobody_has_named_is_of_consequence() -> None:
    assert not OF_CONSEQUENCE & OF_NO_CONSEQUENCE
    assert replace(SHARE, verb="something new").is_of_consequence
    assert not replace(SHARE, verb="stop").is_of_consequence


# Each row once


OVERLAP = 10.0


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[float]]:
    """(when each row was written, when committed), in the order of their ids; and when somebody looked."""
    moments = st.floats(0, 100, allow_nan=False)
    written = sorted(draw(st.lists(moments, max_size=30)))
    kept_open = st.floats(0, OVERLAP - 0.5, allow_nan=False)
    rows = [(when, when + draw(kept_open)) for when in written]
    looks = sorted(draw(st.lists(moments, max_size=40)))
    return rows, [*looks, 200.0]


@given(histories())
def test_each_row_is_told_once_in_whatever_order_it_is_committed(
    history: tuple[list[tuple[float, float]], list[float]],
) -> None:
    rows, looks = history
    heard, told = Heard(OVERLAP), []
    for look in looks:
        committed = [
            number for number, (_, done) in enumerate(rows, 1) if done <= look and number > heard.floor
        ]
        told += heard.fresh(committed, look)
    assert sorted(told) == list(range(1, len(rows) + 1))


@given(histories())
def test_what_is_remembered_is_not_more_than_what_is_new_lately(
    history: tuple[list[tuple[float, float]], list[float]],
) -> None:
    rows, looks = history
    heard = Heard(OVERLAP)
    for look in looks:
        heard.fresh([number for number, (_, done) in enumerate(rows, 1) if done <= look], look)
        assert all(look - when < OVERLAP for when in heard.seen.values())
        assert all(number > heard.floor for number in heard.seen)


def test_a_row_that_is_committed_late_is_told_and_the_one_after_it_not_again() -> None:
    heard = Heard(OVERLAP)
    assert heard.fresh([5], 0.0) == {5}
    assert heard.fresh([4, 5], 1.0) == {4}
    assert heard.fresh([4, 5], 2.0) == set()
