"""A person's platform API key from the command line."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.tenants.models import User
from studio.tenants.rules import STUDIO
from studio.tenants.services import new_platform_key


class Command(BaseCommand):
    help = "Make a platform API key for a user and print it, this once; their old one stops working."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="user name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        user = User.objects.filter(username__iexact=name).first()
        if user is None:
            raise CommandError(f"There is no user {name!r}.")
        key = new_platform_key(actor=STUDIO, user=user, now=datetime.now(UTC))
        self.stdout.write(key.reveal())
