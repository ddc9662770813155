"""A node from the command line, with its join token in a 0600 file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scheduler.agent import disk
from scheduler.services import add_node
from studio.errors import Refusal
from studio.tenants.rules import STUDIO


class Command(BaseCommand):
    help = "Add a node and write the join token for its agent to a file that only you can read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the node's name, without spaces")
        parser.add_argument("--generation", required=True, help="e.g. SN40L")
        parser.add_argument("--rdus", type=int, required=True, help="how many the node has")
        parser.add_argument("--virtual", action="store_true", help="no device stands behind them")
        parser.add_argument("--token-file", type=Path, required=True, help="where to write the join token")

    def handle(
        self,
        *args: Any,
        name: str,
        generation: str,
        rdus: int,
        virtual: bool,
        token_file: Path,
        **options: Any,
    ) -> None:
        if token_file.exists():
            raise CommandError(f"{token_file} exists already; name another file.")
        now = datetime.now(UTC)
        try:
            _, token = add_node(
                actor=STUDIO, name=name, generation=generation, width=rdus, virtual=virtual, now=now
            )
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None
        disk.write(str(token_file), f"{token.reveal()}\n".encode())
        self.stdout.write(
            f"Node {name} waits for its agent. On its machine:\n"
            f"  STUDIO_NODE={name} STUDIO_NODE_DIR=<folder> STUDIO_NODE_TOKEN_FILE={token_file}"
            " STUDIO_BROKER_URL=<address> python -m scheduler.agent"
        )
