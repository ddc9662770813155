"""A node whose agent, keepers and servers end with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.node import Node


@pytest.fixture
def node(tmp_path: Path, broker_client, broker_url: str) -> Iterator[Node]:
    made = Node(tmp_path / "node", broker_client, broker_url)
    try:
        yield made
    finally:
        made.clean()
