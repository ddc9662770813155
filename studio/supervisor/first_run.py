"""`first-run.json` and the configuration of `snapi` beside it: written by the demo, kept true here."""

import json
from typing import Any

from scheduler.agent import disk
from studio.supervisor.folder import Folder


def read(folder: Folder) -> dict[str, Any]:
    return disk.read_json(str(folder.first_run)) or {}


def write(folder: Folder, content: dict[str, Any]) -> None:
    """The file last: whoever sees it finds the configuration of `snapi` in place too."""
    owen = content["users"]["owen"]
    snapi = folder.root / "snapi"
    snapi.mkdir(mode=0o700, exist_ok=True)
    config = {
        "HOST_NAME": content["url"],
        "CONFIG_DIR": str(snapi),
        "DISABLE_SSL_WARNINGS": "false",
        "TENANT_ID": owen["tenant"],
    }
    disk.write(str(snapi / "config.json"), json.dumps(config, indent=2).encode() + b"\n")
    disk.write(str(snapi / "secret.txt"), owen["platform_key"].encode() + b"\n")
    disk.write(str(folder.first_run), json.dumps(content, indent=2).encode() + b"\n")


def follow_address(folder: Folder, url: str) -> None:
    """The platform may start at another address than the first time; what people copy from must say so."""
    content = read(folder)
    if content and content["url"] != url:
        content["url"] = url
        write(folder, content)
