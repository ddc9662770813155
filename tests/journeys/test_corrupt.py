"""A checkpoint that is not what its manifest says is never served; repaired, it is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.oracle import Oracle
from tests.support.platform import ROOT, Platform, platform

pytestmark = pytest.mark.timeout(240)

SHIPPED = ROOT / "studio" / "hub" / "shipped"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of its own with what is shipped."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "store", ignore=shutil.ignore_patterns("train")))


@pytest.fixture
def with_store(store: Path) -> Iterator[Platform]:
    with platform(STUDIO_STORE=str(store)) as own:
        yield own.start()


def test_a_flipped_byte_fails_the_endpoint_by_name_of_the_file_until_it_is_repaired(
    with_store: Platform, store: Path
) -> None:
    desk, oracle = Desk(with_store), Oracle(with_store)
    desk.until(desk.hello(), "Live")
    weights = store / "help" / "2" / "model.gguf"
    flip(weights)

    broken = desk.create("broken")  # of the newest version, 2
    desk.until(broken, "Failed")
    shown = desk.info(broken)
    assert shown["status_reason"] == (
        "The checkpoint does not match its manifest: help/2/model.gguf has another sha256."
    )
    oracle.agrees()
    assert not oracle.processes_of(broken["id"]), "nothing was started"
    assert sum(node.free for node in oracle.nodes().values()) == 23, "only hello holds an RDU"
    assert desk.predict(broken) == 503

    flip(weights)
    desk.restart(broken)
    desk.until(broken, "Live")
    desk.until_it_answers(broken)
    oracle.agrees()


def flip(file: Path) -> None:
    """One bit of the last byte."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
