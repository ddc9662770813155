"""The web process keeps its connections to PostgreSQL, and outlives their end."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support import postgres
from tests.support.served import served

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL is not installed"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pool-", dir="/tmp") as name:  # socket paths have to be short
        yield Path(name)


def of_web(folder: Path, what: str) -> set[int]:
    """`what` of each connection that is not our own."""
    with psycopg.connect(host=str(folder), user=postgres.OWNER, dbname="studio", autocommit=True) as own:
        found = own.execute(
            f"SELECT {what} FROM pg_stat_activity WHERE datname = 'studio' AND pid <> pg_backend_pid()"
        )
        return {row[0] for row in found}


def test_connections_are_kept_and_made_anew_after_the_database_ended_them(folder: Path) -> None:
    assert "STUDIO_DATABASE_POOL" not in os.environ, "as an operator starts it"
    with served("tests.fuzz.world", log=folder / "web.log", keep=folder) as web:
        url, told = web
        with httpx.Client(headers={"Authorization": f"Bearer {told['keys']['owen']}"}) as client:

            def asked() -> int:
                return client.get(f"{url}/api/projects").status_code

            assert asked() == 200
            kept = of_web(folder, "pid")
            assert {asked() for _ in range(5)} == {200}
            assert kept
            assert kept <= of_web(folder, "pid")
            assert of_web(folder, "pg_terminate_backend(pid)") == {True}
            assert {asked() for _ in range(5)} == {200}
            assert kept.isdisjoint(of_web(folder, "pid"))
