"""Clients that other people wrote, unchanged, each in its own environment, against endpoints of a running platform."""

import pytest

from tests.clients.scripted import SCRIPTS, Run

# Installing the environments counts too, the first time.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

EVERYTHING = [
    pytest.param(client, part, id=f"{client}-{part}")
    for client, (_, parts) in SCRIPTS.items()
    for part in parts
]


@pytest.mark.parametrize(("client", "part"), EVERYTHING)
def test_the_client_finds_what_it_expects(client: str, part: str, run: Run) -> None:
    told = f"{client} {run.version}"
    if failed := run.failed(part):
        pytest.fail("\n".join([told, *failed]), pytrace=False)
    if not run.held(part) or not run.ended:
        pytest.fail(f"{told} told nothing of {part}, or broke off:\n{run.output[-3000:]}", pytrace=False)
