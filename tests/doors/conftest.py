"""What the doors' tests share: the cast, and an app that is made anew for every client."""

from typing import Any

import pytest

from tests.support.cast import cast

__all__ = ["cast"]


@pytest.fixture(autouse=True)
def files_are_found_when_asked_for(settings: Any) -> None:
    """Not listed at the start of the app: each test client starts one."""
    settings.WHITENOISE_AUTOREFRESH = True
