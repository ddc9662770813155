"""Tests that need the machine for themselves: journeys and browser tests measure seconds.

The run has one invocation and two workers. Every ordinary test holds a shared lock while it runs; a test
that must be alone holds it exclusively. Their folders stand last in the order and go to one worker as a
whole, so the other worker finishes its ordinary tests first and then waits.
"""

import contextlib
import fcntl
from collections.abc import Iterator

import pytest
from xdist.scheduler import LoadScopeScheduling

# Browser tests come last of all: Playwright leaves a loop on the thread that no async test may meet.
MARKS = ("journey", "browser")
FOLDERS = ("tests/journeys/", "tests/browser/")


def needs_the_machine(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) for mark in MARKS)


def put_last(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


class OneWorkerForThem(LoadScopeScheduling):
    """Ordinary tests go to whichever worker is free; the tests that need the machine stay together."""

    def _split_scope(self, nodeid: str) -> str:
        return "alone" if nodeid.startswith(FOLDERS) else nodeid


def _rank(item: pytest.Item) -> int:
    return max((number for number, mark in enumerate(MARKS, 1) if item.get_closest_marker(mark)), default=0)


@contextlib.contextmanager
def turn(item: pytest.Item, lock: str | None) -> Iterator[None]:
    """Waits for the machine; without a lock there is only one worker."""
    if lock is None:
        yield
        return
    with open(lock, "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX if needs_the_machine(item) else fcntl.LOCK_SH)
        yield
