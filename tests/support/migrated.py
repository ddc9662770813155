"""An empty SQLite database with today's tables: migrated once in a run, then copied to whoever begins with one."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.environment import shared_folder

ROOT = Path(__file__).parents[2]


def put(file: Path) -> None:
    """The first one of a run who asks makes it, in a process of its own; others wait for that."""
    made = shared_folder() / "migrated.sqlite3"
    with (made.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _migrate(made.with_suffix(".draft"))
            made.with_suffix(".draft").replace(made)
    shutil.copyfile(made, file)


def _migrate(file: Path) -> None:
    file.unlink(missing_ok=True)
    told = {**os.environ, "STUDIO_DATABASE_URL": f"sqlite:///{file}"}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=told, check=True)
