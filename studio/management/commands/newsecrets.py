"""The platform's own keys as files, for processes that are started one by one."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from studio import env
from studio.supervisor import keyfiles
from studio.supervisor.refusal import CannotStart


def main() -> int:
    """Works before any settings, which read these files."""
    folder = env.secrets_dir()
    try:
        keyfiles.ensure(Path(folder), has_data=False)
    except CannotStart as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"The secrets stand in {folder}. Keep a copy: what is sealed with them is lost without them.")
    return 0


class Command(BaseCommand):
    help = "Write the platform's own keys to 0600 files in STUDIO_SECRETS_DIR; those that exist stay."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(main())
