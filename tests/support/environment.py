"""The environment of a test run, set before Django reads its settings (a plugin named in pyproject.toml).

A run never meets the data, the secrets or the broker of the person who starts it: what is set as STUDIO_…
is taken away, except what says how to test. A process that a test starts inherits this environment; one
that has to find its own way gets `of_a_newcomer()`.
"""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from studio import seal

INHERITED = "STUDIO_TEST_RUN"  # a worker of xdist gets the environment its controller made
SHARED = "STUDIO_TEST_SHARED"  # a folder that `make test` makes for all its parts
ABOUT_TESTS = {"STUDIO_REQUIRE", "STUDIO_DATABASE_URL", SHARED}


def _enter() -> str | None:
    if INHERITED in os.environ:
        return None
    for name in [name for name in os.environ if name.startswith("STUDIO_") and name not in ABOUT_TESTS]:
        del os.environ[name]
    folder = tempfile.mkdtemp(prefix="studio-tests-", dir="/tmp")
    os.environ[INHERITED] = os.environ["STUDIO_DATA_DIR"] = folder
    os.environ["STUDIO_TEST_SQLITE"] = f"{folder}/test.sqlite3"  # a file: in memory there is no WAL
    os.environ.update(_fresh_secrets())
    return folder


def _fresh_secrets() -> dict[str, str]:
    sign, verify = seal.new_signing_pair()
    rings = {name: seal.new_key() for name in ("KEY_PEPPER", "VALUE_SEAL", "ROUTES_SEAL", "AUDIT_SEAL")}
    values = {"SECRET_KEY": secrets.token_hex(32), "ROUTES_SIGN": sign, "ROUTES_VERIFY": verify, **rings}
    return {f"STUDIO_{name}": value for name, value in values.items()}


def shared_folder() -> Path:
    """For what is made once in a run."""
    return Path(os.environ.get(SHARED) or os.environ[INHERITED])


def of_a_newcomer() -> dict[str, str]:
    """The environment of somebody who has never set anything, for processes that stand on their own."""
    ours = ("STUDIO_", "DJANGO_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


own_folder = _enter()


def pytest_unconfigure(config: pytest.Config) -> None:
    if own_folder:
        shutil.rmtree(own_folder, ignore_errors=True)
