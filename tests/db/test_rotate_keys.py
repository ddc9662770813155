"""New keys while the platform runs: what was sealed opens before, during and after, and no key goes too early."""

import os
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey
from scheduler.models import Instance, Node
from studio import keyring, rotation, seal
from studio.audit import sealing
from studio.audit.services import record
from studio.errors import Conflict
from studio.repeats.models import Answered
from studio.tenants.rules import STUDIO
from tests.support.rings import ring

LATER = timedelta(days=8)


@pytest.fixture
def sealed(folder: Path, cast: Any) -> dict[str, str]:
    """A box of each kind."""
    endpoint = cast.endpoint()
    node = cast.node()
    instance = Instance.objects.get(endpoint=endpoint)
    Instance.objects.filter(pk=instance.pk).update(
        sealed_token=keyring.seal_value("instance token", "instance")
    )
    Answered.objects.create(
        user=cast.users["owen"], key="k", fingerprint=b"f", created_at=datetime.now(UTC),
        sealed=keyring.seal_value("answer", "answer"),
    )  # fmt: skip
    assert node
    return opened()


def opened() -> dict[str, str]:
    """Every box, as a process that runs opens it now."""
    boxes = {
        "api key": ApiKey.objects.get().sealed,
        "join": Node.objects.get().sealed_token,
        "instance": Instance.objects.get().sealed_token,
        "answer": Answered.objects.get().sealed,
    }
    return {purpose: keyring.open_value(box, purpose) for purpose, box in boxes.items() if box}


def say(*words: str) -> str:
    printed = StringIO()
    call_command("rotate_keys", *words, stdout=printed)
    return printed.getvalue()


def test_everything_is_sealed_anew_and_the_old_key_goes_when_its_time_is_over(
    folder: Path, sealed: dict[str, str]
) -> None:
    (old,) = ring(folder)
    assert "4 boxes of older keys" in say("--only", "value_seal")
    new, still = ring(folder)
    assert (still, new != old, opened()) == (old, True, sealed)
    assert (folder / "value_seal").stat().st_mode & 0o777 == 0o600
    assert "older stay, since sessions or work" in say("--only", "value_seal", "--finish")
    assert len(ring(folder)) == 2
    said = rotation.finish("value_seal", now=datetime.now(UTC) + rotation.GRACE)
    assert said == "value_seal: 1 older were taken out."
    assert (ring(folder), opened()) == ([new], sealed)
    assert "nothing to finish" in say("--only", "value_seal", "--finish")


def test_what_was_sealed_with_the_old_key_meanwhile_is_sealed_anew_before_that_goes(
    folder: Path, sealed: dict[str, str]
) -> None:
    stale = keyring.value_seal()
    rotation.begin("value_seal")
    Node.objects.update(sealed_token=seal.seal(stale[0], b"late", "join"))
    said = rotation.finish("value_seal", now=datetime.now(UTC) + rotation.GRACE)
    assert said.endswith("taken out; 1 boxes of older keys.")
    assert opened() == sealed | {"join": "late"}


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_rotation_that_is_cut_off_goes_on(
    folder: Path, sealed: dict[str, str], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, seen = rotation._seal_anew, []

    def breaks(*told: Any) -> None:
        if len(seen) == after:
            raise KeyboardInterrupt
        seen.append(whole(*told))

    monkeypatch.setattr(rotation, "_seal_anew", breaks)
    with pytest.raises(KeyboardInterrupt):
        rotation.begin("value_seal")
    assert opened() == sealed
    monkeypatch.setattr(rotation, "_seal_anew", whole)
    rotation.finish("value_seal", now=datetime.now(UTC) + rotation.GRACE)
    assert (len(ring(folder)), opened()) == (1, sealed)


def test_a_rehearsal_changes_nothing(folder: Path, sealed: dict[str, str]) -> None:
    before = {name: (folder / name).read_text() for name in rotation.RINGS}
    boxes = list(Node.objects.values_list("sealed_token", flat=True))
    assert "would stand" in say("--dry-run")
    assert say("--finish", "--dry-run").count("nothing to finish") == len(rotation.RINGS)
    assert {name: (folder / name).read_text() for name in rotation.RINGS} == before
    assert list(Node.objects.values_list("sealed_token", flat=True)) == boxes


def test_no_key_goes_while_something_opens_with_none(folder: Path, sealed: dict[str, str]) -> None:
    rotation.begin("value_seal")
    Node.objects.update(sealed_token=b"nobody opens this box any more")
    said = rotation.finish("value_seal", now=datetime.now(UTC) + rotation.GRACE)
    assert "opens with no key" in said
    assert len(ring(folder)) == 2


def test_the_key_of_the_audit_goes_when_no_row_needs_it(folder: Path, db: None) -> None:
    now = datetime.now(UTC)
    record(STUDIO, "edit", "endpoint", uuid4(), "n", tenant=None, role="platform")
    sealing.seal()
    rotation.begin("audit_seal")
    record(STUDIO, "stop", "endpoint", uuid4(), "n", tenant=None, role="platform")
    sealing.seal()
    assert list(sealing.verify()) == []
    assert "rows of the audit" in rotation.finish("audit_seal", now=now + rotation.GRACE * 2)
    assert len(ring(folder, "audit_seal")) == 2
    assert sealing.forget(days=1, now=now + timedelta(days=2)) == 2
    assert "taken out" in rotation.finish("audit_seal", now=now + rotation.GRACE * 2)
    assert (len(ring(folder, "audit_seal")), list(sealing.verify())) == (1, [])


def test_the_key_of_sessions_stays_as_long_as_they_last(folder: Path, db: None) -> None:
    (old,) = ring(folder, "secret_key")
    rotation.begin("secret_key")
    new, fallback = ring(folder, "secret_key")
    assert fallback == old
    assert "older stay" in rotation.finish("secret_key", now=datetime.now(UTC) + timedelta(days=6))
    rotation.finish("secret_key", now=datetime.now(UTC) + LATER)
    assert ring(folder, "secret_key") == [new]


def test_a_running_process_uses_the_new_ring_from_its_next_use_on(folder: Path, db: None) -> None:
    before = keyring.value_seal()
    rotation.begin("value_seal")
    now = keyring.value_seal()
    assert now[1:] == before
    assert seal.unseal(now[:1], keyring.seal_value("plain", "p"), "p") == b"plain"


def test_a_file_that_is_away_for_a_moment_loses_nothing(folder: Path, db: None) -> None:
    before = keyring.value_seal()
    os.rename(folder / "value_seal", folder / "elsewhere")
    assert keyring.value_seal() == before


def test_a_ring_that_is_a_variable_is_its_operators_to_change(db: None) -> None:
    with pytest.raises(Conflict, match="STUDIO_VALUE_SEAL"):
        rotation.begin("value_seal")
    with pytest.raises(CommandError, match="STUDIO_VALUE_SEAL"):
        say("--only", "value_seal")


def test_two_at_once_do_not_lose_each_others_keys(folder: Path, db: None) -> None:
    with rotation.alone():
        with pytest.raises(CommandError, match="Another rotate-keys is at work"):
            say("--only", "secret_key")
        assert len(ring(folder, "secret_key")) == 1
    say("--only", "secret_key")
    assert len(ring(folder, "secret_key")) == 2


def test_abandoning_is_a_way_to_finish(folder: Path, db: None) -> None:
    with pytest.raises(CommandError, match="goes with --finish"):
        say("--abandon")
