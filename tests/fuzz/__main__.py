"""schemathesis over the descriptions of the predictions and of the management API. `python -m tests.fuzz`

Predictions are asked of a gateway with fake instances, each round with the key of one kind of endpoint; for the rest
see `tests.fuzz.management`. Exit code 1 when an answer of any round is not as described.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from endpoints.gateway import openapi
from tests.fuzz import management
from tests.gateway import fake, fuzzed
from tests.gateway.control import PROJECT, Control
from tests.gateway.test_process import gateway, status_of
from tests.support import broker as brokers
from tests.support.waiting import eventually_async

PROGRAM = Path(__file__).parents[2] / ".venv-fuzz" / "bin" / "schemathesis"
EMBEDS_NOT = "/(chat/completions|completions|responses)$|/stream/"
EXAMPLES = 50
DEADLINE_SECONDS = 30


@dataclass(frozen=True)
class Round:
    """`left_out`: the paths that this kind of endpoint refuses whatever is asked."""

    name: str
    left_out: str


ROUNDS = [Round("hello", "/embeddings$"), Round("embeds", EMBEDS_NOT), Round("stopped", "")]
# A body may be right by its schema and still name no model, or hold a prompt that is no conversation.
CONFIGURATION = """
color = false
request-timeout = 60
continue-on-failure = true
[auth.openapi]
bearer = {{ bearer = "{key}" }}
[parameters]
"path.project" = "{project}"
"path.endpoint" = "{endpoint}"
"path.model" = "Help"
[checks]
enabled = true
not_a_server_error.expected-statuses = {expected}
positive_data_acceptance.expected-statuses = {accepted}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=EXAMPLES, help="test cases for each path in each phase"
    )
    kinds, people = [one.name for one in ROUNDS], [one.person for one in management.ROUNDS]
    parser.add_argument("--only", choices=[*kinds, *people], help="this endpoint or this person alone")
    told = parser.parse_args()
    code = 0
    if told.only not in people:
        rounds = [one for one in ROUNDS if told.only in {None, one.name}]
        code |= asyncio.run(_run(rounds, told.examples))
    if told.only not in kinds:
        code |= management.run(told.examples, told.only)
    return code


async def _run(rounds: list[Round], examples: int) -> int:
    with tempfile.TemporaryDirectory(prefix="studio-fuzz-") as folder:
        async with _serving(Path(folder)) as url:
            codes = [await _ask(one, url, Path(folder), examples) for one in rounds]
        log = (Path(folder) / "gateway.log").read_text()
    faults = [line for line in log.splitlines() if '"error"' in line or "Traceback" in line]
    print(*faults, f"{len(faults)} faults in the gateway's log", sep="\n")
    return 1 if faults or any(codes) else 0


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[str]:
    """The address of a gateway with an endpoint of each kind."""
    names = [f"instance-of-{name}" for name in fuzzed.SERVING]
    with brokers.embedded() as broker, broker.client() as client:
        control = Control(client)
        async with fake.started(*names) as instances:
            with gateway(control, broker, folder / "gateway.log") as (process, port):
                for route in fuzzed.routes(control, instances, DEADLINE_SECONDS):
                    control.publish(route)
                control.complete()
                await eventually_async(lambda: status_of(process, port, "/readyz") == 200)
                yield f"http://127.0.0.1:{port}"
            await eventually_async(lambda: len(asyncio.all_tasks()) == 1, what="no connection is left")


async def _ask(one: Round, url: str, folder: Path, examples: int) -> int:
    """schemathesis' exit code; it prints by itself. The instances answer meanwhile, in this process."""
    stopped = one.name == "stopped"
    configuration = folder / f"{one.name}.toml"
    configuration.write_text(
        CONFIGURATION.format(
            key=fuzzed.key_of(one.name),
            project=PROJECT,
            endpoint=fuzzed.NAMES[one.name],
            expected='["2xx", "3xx", "4xx", "503"]' if stopped else '["2xx", "3xx", "4xx"]',
            accepted='["200", "503"]' if stopped else '["200", "400", "404"]',
        )
    )
    left_out = ["--exclude-path-regex", one.left_out] if one.left_out else []
    print(f"\n=== with the key of an endpoint of the kind: {one.name} ===", flush=True)
    command = ["--config-file", configuration, "run", url + openapi.PATH, "-n", str(examples), *left_out]
    running = await asyncio.create_subprocess_exec(PROGRAM, *command, cwd=folder)
    return await running.wait()


if __name__ == "__main__":
    sys.exit(main())
