"""Listed here for `manage.py help`; `manage.py up` comes this way only when the secrets exist already."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from studio.supervisor.main import up


class Command(BaseCommand):
    help = "Start everything on this machine and print the address; Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(up())
