"""A node whose agent, keepers and servers end with the test, or with the module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.node import Node


@pytest.fixture
def node(tmp_path: Path, broker_client, broker_url: str) -> Iterator[Node]:
    """No agent yet: the test starts it, and ends it as it likes."""
    made = Node(tmp_path / "node", broker_client, broker_url)
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, broker) -> Iterator[Node]:
    """One node with one agent for the tests of a module; each wishes for instances of its own."""
    with broker.client() as client:
        made = Node(tmp_path_factory.mktemp("running") / "node", client, broker.celery_url, name="running")
        made.start()
        try:
            yield made
        finally:
            made.clean()
