"""The audit from the command line: whether it still stands as it was written, and all of it as JSON lines."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints.usage.rules import moment_of
from scheduler.agent import disk
from studio.audit import sealing
from studio.audit.selectors import Filters, narrowed, readable, told_in_batches
from studio.errors import Refusal
from studio.tenants.models import Tenant
from studio.tenants.rules import STUDIO

MOST_SAID = 1000  # findings; whoever changed more has changed everything


class Command(BaseCommand):
    help = "Look whether the audit stands as it was written, or print it."

    def add_arguments(self, parser: CommandParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        verify = deeds.add_parser(
            "verify", help="find changed, missing, inserted and moved rows; exit code 1 where there are any"
        )
        verify.add_argument("--tenant", help="the chain of this tenant only (name or id)")
        verify.add_argument(
            "--heads",
            type=Path,
            help="a file, best on another machine's disk, with the ends of the chains: they are compared with it, and"
            " it is written anew where all is well. It shows also that nobody put back an older state of the database",
        )

        export = deeds.add_parser("export", help="print the audit as JSON lines, newest first")
        export.add_argument("--tenant", default="", help="of this tenant only (name or id)")
        for name, about in (("person", "who did it"), ("verb", "what was done"), ("thing", "to what")):
            export.add_argument(f"--{name}", default="", help=about)
        export.add_argument("--since", default="", help="how long ago (24h, 7d), or a moment (ISO 8601)")
        export.add_argument("--until", default="", help="the same; what happened then is not in it")

    def handle(self, *args: Any, deed: str, **options: Any) -> None:
        if deed == "verify":
            self._verify(options["tenant"], options["heads"])
        else:
            self._export(options)

    def _export(self, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        try:
            since, until = (
                moment_of(name, options[name], now) if options[name] else None for name in ("since", "until")
            )
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from None
        named = {name: options[name] for name in ("tenant", "person", "verb", "thing")}
        rows = narrowed(readable(STUDIO), Filters(**named, since=since, until=until))
        for batch in told_in_batches(rows):
            for row in batch:
                self.stdout.write(json.dumps(row, ensure_ascii=False))

    def _verify(self, tenant: str | None, heads: Path | None) -> None:
        names = {row.pk.hex: row.name for row in Tenant.objects.all()}
        seen = sealing.Verified()
        count = 0
        for finding in self._findings(tenant, heads, names, seen):
            count += 1
            if count > MOST_SAID:
                self.stdout.write("... and more.")
                break
            whose = names.get(finding.chain, finding.chain) or "the platform"
            self.stdout.write(f"{whose}: {finding.what}.")
        looked = f"{seen.rows} sealed rows in {seen.chains} chains, {seen.unsealed} not sealed yet"
        if count:
            raise CommandError(
                f"The audit does not stand as it was written. Looked at {looked}.", returncode=1
            )
        if heads:
            disk.write(str(heads), json.dumps(sealing.heads(), indent=2).encode() + b"\n")
        self.stdout.write(f"The audit stands as it was written: {looked}.")

    def _findings(
        self, tenant: str | None, heads: Path | None, names: dict[str, str], seen: sealing.Verified
    ) -> Any:
        if heads and heads.exists():
            yield from sealing.compare(_read(heads))
        yield from sealing.verify(chain=_chain(tenant, names), seen=seen)


def _chain(tenant: str | None, names: dict[str, str]) -> str | None:
    if tenant is None:
        return None
    wanted = tenant.replace("-", "").lower()
    for chain, name in names.items():
        if wanted == chain or tenant.lower() == name.lower():
            return chain
    raise CommandError(f"There is no tenant {tenant!r}.")


def _read(heads: Path) -> dict[str, tuple[int, str]]:
    try:
        return {
            str(name): (int(place), str(seal))
            for name, (place, seal) in json.loads(heads.read_text()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CommandError(f"{heads} cannot be read: {error}") from None
