"""Checkpoints are compared with their manifest before anything loads them."""

import hashlib
import io
import json
import os
import sys
from pathlib import Path

import pytest

from scheduler import wire
from scheduler.agent import checkpoints, verify
from scheduler.agent.checkpoints import BadCheckpoint, Checkpoints
from tests.agent.node import Node, wished


def expert(store: Path, name: str = "help", **contents: bytes) -> wire.Expert:
    folder = store / name
    folder.mkdir(parents=True)
    files = []
    for file, content in contents.items():
        (folder / file).write_bytes(content)
        files.append(wire.File(file, len(content), hashlib.sha256(content).hexdigest()))
    return wire.Expert(name, name, files)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def known(store: Path, tmp_path: Path) -> Checkpoints:
    return Checkpoints(store.resolve(), tmp_path / "verified.json")


def told(done: int, total: int) -> None:
    """Nobody listens."""


async def test_a_checkpoint_like_its_manifest_is_accepted(known: Checkpoints, store: Path):
    one, other = expert(store, weights=b"w" * 5000, card=b""), expert(store, "other", weights=b"x")
    heard = []
    await known.verify([one, other], lambda done, total: heard.append((done, total)))
    assert heard == [(0, 5001)]


def test_progress_is_told_in_bytes(store: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    size = 3 * verify.CHUNK + 1
    expert(store, weights=bytes(size))
    path = str(store / "help" / "weights")
    listed = [[path, "help/weights", size, hashlib.sha256(bytes(size)).hexdigest().upper()]]
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(listed)))
    monkeypatch.setattr(verify, "TELL_EVERY", 0.0)
    verify.main()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("done") for line in said] == [1 << 20, 2 << 20, 3 << 20, size, None]
    assert said[-1] == {"good": [verify.identity(path)]}


def flip(path: Path) -> None:
    path.write_bytes(b"W" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (flip, "help/weights has another sha256"),
        (lambda path: path.write_bytes(b"short"), "help/weights has 5 bytes instead of 100"),
        (lambda path: path.unlink(), "help/weights cannot be read (No such file or directory)"),
        (lambda path: (path.unlink(), path.mkdir()), "help/weights cannot be read (Is a directory)"),
    ],
)
async def test_a_spoiled_file_is_named(known: Checkpoints, store: Path, spoil, sentence: str):
    one = expert(store, weights=b"w" * 100, card=b"fine")
    spoil(store / "help" / "weights")
    with pytest.raises(BadCheckpoint) as refused:
        await known.verify([one], told)
    assert str(refused.value) == f"The checkpoint does not match its manifest: {sentence}."


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret", "", "a\0b"])
async def test_a_path_out_of_the_store_is_refused(known: Checkpoints, store: Path, path: str):
    expert(store, weights=b"w")
    (store.parent / "secret").write_bytes(b"s")
    with pytest.raises(BadCheckpoint, match="leaves the checkpoint store"):
        await known.verify([wire.Expert("help", "help", [wire.File(path, 1, "0" * 64)])], told)
    with pytest.raises(BadCheckpoint, match="leaves the checkpoint store"):
        known.folder(wire.Expert("help", path, []))


async def test_a_link_may_lead_inside_the_store_only(known: Checkpoints, store: Path):
    blob, secret = store / "blob", store.parent / "secret"
    blob.write_bytes(b"w")
    secret.write_bytes(b"w")
    one = expert(store)
    listed = [wire.File("weights", 1, hashlib.sha256(b"w").hexdigest())]
    (store / "help" / "weights").symlink_to(blob)
    await known.verify([wire.Expert("help", one.path, listed)], told)
    (store / "help" / "weights").unlink()
    (store / "help" / "weights").symlink_to(secret)
    with pytest.raises(BadCheckpoint, match="leaves the checkpoint store"):
        await known.verify([wire.Expert("help", one.path, listed)], told)


async def test_an_untouched_file_is_hashed_once(
    known: Checkpoints, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    one = expert(store, weights=b"w" * 100)
    await known.verify([one], told)

    async def hashed(files, told):
        raise AssertionError(f"hashed again: {files}")

    monkeypatch.setattr(checkpoints, "_in_a_child", hashed)
    await known.verify([one], told)
    await Checkpoints(store.resolve(), tmp_path / "verified.json").verify([one], told)
    # The manifest of another version, or a file touched since, is another matter.
    other = wire.Expert("help", "help", [wire.File("weights", 100, "0" * 64)])
    with pytest.raises(AssertionError, match="hashed again"):
        await known.verify([other], told)
    os.utime(store / "help" / "weights", ns=(1, 1))
    with pytest.raises(AssertionError, match="hashed again"):
        await known.verify([one], told)


def test_a_corrupt_checkpoint_is_not_started(node: Node, store: Path):
    good, bad = expert(store, "good", weights=b"w" * 100), expert(store, "bad", weights=b"w" * 100)
    flip(store / "bad" / "weights")
    node.start(STUDIO_STORE=str(store))
    fine, broken = wished(experts=[good]), wished(experts=[bad])
    node.wish(fine, broken)
    seen = node.until(broken.id, "exited")
    assert (seen.error, seen.exit_code, seen.log_tail) == ("manifest", None, [])
    assert "bad/weights has another sha256" in seen.sentence
    node.until(fine.id, "ready")
    # An agent that restarts does not try it again either.
    node.kill_agent()
    node.start(STUDIO_STORE=str(store))
    node.until(fine.id, "ready")
    assert node.seen(broken.id) == seen
