"""One size in a process of its own: the database that the environment names is filled, and every page measured.

Started by `tests.bench.pages`; prints JSON for it.
"""

import argparse
import gc
import json
import os
import time
from dataclasses import asdict

import django
import structlog
from django.core.management import call_command
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
os.environ.setdefault("STUDIO_DATABASE_POOL", "1")  # as the web process does
django.setup()

from tests.bench.pages import measure, world  # noqa: E402  after Django is set up


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages.child")
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    begun = time.monotonic()
    places = prepare(options.endpoints)
    world.somebody_at_the_desk()
    seconds = time.monotonic() - begun
    pages = [page for page in measure.pages_of(places) if options.only.lower() in page.name.lower()]
    gc.freeze()  # these two as well
    gc.set_threshold(5_000)
    figures, yardstick = measure.measure(pages, options.rounds, explain=options.explain)
    found = {
        "seconds_to_fill": seconds,
        "yardstick": yardstick,
        "figures": [asdict(each) for each in figures],
    }
    print(json.dumps(found))


def prepare(endpoints: int) -> world.Places:
    call_command("migrate", verbosity=0)
    if kept := world.kept():
        return kept
    found = world.fill(endpoints)
    if connection.vendor == "postgresql":  # does so by itself, but later
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return found


if __name__ == "__main__":
    main()
