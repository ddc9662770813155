"""After the database was restored from a backup: what control says from now on counts as newer."""

from typing import Any

import redis
from django.core.management.base import BaseCommand

from endpoints.wire import MARKER
from scheduler import registers, wire
from scheduler.driver import mint_incarnation
from scheduler.models import Node
from scheduler.selectors import incarnation
from studio import enqueue


class Command(BaseCommand):
    help = (
        "Run once after restoring the database, before web and control start: nodes and gateways refuse what is"
        " older than what they know, and a restored database counts from where the backup was."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            known = _known_to_the_broker()
        except redis.RedisError:
            known = 0
            self.stderr.write(
                "The broker does not answer, so only the database's own number was looked at;"
                " control goes higher by itself when it meets a newer one."
            )
        mint_incarnation(above=max(incarnation(), known))
        self.stdout.write(f"Control is in incarnation {incarnation()} now.")


def _known_to_the_broker() -> int:
    """The newest incarnation that a wish or the table of routes speaks of. Raises `redis.RedisError`."""
    broker = enqueue.broker()
    wishes = (registers.get_wish(broker, name) for name in Node.objects.values_list("name", flat=True))
    marker = (broker.get(MARKER) or b"").decode().partition(":")[0]  # type: ignore[union-attr]
    return max([0, *(wire.unpacked(wish[0])[0] for wish in wishes if wish), int(marker or 0)])
