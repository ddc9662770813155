"""`snapi … share`: the whole state is read, changed where it is named, and said again with its version."""

from typing import Any

import pytest

from tests.snapi import answers
from tests.snapi.conftest import Run
from tests.snapi.fake import FakeStudio

pytestmark = pytest.mark.usefixtures("signed_in")

AT = "/api/endpoints/hav2/share"
RESEARCH, MILA = ({"type": each["type"], "name": each["id"]} for each in answers.SHARES["shared_with"])


@pytest.fixture
def said(studio: FakeStudio, run: Run) -> Any:
    """What is sent for these options; None where nothing is."""
    studio.answer("GET", AT, answers.SHARES)
    studio.answer("PUT", AT, answers.SHARES)

    def share(*options: str) -> Any:
        assert run("endpoint", "share", "-e", "hav2", *options).code == 0
        (*_, last) = studio.asked
        return last.body if last.method == "PUT" else None

    return share


def test_without_options_it_only_lists(said: Any, run: Run) -> None:
    assert said() is None
    out = run("endpoint", "share", "-e", "hav2").out
    assert "General access : private" in out
    assert "| user     | mila " in out


def test_who_is_named_gets_the_role_and_the_others_keep_theirs(said: Any) -> None:
    assert said("--user", "Mila", "--user", "oskar", "--role", "viewer") == {
        "shared_with": [
            RESEARCH | {"role": "viewer"},
            MILA | {"role": "viewer"},
            {"type": "user", "name": "oskar", "role": "viewer"},
        ],
        "version": answers.SHARES["version"],
    }


def test_role_none_takes_it_away(said: Any) -> None:
    assert said("--tenant", "research", "--role", "none")["shared_with"] == [MILA | {"role": "editor"}]


def test_general_access_alone(said: Any) -> None:
    sent = said("--general", "tenant_viewer")
    assert sent["general_access"] == "tenant_viewer"
    assert [each["role"] for each in sent["shared_with"]] == ["viewer", "editor"]


@pytest.mark.parametrize(
    "options",
    [
        "--user mila",
        "--role viewer",
        "--user mila --role owner",
        "--general everybody",
        "--user oskar --role none",
    ],
)
def test_what_is_half_said_is_wrong_usage(studio: FakeStudio, run: Run, options: str) -> None:
    studio.answer("GET", AT, answers.SHARES)
    assert run("endpoint", "share", "-e", "hav2", *options.split()).code == 2
    assert [asked.method for asked in studio.asked if asked.method == "PUT"] == []
