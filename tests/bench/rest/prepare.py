"""The large platform of `tests.bench.pages` in the database that the environment names; prints whom to ask as."""

import argparse
import json
from datetime import UTC, datetime

from tests.bench.pages.child import prepare  # isort: skip  it sets Django up
from studio.tenants.models import User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key
from tests.support.cast import PEOPLE


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rest.prepare")
    parser.add_argument("--endpoints", type=int, required=True)
    places = prepare(parser.parse_args().endpoints)
    now = datetime.now(UTC)
    people = {user.username: user for user in User.objects.filter(username__in=PEOPLE)}
    keys = {
        name: new_platform_key(actor=STUDIO, user=user, now=now).reveal() for name, user in people.items()
    }
    print(json.dumps({"keys": keys, "project": str(places.project)}))


if __name__ == "__main__":
    main()
