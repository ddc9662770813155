"""The running platform, the clients' environments, and the table of a run."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.clients.environments import start_building
from tests.clients.scripted import FOLDER, PARTS, SCRIPTS, Run, run_script
from tests.clients.served import variables
from tests.support.platform import platform

RUNS = pytest.StashKey[dict[str, Run]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", action="append", default=[], metavar="NAME", help="this client alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only = config.getoption("--only", [])
    if unknown := set(only) - set(SCRIPTS):
        raise pytest.UsageError(f"no client {', '.join(sorted(unknown))}; there are: {', '.join(SCRIPTS)}")
    left_out = [item for item in items if only and client_of(item) not in only]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def client_of(item: pytest.Item) -> str | None:
    return item.callspec.params.get("client") if hasattr(item, "callspec") else None


@pytest.fixture(scope="session")
def building(request: pytest.FixtureRequest) -> dict[str, Future[Path]]:
    """The environments of the clients that this run asks; they are built while the first ones are asked."""
    wanted = {client_of(item) for item in request.session.items}
    return start_building([client for client in SCRIPTS if client in wanted])


@pytest.fixture(scope="session")
def told(building: dict[str, Future[Path]]) -> Iterator[dict[str, str]]:
    """The variables by which a script hears of the platform and its endpoints."""
    with platform() as up:
        yield variables(up.start())


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> dict[str, Run]:
    return request.config.stash.setdefault(RUNS, {})


@pytest.fixture
def run(
    client: str,
    building: dict[str, Future[Path]],
    told: dict[str, str],
    runs: dict[str, Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """What the client's script told; it runs once for all tests of this client."""
    if client not in runs:
        environment = {**told, "HOME": str(tmp_path_factory.mktemp(client))}
        script = FOLDER / SCRIPTS[client][0]
        runs[client] = run_script(client, script, building[client].result(), environment)
    return runs[client]


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    runs = config.stash.get(RUNS, {})
    if not runs:
        return
    terminalreporter.section("clients: checks that held, of all")
    widths = [max(map(len, [*runs, "client"])), max(len(run.version) for run in runs.values())]
    head = ["client".ljust(widths[0]), "version".ljust(widths[1]), *PARTS, "seconds"]
    terminalreporter.write_line("  ".join(head))
    for client, run in runs.items():
        cells = [run.cell(part).rjust(len(part)) for part in PARTS]
        seconds = f"{run.seconds:.1f}".rjust(len("seconds"))
        row = [client.ljust(widths[0]), run.version.ljust(widths[1]), *cells, seconds]
        terminalreporter.write_line("  ".join(row), red=not run.is_good(), green=run.is_good())
