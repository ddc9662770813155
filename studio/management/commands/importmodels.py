"""The models of the checkpoint store, brought into the Model Hub."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from studio.errors import Refusal
from studio.hub.services import import_catalogue


class Command(BaseCommand):
    help = "Bring the catalogue of the checkpoint store (STUDIO_STORE) into the Model Hub; repeat it at will."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            import_catalogue(store=settings.CHECKPOINT_STORE, now=datetime.now(UTC))
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None
        self.stdout.write(f"The Model Hub holds the models of {settings.CHECKPOINT_STORE}.")
