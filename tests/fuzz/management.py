"""schemathesis over the description of the management API, with the platform key of each role, on PostgreSQL.

No 500, no answer that is not described, and nothing of another tenant. What ends something comes in a second pass, or
there would be nothing left to ask for. The stream of a watch is left out: an answer is judged once it is complete, and
this one goes on for a minute, so that the examples of all roles would take hours. `tests/doors/rest/test_watching.py`
has its refusals and what it says. So is a new platform key, which would end the one that asks.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.served import served

PROGRAM = Path(__file__).parents[2] / ".venv-fuzz" / "bin" / "schemathesis"
EXAMPLES = 20
ENDINGS = ["--include-method", "DELETE", "--include-path-regex", "/(remove|revoke)$"]
NOT_NOW = ["--exclude-method", "DELETE", "--exclude-path-regex", "/(remove|revoke|watch|platform-key)$"]
SECRET = "classified"  # in every name of the tenant `research`, and in none of the other
SEES_ALL = "olga"  # the OrgAdmin


@dataclass(frozen=True)
class Round:
    """Somebody asks for things of one tenant. `passes`: schemathesis' words for what is asked."""

    person: str
    things: str = "ours"
    passes: tuple[tuple[str, ...], ...] = (tuple(NOT_NOW), tuple(ENDINGS))

    @property
    def name(self) -> str:
        return f"{self.person} and what is {self.things}"


# The last ones end things for good, so that those who may only look come first.
ROUNDS = [
    Round("mila"),
    Round("oskar", passes=(tuple(NOT_NOW),)),
    Round("owen", "theirs"),
    Round("otto"),
    Round("tina"),
    Round("owen"),
    Round("olga"),
]
# A body may be right by its schema and still name no model, or what the person may not see.
CONFIGURATION = """
color = false
request-timeout = 60
continue-on-failure = true
[auth.openapi]
PlatformKey = {{ bearer = "{key}" }}
[parameters]
"path.project" = "{project}"
"path.endpoint" = "{endpoint}"
"path.apikey" = "{apikey}"
"path.model" = "Help"
"path.node" = "sn40l-1"
"path.tenant" = "default"
"path.app" = "Tiny Chat"
[checks]
enabled = true
positive_data_acceptance.expected-statuses = ["200", "400", "403", "404", "409", "413", "422"]
"""


def run(examples: int, only: str | None = None) -> int:
    """1 when an answer of any round was not as described, or told of another tenant."""
    with tempfile.TemporaryDirectory(prefix="studio-fuzz-") as name:
        folder = Path(name)
        with served("tests.fuzz.world", log=folder / "web.log") as (url, told):
            rounds = [one for one in ROUNDS if only in {None, one.person}]
            codes = [_ask(one, url, told, folder, examples) for one in rounds]
        faults = list(_faults((folder / "web.log").read_text()))
    print(*faults, f"{len(faults)} faults in the log of web", sep="\n")
    return 1 if faults or any(codes) else 0


def _ask(one: Round, url: str, told: Any, folder: Path, examples: int) -> int:
    configuration, report = folder / "schemathesis.toml", folder / "answers.har"
    configuration.write_text(CONFIGURATION.format(key=told["keys"][one.person], **told[one.things]))
    code = 0
    for words in one.passes:
        print(f"\n=== {one.name} ===", flush=True)
        command = [
            PROGRAM,
            "--config-file",
            configuration,
            "run",
            f"{url}/api/openapi.json",
            "-n",
            str(examples),
        ]
        command += [*words, "--report-har-path", report]
        code |= subprocess.run(command, cwd=folder, check=False).returncode
        leaks = [] if one.person in (SEES_ALL, "oskar") else list(_leaks(json.loads(report.read_text())))
        print(*leaks, f"{len(leaks)} answers tell of another tenant", sep="\n", flush=True)
        code |= bool(leaks)
    return code


def _leaks(har: Any) -> Iterator[str]:
    """Answers with a name of the other tenant that their request did not have."""
    for entry in har["log"]["entries"]:
        said = entry["response"]["content"].get("text") or ""
        asked = json.dumps(entry["request"])
        if SECRET in said and SECRET not in asked:
            yield f"{entry['request']['method']} {entry['request']['url']}: {said[:200]}"


def _faults(log: str) -> Iterator[str]:
    """What web itself calls a failure."""
    for line in log.splitlines():
        if '"level": "error"' in line or "Traceback" in line:
            yield line[:2000]
