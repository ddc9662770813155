"""One unit of work is done whole, again where the database says so, and only as a whole."""

import pytest
from django.db import IntegrityError, OperationalError

from studio.tenants.models import Organization
from studio.unit import TRIES, unit_of_work

pytestmark = pytest.mark.django_db(transaction=True)


class Work:
    """Writes a row, then fails with these errors in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        Organization.objects.create(name=f"try {self.tries}")
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def written() -> list[str]:
    return list(Organization.objects.values_list("name", flat=True))


def lost_race() -> IntegrityError:
    return IntegrityError("UNIQUE constraint failed")


def deadlock() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = type("Deadlock", (Exception,), {"sqlstate": "40P01"})()
    return error


@pytest.mark.parametrize("again", [lost_race, deadlock, lambda: OperationalError("database is locked")])
def test_what_the_database_asks_for_again_is_done_again_whole(again):
    work = Work(again(), again())
    assert unit_of_work(work)() == "done"
    assert written() == ["try 3"]


def test_three_times_and_no_more():
    work = Work(*[lost_race() for _ in range(9)])
    with pytest.raises(IntegrityError):
        unit_of_work(work)()
    assert (work.tries, written()) == (TRIES, [])


@pytest.mark.parametrize("error", [OperationalError("disk full"), ValueError("a fault of ours")])
def test_anything_else_is_raised_at_once_and_leaves_nothing(error):
    work = Work(error)
    with pytest.raises(type(error)):
        unit_of_work(work)()
    assert (work.tries, written()) == (1, [])


def test_a_unit_inside_another_leaves_the_decision_to_the_outer_one():
    inner = Work(lost_race())
    outer = Work()

    def both() -> str:
        outer()
        return unit_of_work(inner)()

    assert unit_of_work(both)() == "done"
    assert (outer.tries, inner.tries, written()) == (2, 2, ["try 2", "try 2"])


def test_an_inner_refusal_that_is_caught_undoes_only_the_inner_unit():
    @unit_of_work
    def outer() -> None:
        Organization.objects.create(name="outer")
        with pytest.raises(ValueError, match="no"):
            unit_of_work(Work(ValueError("no")))()

    outer()
    assert written() == ["outer"]
