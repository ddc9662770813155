"""What the pages cost the server: `python -m tests.bench.pages`.

For each size a throw-away database is filled (5,000 nodes, 10,000 keys) and every page is asked for, by Django's own
test client. Prints the medians beside the goals and asserts nothing; that queries do not grow with what is shown, the
tests of the doors assert.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.pages import report
from tests.bench.pages.report import Sized
from tests.support import environment, postgres

ROOT = Path(__file__).parents[3]


def main() -> None:
    options = _options()
    try:
        found = [_sized(size, options) for size in options.endpoints]
    finally:
        if environment.own_folder:
            shutil.rmtree(environment.own_folder, ignore_errors=True)
    print(json.dumps(report.figures(found), indent=2) if options.json else report.text(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument(
        "--endpoints", type=_sizes, default=[1_000, 100_000], help="sizes, separated by commas"
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default=_best_database())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument(
        "--keep", type=Path, help="a folder for the filled databases, which the next run uses again"
    )
    parser.add_argument("--explain", action="store_true", help="queries that took long, to standard error")
    parser.add_argument("--json", action="store_true", help="all figures, for programs")
    return parser.parse_args()


def _sizes(said: str) -> list[int]:
    return [int(size.replace("_", "")) for size in said.split(",")]


def _best_database() -> str:
    return "postgres" if postgres.programs() else "sqlite"


def _sized(size: int, options: argparse.Namespace) -> Sized:
    words = ["--endpoints", str(size), "--rounds", str(options.rounds), "--only", options.only]
    words += ["--explain"] if options.explain else []
    with _database(options.database, size, options.keep) as url:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.pages.child", *words], cwd=ROOT,
            env={**os.environ, "STUDIO_DATABASE_URL": url}, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    return Sized.read(size, options.database, json.loads(done.stdout))


@contextlib.contextmanager
def _database(kind: str, size: int, keep: Path | None) -> Iterator[str]:
    if kind == "postgres":
        with postgres.cluster(keep / f"pages-{size}" if keep else None) as url:
            yield url
    else:
        file = (keep or Path(os.environ["STUDIO_DATA_DIR"])).absolute() / f"pages-{size}.sqlite3"
        file.parent.mkdir(parents=True, exist_ok=True)
        yield f"sqlite:///{file}"
        if not keep:
            file.unlink()


if __name__ == "__main__":
    main()
