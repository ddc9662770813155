"""The support bundle: enough to understand a platform, and not one secret of it."""

import base64
import json
import os
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import OperationalError

from apikeys.models import ApiKey
from scheduler.models import Instance, Node
from studio import env, keyring
from studio.doctor import bundle
from studio.doctor.looking import Look, look
from studio.repeats.services import once
from studio.tenants.models import PlatformKey, User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.support.cast import TOKEN, Cast
from tests.support.site import Site

PASSWORD = "correct-horse-battery"
HASH = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def site(cast: Cast, control_broker: redis.Redis) -> Site:
    site = Site(cast, control_broker, name="hello")
    site.make_ready()
    return site


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STUDIO_DATA_DIR", str(tmp_path))
    (tmp_path / "logs").mkdir()
    return tmp_path


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive if entry.isfile()}
        return {
            name.removeprefix("studio-bundle/"): file.read().decode() for name, file in files.items() if file
        }


def written(folder: Path, found: Look | None = None) -> dict[str, str]:
    path = folder / "bundle.tar.gz"
    bundle.write(path, look=found, now=datetime.now(UTC))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return unpacked(path)


def every_secret(site: Site, folder: Path) -> dict[str, str]:
    """All there are in this world, by name, also in the forms in which programs print bytes."""
    owen = site.cast.users["owen"]
    User.objects.filter(pk=owen.pk).update(password=f"pbkdf2_sha256$870000$salt${HASH}")
    platform_key = new_platform_key(actor=STUDIO, user=owen, now=datetime.now(UTC)).reveal()
    once(
        actor=site.cast.owen, key="k", fingerprint=b"f", now=datetime.now(UTC),
        act=lambda: {"api_key": "an-answer-with-a-key"}, keep=lambda answer: answer,
    )  # fmt: skip
    told = {"users": {"owen": {"password": PASSWORD, "platform_key": platform_key}}}
    (folder / "first-run.json").write_text(json.dumps(told))
    key, row = ApiKey.objects.get(), site.row
    boxes = {
        "sealed key": key.sealed, "digest": key.digest, "platform digest": PlatformKey.objects.get().digest,
        "join box": Node.objects.get().sealed_token, "instance box": row.sealed_token,
    }  # fmt: skip
    names = ("secret_key", "key_pepper", "value_seal", "routes_seal", "routes_sign")
    return {
        "first key": keyring.open_value(key.sealed, "api key"),
        "instance token": keyring.open_value(row.sealed_token, "instance"),
        "platform key": platform_key,
        "password": PASSWORD,
        "hash": HASH,
        **{name: env.secret(name).reveal() for name in names},
        **{f"{name} in hex": bytes(box).hex() for name, box in boxes.items()},
        **{f"{name} in base64": base64.b64encode(bytes(box)).decode() for name, box in boxes.items()},
    }


def test_a_grep_finds_no_key_token_password_or_sealed_value(site: Site, folder: Path) -> None:
    secrets = every_secret(site, folder)
    lines = [
        form.format(value)
        for value in (*secrets.values(), TOKEN)
        for form in (
            "GET /x?key={} 200", "Authorization: Bearer {}", "password={}", '{{"token": "{}"}}',
            "join token: {}", "redis://:{}@host", "STUDIO_SECRET_KEY='{}'",
        )
    ]  # fmt: skip
    bare = [f"it said {value} and went on" for value in secrets.values()]
    (folder / "logs" / "web.log").write_text("\n".join([*lines, *bare]))
    Instance.objects.update(log_tail=["a customer's words"])
    files = written(folder, look(datetime.now(UTC)))
    whole = "\n".join(files.values())
    assert [name for name, value in secrets.items() if value in whole] == []
    assert TOKEN not in whole
    assert "customer" not in whole
    assert "hello" not in whole, "a tenant's name"


def test_it_holds_what_somebody_elsewhere_asks_for(site: Site, folder: Path) -> None:
    Node.objects.update(free=1)
    (folder / "logs" / "control.log").write_text(
        "".join(f"line {number}\n" for number in range(1000)) + f"endpoint {site.endpoint.pk} not settled\n"
    )
    files = written(folder, look(datetime.now(UTC)))
    told = {
        name.removesuffix(".json"): json.loads(text) for name, text in files.items() if name.endswith(".json")
    }
    assert set(told) == {*bundle.PARTS, "findings"}
    assert told["counts"]["instances"] == {"SN40L ready": 1}
    assert told["counts"]["endpoints"] == {"running": 1}
    assert told["nodes"][0]["name"] == "sn40l-1"
    assert told["reports"]["sn40l-1"]["instances"][0] == {
        "id": str(site.row.pk), "attempt": 1, "state": "ready", "error": "", "exit_code": None, "in_flight": None,
    }  # fmt: skip
    assert "free-drift" in [each["code"] for each in told["findings"]["findings"]]
    assert "scheduler 0001_initial" in told["migrations"]
    assert told["routes"]["endpoints"] == 1
    assert told["versions"]["packages"]["django"].startswith("5.2")
    assert told["settings"]["variables"]["STUDIO_VALUE_SEAL"] != os.environ["STUDIO_VALUE_SEAL"]
    log = files["logs/control.log"].splitlines()
    assert len(log) == bundle.LINES
    assert log[-1] == f"endpoint {site.endpoint.pk} not settled", "the id of a thing is no secret"


def test_a_value_of_a_setting_is_told_only_where_it_is_listed(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_USAGE_DAYS", "7")
    monkeypatch.setenv("STUDIO_ANYTHING_NEW", "blue")
    told = json.loads(written(folder)["settings.json"])["variables"]
    assert told["STUDIO_USAGE_DAYS"] == "7"
    assert told["STUDIO_ANYTHING_NEW"] == "set"


def test_what_is_away_takes_its_part_with_it_and_no_other(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    monkeypatch.setattr("studio.enqueue._client", nowhere)

    def away(*_: Any) -> Any:
        raise OperationalError("connection to postgres://studio:hunter2@db failed")

    monkeypatch.setitem(bundle.PARTS, "counts", away)
    files = written(folder)
    assert files["counts.json"] == '"not there: OperationalError"'
    assert files["reports.json"] == '"not there: ConnectionError"'
    assert json.loads(files["nodes.json"])[0]["name"] == "sn40l-1"
    assert files["findings.json"] == '"could not look"'
