"""What a person reads on their terminal once the platform answers."""

import json
import shlex
from typing import Any

from scheduler.agent import disk
from studio.supervisor.folder import Folder
from studio.supervisor.programs import HOME

QUESTION = "How do I create an endpoint?"
# Reads the key where it lies, so that it stands neither on the terminal nor in whatever keeps its lines.
READ_KEY = 'import json, sys; print(json.load(open(sys.argv[1]))["endpoint"]["api_key"])'


def greeting(folder: Folder, url: str, python: str) -> str:
    first = disk.read_json(str(folder.first_run))
    lines = [f"Studio runs at {url}", "", *(_demo(folder, first, python) if first else _empty(python))]
    return "\n".join([*lines, "", "Ctrl-C stops everything."])


def _demo(folder: Folder, first: dict[str, Any], python: str) -> list[str]:
    return [
        f"  Sign in as owen; the password stands in {folder.first_run}.",
        f"  Ask the model behind the endpoint {first['endpoint']['name']}:",
        "",
        *(f"    {line}" for line in curl(folder, first, python)),
    ]


def curl(folder: Folder, first: dict[str, Any], python: str) -> list[str]:
    """Two lines for a shell."""
    read = shlex.join([python, "-c", READ_KEY, str(folder.first_run)])
    url = shlex.quote(first["url"] + first["endpoint"]["url"])
    body = shlex.quote(json.dumps({"instances": [QUESTION]}))
    return [
        f"key=$({read})",
        f'curl -sS {url} -H "key: $key" -H "Content-Type: application/json" -d {body}',
    ]


def _empty(python: str) -> list[str]:
    return [
        "  There is no demo here. The first OrgAdmin, and every later one, is made with:",
        "",
        f"    {shlex.join([python, str(HOME / 'manage.py'), 'createadmin', 'NAME'])}   (--operator: and operator)",
    ]
