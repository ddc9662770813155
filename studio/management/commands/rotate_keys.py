"""New keys for what is sealed and signed: `manage.py rotate-keys`."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio import rotation
from studio.errors import Refusal


class Command(BaseCommand):
    help = (
        "Put a new key in front of each ring and make anew what older keys made, while the platform runs. Later,"
        " with --finish, take out the older keys that nothing needs any more. Both may be repeated at will."
        " With processes on several machines: --announce, copy the files, --promote, copy them, --finish, copy them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only",
            action="append",
            choices=rotation.RINGS,
            help="this ring only; may be given several times",
        )
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--finish", action="store_true", help="the second half: older keys go")
        step.add_argument("--announce", action="store_true", help="a new key is accepted, and not used yet")
        step.add_argument(
            "--promote", action="store_true", help="the key that was announced is used from now on"
        )
        parser.add_argument(
            "--abandon",
            action="store_true",
            help="with --finish: older peppers go though keys stand on them; nobody can use those keys any more",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def handle(self, *args: Any, only: list[str] | None, dry_run: bool, **options: Any) -> None:
        if options["abandon"] and not options["finish"]:
            raise CommandError("--abandon goes with --finish.")
        try:
            with rotation.alone():
                for name in only or rotation.RINGS:
                    self.stdout.write(_step(name, dry_run, options))
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None


def _step(name: str, dry_run: bool, options: dict[str, Any]) -> str:
    if options["finish"]:
        return rotation.finish(name, now=datetime.now(UTC), rehearse=dry_run, abandon=options["abandon"])
    if options["announce"]:
        return rotation.announce(name, rehearse=dry_run)
    if options["promote"]:
        return rotation.promote(name, rehearse=dry_run)
    return rotation.begin(name, rehearse=dry_run)
