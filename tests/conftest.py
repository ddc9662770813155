"""Fixtures and rules of the whole test run; the programs behind them are started by tests/support."""

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from tests.support import broker as brokers
from tests.support import migrated, postgres
from tests.support.effort import examples

HERE = Path(__file__).parent
DATABASE_FOLDERS = (HERE / "db", HERE / "doors")
# In this order, and last: Playwright leaves a loop on the thread that no async test may meet.
WAITING_FOLDERS = {"journey": HERE / "journeys", "browser": HERE / "browser"}
ON_REQUEST = ("soak", "clients", "thorough")  # marks of what runs only where `-m` names them
# On a busy machine one slow example says nothing; what hangs meets the timeout of the test.
hypothesis.settings.register_profile("studio", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile("studio")


def on_postgres() -> bool:
    return os.environ.get("STUDIO_DATABASE_URL", "").startswith("postgres")


# --- what runs, and in which order ----------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    for item in items:
        _mark_waiting(item)
        _mark_database(item)
    for mark in ON_REQUEST:
        if mark not in config.option.markexpr:
            _leave_out(mark, config, items)
    if not on_postgres():
        _leave_to_postgres(config, items)
    result = yield  # plugins sort by their own lights
    items.sort(key=lambda item: (_rank(item), not item.get_closest_marker("asyncio")))
    return result


@cache
def _folders_above(path: Path) -> frozenset[Path]:
    return frozenset(path.parents)


def _mark_waiting(item: pytest.Item) -> None:
    for mark, folder in WAITING_FOLDERS.items():
        if folder in _folders_above(item.path):
            item.add_marker(mark)


def _rank(item: pytest.Item) -> int:
    return max(
        (rank for rank, mark in enumerate(WAITING_FOLDERS, 1) if item.get_closest_marker(mark)), default=0
    )


def _mark_database(item: pytest.Item) -> None:
    """`db` and pytest-django's own mark come together; the folders of database tests have both."""
    in_folder = not _folders_above(item.path).isdisjoint(DATABASE_FOLDERS)
    has_own = item.get_closest_marker("django_db") is not None
    if item.get_closest_marker("postgres") and not has_own:
        item.add_marker(pytest.mark.django_db(transaction=True))
    elif in_folder and not has_own:
        item.add_marker(pytest.mark.django_db)
    if item.get_closest_marker("django_db") and not _rank(item):
        item.add_marker(pytest.mark.db)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end; nobody has to look through it again and again."""
    gc.collect()
    gc.freeze()


def _leave_out(mark: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker(mark)]
    if marked:
        items[:] = [item for item in items if not item.get_closest_marker(mark)]
        config.hook.pytest_deselected(items=marked)


def _leave_to_postgres(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They belong to the run on PostgreSQL; where it is not installed they are skipped aloud."""
    theirs = [item for item in items if item.get_closest_marker("postgres")]
    if postgres.programs() is None:
        for item in theirs:
            item.add_marker(pytest.mark.skip(reason="PostgreSQL is not installed"))
    elif theirs:
        items[:] = [item for item in items if item not in theirs]
        config.hook.pytest_deselected(items=theirs)


# --- Django ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def templates_are_drawn_as_always(django_test_environment: None) -> None:
    """In Django's test environment each template hands over a copy of its context, which no test of ours reads."""
    from django.template import Template
    from django.test.utils import _TestState

    Template._render = _TestState.saved_data.template_render


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly(django_test_environment: None) -> Iterator[None]:
    """Ours are slow on purpose; the processes of the journeys make them as they are."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


# --- the database ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """On SQLite the tables are there already, in a folder that goes with the run."""
    return not on_postgres()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Before the first one is made, or found, and emptied."""
    from django.db import connection

    from tests.support import emptying

    emptying.by_deleting()
    if not on_postgres():
        migrated.put(Path(connection.settings_dict["TEST"]["NAME"]))


# --- the broker -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def broker() -> Iterator[brokers.Broker]:
    """One Valkey per worker of the run; see `broker_client` for a clean one."""
    with brokers.embedded() as started:
        yield started


@pytest.fixture
def broker_url(broker: brokers.Broker) -> str:
    """The broker's address as `STUDIO_BROKER_URL` takes it."""
    return broker.celery_url


@pytest.fixture
def broker_client(broker: brokers.Broker):
    """A client of the session's broker, emptied for this test."""
    with broker.client() as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def redis_server() -> Iterator[brokers.Broker]:
    """`redis-server` over TCP, as in production."""
    try:
        with brokers.over_tcp() as started:
            yield started
    except LookupError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["embedded", pytest.param("tcp", marks=pytest.mark.redis)])
def any_broker(request: pytest.FixtureRequest) -> brokers.Broker:
    """The test runs on both brokers, each emptied for it."""
    chosen = request.getfixturevalue("broker" if request.param == "embedded" else "redis_server")
    with chosen.client() as client:
        client.flushall()
    return chosen


# --- the browser ----------------------------------------------------------------------------------------


# The shell is the same browser without the window around its pages, which costs it more than they do.
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser")


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium; `chromium.new_context()` gives a fresh person in front of it."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("chromium is not on the PATH")
    from playwright.sync_api import sync_playwright

    # Playwright's synchronous API keeps a loop on this thread, which Django would take for async code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=program, args=flags)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def page(chromium):
    """One fresh page; what its console says and throws lands in the test's output."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.on("console", lambda message: print(f"console {message.type}: {message.text}"))
    opened.on("pageerror", lambda error: print(f"page error: {error}"))
    yield opened
    context.close()
