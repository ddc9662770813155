"""The database of `test_gui_standing.py`: the cast of the browser tests and an endpoint of owen.

Prints JSON: each person's platform key, a session of theirs for each browser, and where the endpoint is.
"""

import json
import os
from datetime import UTC, datetime

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
django.setup()

from django.conf import settings  # noqa: E402  after Django is set up
from django.test import Client  # noqa: E402

from studio.tenants.rules import STUDIO  # noqa: E402
from studio.tenants.services import new_platform_key  # noqa: E402
from tests.browser.world import World  # noqa: E402

PEOPLE = ("olga", "tina", "owen", "mila", "oskar")
BROWSERS = 4


def main() -> None:
    call_command("migrate", verbosity=0)
    settings.ALLOWED_HOSTS = ["testserver"]
    world, now = World(), datetime.now(UTC)
    endpoint = world.endpoint()
    keys = {name: new_platform_key(actor=STUDIO, user=world.user(name), now=now).reveal() for name in PEOPLE}
    told = {
        "keys": keys,
        "sessions": {name: [_session(world, name) for _ in range(BROWSERS)] for name in PEOPLE},
        "project": str(world.project.pk),
        "endpoint": str(endpoint.pk),
    }
    print(json.dumps(told))


def _session(world: World, name: str) -> str:
    client = Client()
    client.force_login(world.user(name), backend="studio.accounts.sessions.People")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


if __name__ == "__main__":
    main()
