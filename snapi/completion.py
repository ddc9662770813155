"""What the shell completes: names of tenants, projects, endpoints, models and nodes, asked for in passing.

Nothing may print or fail here, and nobody waits long: a shell in which the Tab key hangs is a broken one.
"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import typer

from snapi import config
from snapi.client import Client
from snapi.errors import SnapiError
from snapi.variables import COMPLETE

PATIENCE_SECONDS = 2.0
MOST = 100


def projects(ctx: typer.Context, incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: _column(client.list_projects(), "projects", "name"))


def tenants(ctx: typer.Context, incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: _column(client.list_tenants(), "data", "tenant_name"))


def endpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those of the project that is named already, or all."""
    project = ctx.params.get("project")
    return _names(incomplete, lambda client: _column(client.list_endpoints(project), "endpoints", "name"))


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: _column(client.list_models(), "models", "model_checkpoint_name"))


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    return _names(incomplete, lambda client: _column(client.list_nodes(), "nodes", "name"))


def archs(ctx: typer.Context, incomplete: str) -> list[str]:
    return _names(
        incomplete, lambda client: [str(each["arch"]) for each in client.tenant_info()["data"]["rdus"]]
    )


def _column(answer: dict[str, Any], rows: str, name: str) -> list[str]:
    return [str(row.get(name)) for row in answer[rows]]


def _names(incomplete: str, ask: Callable[[Client], list[str]]) -> list[str]:
    try:
        settings = config.load()
        with Client(replace(settings, timeout=min(settings.timeout, PATIENCE_SECONDS))) as client:
            found = ask(client)
    except (SnapiError, KeyError, TypeError):
        return []
    fitting = dict.fromkeys(name for name in found if name.startswith(incomplete) and name.isprintable())
    return [_as_word(name) for name in fitting][:MOST]


def _as_word(name: str) -> str:
    """Bash puts it on the line as it is, so a space is marked there."""
    if os.environ.get(COMPLETE, "").endswith("bash"):
        return re.sub(r"([^\w.-])", r"\\\1", name)
    return name
