"""What operators do to a node, from the command line."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scheduler import services
from scheduler.selectors import node_named
from studio.errors import Refusal
from studio.tenants.rules import STUDIO

ACTIONS = {
    "cordon": (services.cordon_node, "takes no new instances; what runs stays"),
    "uncordon": (services.uncordon_node, "takes instances again"),
    "drain": (services.drain_node, "is emptied: replacements start elsewhere, then its instances end"),
    "remove": (services.remove_node, "is gone: its instances are over and its RDUs left the platform"),
}


class Command(BaseCommand):
    help = "Cordon, uncordon, drain or remove a node. Remove is your word that the machine is dead or empty."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(ACTIONS))
        parser.add_argument("name", help="the node's name")

    def handle(self, *args: Any, action: str, name: str, **options: Any) -> None:
        service, effect = ACTIONS[action]
        try:
            service(actor=STUDIO, node=node_named(name), now=datetime.now(UTC))
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(f"{name} {effect}.")
