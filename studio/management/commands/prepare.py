"""The step of `manage.py up` that needs the database: its newest shape, and the demo on the first run."""

from datetime import UTC, datetime
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from studio import demo, env
from studio.errors import Refusal
from studio.supervisor.folder import Folder


class Command(BaseCommand):
    help = "Migrate where there is something to migrate, and make the demo on the first run."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=1)
        if env.flag("STUDIO_DEMO", True):
            try:
                demo.complete(Folder(env.data_dir()), env.public_url(), now=datetime.now(UTC))
            except Refusal as refusal:
                raise CommandError(f"The demo cannot be made: {refusal.sentence}") from refusal
