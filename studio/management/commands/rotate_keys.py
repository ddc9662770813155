"""New keys for what is sealed and signed: `manage.py rotate-keys`."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio import rotation
from studio.errors import Refusal


class Command(BaseCommand):
    help = (
        "Put a new key in front of each ring and seal anew what older keys sealed, while the platform runs. Later,"
        " with --finish, take out the older keys that nothing needs any more. Both may be repeated at will."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only",
            action="append",
            choices=rotation.RINGS,
            help="this ring only; may be given several times",
        )
        parser.add_argument("--finish", action="store_true", help="the second half: older keys go")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, only: list[str] | None, finish: bool, dry_run: bool, **options: Any) -> None:
        for name in only or rotation.RINGS:
            try:
                if finish:
                    said = rotation.finish(name, now=datetime.now(UTC), rehearse=dry_run)
                else:
                    said = rotation.begin(name, rehearse=dry_run)
            except Refusal as refusal:
                raise CommandError(refusal.sentence) from None
            self.stdout.write(said)
