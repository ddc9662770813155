"""Who may give and take which role, and let whom in: every change of one role by every kind of administrator."""

from functools import partial
from itertools import product
from uuid import uuid4

import pytest

from studio.errors import Conflict, Forbidden
from studio.people.rules import Person, check_deactivation, check_password_reset, check_roles, is_changeable
from studio.tenants.rules import STUDIO, Actor

DEFAULT, RESEARCH = uuid4(), uuid4()
OLGA = Actor(uuid4(), "olga", is_org_admin=True)
TINA = Actor(uuid4(), "tina", tenants={DEFAULT: "tenant_admin"})
MILA = Actor(uuid4(), "mila", tenants={DEFAULT: "member"})
ROLES = ("", "member", "tenant_admin")


def person(tenant=DEFAULT, role="member", **more) -> Person:
    return Person("mila", {tenant: role} if role else {}, **more)


def allowed(check, *arguments) -> bool:
    try:
        check(*arguments)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(("was", "becomes"), [pair for pair in product(ROLES, ROLES) if len(set(pair)) == 2])
@pytest.mark.parametrize("tenant", [DEFAULT, RESEARCH])
def test_a_tenant_admin_adds_and_removes_members_of_the_own_tenant_alone(was, becomes, tenant):
    change = person(tenant, was), person(tenant, becomes)
    assert allowed(check_roles, OLGA, *change)
    assert allowed(check_roles, STUDIO, *change)
    assert allowed(check_roles, TINA, *change) is (tenant == DEFAULT and "tenant_admin" not in (was, becomes))
    assert not allowed(check_roles, MILA, *change)
    if allowed(check_roles, TINA, *change):
        assert is_changeable(TINA, tenant, was)
    assert (is_changeable(OLGA, tenant, was), is_changeable(MILA, tenant, was)) == (True, False)
    assert is_changeable(TINA, tenant, was) is (tenant == DEFAULT and was != "tenant_admin")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (person(), person(is_org_admin=True)),
        (person(is_org_admin=True), person()),
        (person(is_org_admin=True), person(role="", is_org_admin=True)),
        (person(is_operator=True), person(role="", is_operator=True)),
    ],
)
def test_org_admins_and_operators_are_for_org_admins_to_change(before, after):
    assert allowed(check_roles, OLGA, before, after)
    assert not allowed(check_roles, TINA, before, after)


def test_roles_that_stay_need_no_right():
    both = {DEFAULT: "member", RESEARCH: "tenant_admin"}
    assert allowed(check_roles, TINA, Person("m", both), Person("m", {RESEARCH: "tenant_admin"}))


@pytest.mark.parametrize(
    ("somebody", "by_tina"),
    [
        (person(), True),
        (person(RESEARCH), False),
        (Person("m", {DEFAULT: "member", RESEARCH: "member"}), False),
        (person(role="tenant_admin"), False),
        (person(is_org_admin=True), False),
        (person(is_operator=True), False),
    ],
)
def test_a_tenant_admin_deactivates_whom_they_alone_manage(somebody, by_tina):
    user = uuid4()
    assert allowed(check_deactivation, OLGA, user, somebody)
    assert allowed(check_deactivation, TINA, user, somebody) is by_tina


@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize(
    ("somebody", "by_tina"),
    [
        (person(), True),
        (person(RESEARCH), False),
        (Person("m", {DEFAULT: "member", RESEARCH: "member"}), False),
        (person(role="tenant_admin"), False),
        (person(is_org_admin=True), False),
        (person(is_operator=True), False),
    ],
)
def test_nobody_gets_by_a_new_password_what_they_may_not_do_themselves(somebody, by_tina, beyond):
    user, both = uuid4(), Actor(uuid4(), "otto", is_org_admin=True, is_operator=True)

    def may(actor):
        return allowed(partial(check_password_reset, reaches_beyond=beyond), actor, user, somebody)

    assert may(both)
    assert may(STUDIO)
    assert may(OLGA) is not somebody.is_operator
    assert may(TINA) is (by_tina and not beyond)
    assert not may(MILA)


def test_the_own_password_is_changed_elsewhere():
    with pytest.raises(Conflict, match="Your account"):
        check_password_reset(OLGA, OLGA.id, person(), reaches_beyond=False)


def test_nobody_deactivates_themselves():
    with pytest.raises(Conflict, match="yourself"):
        check_deactivation(OLGA, OLGA.id, person())
