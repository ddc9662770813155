"""From a runtime's template to an argument list and an environment. No shell, named fields only."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from scheduler.agent import procs
from scheduler.wire import Wished

FIELD = re.compile(r"\{([^{}]*)\}")


class BadTemplate(ValueError):
    """The runtime asks for a field that does not exist; the message is for people."""


@dataclass(frozen=True, slots=True)
class Launch:
    argv: list[str]
    env: dict[str, str]  # additions to the agent's own environment


def render(wished: Wished, *, folder: Path, host: str, port: int) -> Launch:
    """Raises `BadTemplate`. `folder` is where the checkpoint lies."""
    runtime = wished.runtime
    devices = ",".join(str(index) for index in wished.rdus)
    fields = {
        "path": str(folder),
        "gguf": str(folder / "model.gguf"),
        "host": host,
        "port": str(port),
        "name": wished.name,
        "rdus": str(len(wished.rdus)),
        "devices": devices,
        "python": sys.executable,
    }
    if runtime.parallel:
        fields["parallel"] = str(runtime.parallel)
    if not runtime.argv:
        raise BadTemplate(f"The runtime {runtime.name} {runtime.version} has no command.")
    # A model server loads what the manifest named, and asks no hub for more.
    env = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    env |= {name: substituted(value, fields) for name, value in runtime.env.items()}
    if runtime.device_env:
        env[runtime.device_env] = devices
    return Launch([substituted(item, fields) for item in runtime.argv], env)


def substituted(text: str, fields: dict[str, str]) -> str:
    """Each `{name}` replaced once; what a value itself contains is left alone."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in fields:
            known = " ".join(f"{{{name}}}" for name in fields)
            raise BadTemplate(f"The runtime's template has an unknown field {match[0]}; known are {known}.")
        return fields[match[1]]

    return FIELD.sub(value, text)


def inherited(environment: dict[str, str], *, instance: str, node: str, attempt: int) -> dict[str, str]:
    """What keeper and server take over of the agent's environment: all but the platform's own settings,
    which hold the way to the broker, and with the markers by which a process is recognised as ours."""
    kept = {name: value for name, value in environment.items() if not name.startswith("STUDIO_")}
    return {**kept, procs.INSTANCE: instance, procs.NODE: node, procs.ATTEMPT: str(attempt)}
