"""A PostgreSQL cluster for one run: made in a temporary folder, reached by its Unix socket, gone afterwards.

In a folder that is named it stays, and the next run finds it as it was.

From Python `with cluster() as url: …`; around a command
`python -m tests.support.postgres -- pytest -m "db or postgres"`, which sees it as `STUDIO_DATABASE_URL`.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.requirements import required
from tests.support.waiting import eventually

OWNER = "postgres"
# Nothing of a test survives a power cut, and nothing needs to.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
}


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`: the newest of Debian's, else from the PATH."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda folder: float(folder.parent.name),
    )
    if found:
        return found[-1]
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextlib.contextmanager
def cluster(keep: Path | None = None) -> Iterator[str]:
    """Yields `postgres://postgres@/studio?host=<socket folder>`. Raises LookupError without PostgreSQL.

    `keep`: a short path for one that stays.
    """
    binaries = programs()
    if binaries is None:
        raise LookupError("PostgreSQL is not installed.")
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield from _serve(binaries, keep.absolute())
        return
    folder = Path(tempfile.mkdtemp(prefix="studio-pg-", dir="/tmp"))  # socket paths have to be short
    try:
        yield from _serve(binaries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(binaries: Path, folder: Path) -> Iterator[str]:
    identity = _unprivileged(folder)
    data = folder / "data"
    is_new = not data.exists()
    if is_new:
        make = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            OWNER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=folder, **identity)
    flags = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, *flags],
            stdout=log, stderr=log, cwd=folder, start_new_session=True, **identity,
        )  # fmt: skip
    try:
        eventually(lambda: _answers(binaries, folder, server), timeout=30, what="PostgreSQL answers")
        if is_new:
            create = [binaries / "createdb", "-h", folder, "-U", OWNER, "studio"]
            subprocess.run(create, check=True, cwd=folder)
        yield f"postgres://{OWNER}@/studio?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # "fast": ends what is connected
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(binaries: Path, folder: Path, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        raise RuntimeError(f"PostgreSQL ended at its start: {(folder / 'log').read_text()}")
    ready = [binaries / "pg_isready", "-q", "-h", folder, "-U", OWNER]
    return subprocess.run(ready, check=False).returncode == 0


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: root hands the folder to the user `postgres`."""
    if os.geteuid() != 0:
        return {}
    try:
        owner = pwd.getpwnam(OWNER)
    except KeyError:
        owner = pwd.getpwnam("nobody")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        raise SystemExit("usage: python -m tests.support.postgres -- <command>")
    if programs() is None:
        print(
            "SKIPPED on PostgreSQL: it is not installed; the database tests run on SQLite only.", flush=True
        )
        return 1 if "postgres" in required() else 0
    with cluster() as url:
        print("The database tests on PostgreSQL:", flush=True)
        return subprocess.run(command, env={**os.environ, "STUDIO_DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
