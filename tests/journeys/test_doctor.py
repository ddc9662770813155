"""The doctor at a platform that runs: it finds nothing, and what somebody broke it mends."""

import json
import tarfile
from pathlib import Path

from tests.support.platform import Platform
from tests.support.waiting import eventually


def test_a_running_platform_is_healthy_and_its_bundle_tells_no_secret(up: Platform, tmp_path: Path) -> None:
    def healthy() -> bool:
        looked = up.manage("doctor", "--json", "--pause", "2")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        return True

    # Other journeys may just have stopped something: what is left of that is gone within moments.
    eventually(healthy, timeout=60, every=1, what="nothing is wedged")
    bundle = tmp_path / "bundle.tar.gz"
    assert up.manage("doctor", "--bundle", str(bundle)).returncode == 0
    with tarfile.open(bundle) as archive:
        files = {entry.name: archive.extractfile(entry).read().decode() for entry in archive}
    assert {"studio-bundle/logs/control.log", "studio-bundle/logs/gateway.log"} <= set(files)
    whole = "\n".join(files.values())
    told = up.first_run
    secrets = [person[kind] for person in told["users"].values() for kind in ("password", "platform_key")]
    secrets += [told["endpoint"]["api_key"]]
    secrets += [
        path.read_text().strip() for path in (up.folder / "secrets").iterdir() if "verify" not in path.name
    ]
    secrets += [path.read_text().strip() for path in up.folder.glob("nodes/*/token")]
    assert [secret for secret in secrets if secret in whole] == []
    assert json.loads(files["studio-bundle/reports.json"])
