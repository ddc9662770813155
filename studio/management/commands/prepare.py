"""The step of `manage.py up` that needs the database: its newest shape and hub, and the demo on the first run."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from studio import demo, env
from studio.errors import Refusal
from studio.hub.services import renew_catalogue
from studio.supervisor.folder import Folder


class Command(BaseCommand):
    help = "Migrate, bring the imported Model Hub up to date, and make the demo on the first run."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=1)
        now = datetime.now(UTC)
        try:
            renew_catalogue(store=settings.CHECKPOINT_STORE, now=now)
        except Refusal as refusal:
            raise CommandError(f"The Model Hub cannot be brought up to date: {refusal.sentence}") from refusal
        if env.flag("STUDIO_DEMO", True):
            try:
                demo.complete(Folder(env.data_dir()), env.public_url(), now=now)
            except Refusal as refusal:
                raise CommandError(f"The demo cannot be made: {refusal.sentence}") from refusal
