"""What is wedged, and mending it: for three in the morning (`docs/operating.md`)."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from studio.doctor import bundle
from studio.doctor.looking import Look, examine
from studio.doctor.repairs import repair
from studio.doctor.rules import Finding, as_plain
from studio.errors import Refusal

HEALTHY, FINDINGS, BLIND = 0, 1, 2
PAUSE = 8.0  # seconds: longer than a round of every part of control, and than an agent takes to end a process


class Command(BaseCommand):
    help = (
        "Look for what is wedged, twice, so that passing moments do not count. Exit code 0: healthy; 1: something was"
        " found (and is still there after --repair); 2: could not look."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="mend what is found; asks for each")
        parser.add_argument("--yes", action="store_true", help="with --repair: ask nothing")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--pause", type=float, default=PAUSE, help="seconds between the two looks")
        parser.add_argument("--bundle", type=Path, metavar="FILE", help="write a support bundle (tar.gz)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"] and options["repair"] and not options["yes"]:
            raise CommandError("--json asks no questions: add --yes to --repair.", returncode=BLIND)
        look = self._look(options["pause"], bundling=options["bundle"])
        if options["bundle"]:
            self._bundle(options["bundle"], look)
        if look is None:
            sys.exit(BLIND)
        mended: list[str] = []
        if options["repair"] and look.findings:
            mended = self._repair(look.findings, ask=not options["yes"], quiet=options["json"])
            look = self._look(options["pause"], bundling=None) or look
        self._say(look, mended, as_json=options["json"])
        sys.exit(FINDINGS if look.findings else HEALTHY)

    def _look(self, pause: float, *, bundling: Path | None) -> Look | None:
        """None where it cannot look and a bundle is wanted all the same."""
        try:
            if _has_pending_migrations():
                raise CommandError(
                    "The database is of another version; run manage.py prepare.", returncode=BLIND
                )
            return examine(clock=partial(datetime.now, UTC), pause=partial(time.sleep, pause))
        except (DatabaseError, CommandError) as error:
            says = f"Could not look: {error}" if isinstance(error, CommandError) else _away(error)
            if bundling is None:
                raise CommandError(says, returncode=BLIND) from error
            self.stderr.write(says)
            return None

    def _bundle(self, path: Path, look: Look | None) -> None:
        try:
            bundle.write(path, look=look, now=datetime.now(UTC))
        except OSError as error:
            raise CommandError(
                f"The bundle cannot be written to {path}: {error.strerror}.", returncode=BLIND
            ) from error
        self.stderr.write(f"The bundle is {path}. Keys, tokens and passwords were left out of it.")

    def _repair(self, findings: Sequence[Finding], *, ask: bool, quiet: bool) -> list[str]:
        mended = []
        for finding in findings:
            if not finding.repairs or (ask and not self._agreed(finding)):
                continue
            try:
                repair(finding, now=datetime.now(UTC))
            except Refusal as refusal:
                self.stderr.write(f"{finding.sentence} Not mended: {refusal.sentence}")
            else:
                mended.append(finding.sentence)
                if not quiet:
                    self.stdout.write(f"{finding.sentence} Done: {finding.repairs}.")
        return mended

    def _agreed(self, finding: Finding) -> bool:
        self.stdout.write(f"{finding.sentence} The repair {finding.repairs}.")
        return input("Do it? [y/N] ").strip().lower() in ("y", "yes")

    def _say(self, look: Look, mended: Sequence[str], *, as_json: bool) -> None:
        if as_json:
            said = {
                "findings": as_plain(look.findings),
                "mended": list(mended),
                "not_looked_at": look.unlooked,
            }
            self.stdout.write(json.dumps(said, indent=2))
            return
        for finding in look.findings:
            way = f"--repair {finding.repairs}." if finding.repairs else ""
            self.stdout.write(" ".join(part for part in (finding.sentence, finding.remedy, way) if part))
        for part in look.unlooked:
            self.stdout.write(f"Not looked at: {part}.")
        if not look.findings:
            self.stdout.write("Healthy: nothing is wedged.")


def _has_pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _away(error: DatabaseError) -> str:
    """The kind alone: a driver's own words may hold the database's address."""
    return f"Could not look: the database does not answer ({type(error).__name__})."
