"""The first OrgAdmin, from the command line."""

import sys
from datetime import UTC, datetime
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.errors import Refusal
from studio.tenants import services


class Command(BaseCommand):
    help = "Make an OrgAdmin, and the organization and the tenant `default` where they are missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="user name")
        parser.add_argument(
            "--operator", action="store_true", help="may use the Django admin and manage nodes too"
        )

    def handle(self, *args: Any, name: str, operator: bool, **options: Any) -> None:
        password = _ask_password()
        try:
            services.create_first_admin(
                name=name, password=password, operator=operator, now=datetime.now(UTC)
            )
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(f"{name} is an OrgAdmin{' and an operator' if operator else ''} now.")


def _ask_password() -> str:
    """Typed twice on a terminal, else the first line of standard input; never an argument, those are listed."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass("Password: ")
    if getpass("Again: ") != password:
        raise CommandError("The two passwords differ.")
    return password
