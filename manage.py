#!/usr/bin/env python
"""Operators' commands; `manage.py help` lists them."""

import os
import sys

from studio.env import BadSetting


def main() -> None:
    if sys.argv[1:] == ["up"]:
        # Before any settings: its first run makes the secrets that they read.
        from studio.supervisor.main import up  # noqa: PLC0415  needed by this command only

        sys.exit(up())
    if sys.argv[1:] == ["newsecrets"]:
        from studio.management.commands.newsecrets import main as new_secrets  # noqa: PLC0415  the same

        sys.exit(new_secrets())
    if sys.argv[1:2] == ["rotate-keys"]:
        sys.argv[1] = "rotate_keys"  # a module's name has no dash
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415  settings first

    try:
        execute_from_command_line(sys.argv)
    except BadSetting as refusal:
        if sys.argv[1:2] != ["doctor"]:
            raise
        print(refusal, file=sys.stderr)
        sys.exit(2)  # its word for "could not look"


if __name__ == "__main__":
    main()
