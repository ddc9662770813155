"""The database of the fuzzed management API: the cast with something of each kind in each of two tenants.

Prints JSON for `tests.fuzz.management`: the platform keys, and where the other tenant's things are.
"""

import json
import os
from datetime import UTC, datetime

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
django.setup()

from studio.tenants.rules import STUDIO  # noqa: E402  after Django is set up
from studio.tenants.services import new_platform_key  # noqa: E402
from tests.fuzz.management import SECRET  # noqa: E402
from tests.support.cast import PEOPLE, make_cast, make_node  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    cast, now = make_cast(), datetime.now(UTC)
    make_node("sn40l-1", 8)
    hello = cast.endpoint(name="hello", description="Answers questions")
    hidden = cast.project_of("oskar", name=f"{SECRET} project", description=SECRET)
    theirs = cast.endpoint(by="oskar", project=hidden, name=f"{SECRET} endpoint", description=SECRET)
    keys = {name: new_platform_key(actor=STUDIO, user=cast.users[name], now=now).reveal() for name in PEOPLE}
    told = {
        "keys": keys,
        "ours": _places(cast.project.pk, hello.pk, cast.first_key(hello).pk),
        "theirs": _places(hidden.pk, theirs.pk, cast.first_key(theirs).pk),
    }
    print(json.dumps(told))


def _places(project: object, endpoint: object, key: object) -> dict[str, str]:
    return {"project": str(project), "endpoint": str(endpoint), "apikey": str(key)}


if __name__ == "__main__":
    main()
