"""One platform for all journeys of a run; a journey that needs its own takes `own_platform`."""

from collections.abc import Iterator

import pytest

from tests.support.platform import Platform, platform


@pytest.fixture(scope="session")
def up() -> Iterator[Platform]:
    """Started once, on its first use, from nothing. What a journey changes in it, it puts back."""
    with platform(from_nothing=True) as shared:
        yield shared.start()


@pytest.fixture
def own_platform() -> Iterator[Platform]:
    """Not started yet; gone with the test."""
    with platform() as own:
        yield own
