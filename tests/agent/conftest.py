"""A node whose agent, keepers and servers end with the test, or with the module."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.node import Node, eventually


@pytest.fixture
def node(tmp_path: Path, broker_client, broker_url: str) -> Iterator[Node]:
    """No agent yet: the test starts it, and ends it as it likes."""
    made = Node(tmp_path / "node", broker_client, broker_url)
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, broker) -> Iterator[Node]:
    with broker.client() as client:
        folder = tmp_path_factory.mktemp("running")
        made = Node(folder / "node", client, broker.celery_url, name=f"node-{uuid.uuid4().hex[:8]}")
        made.start()
        try:
            yield made
        finally:
            made.clean()


@pytest.fixture
def running(shared: Node) -> Iterator[Node]:
    """A node with an agent that the module shares, empty at the beginning of each test."""
    yield shared
    shared.heard()
    eventually(lambda: not shared.ours(), what="the node is empty again")
