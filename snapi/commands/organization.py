"""`snapi organization …`: what holds for every tenant."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.options import JsonOption
from snapi.output import label_block, show

app = typer.Typer(no_args_is_help=True)


@app.command(epilog="\b\nExample:\n  snapi organization info")
def info(json_output: JsonOption = False) -> None:
    """Show whether things may be shared with all tenants."""
    with Client(config.load()) as client:
        answer = client.organization_info()
    show(answer, json_output, _text(answer))


@app.command(epilog="\b\nExample:\n  snapi organization update --all-tenants")
def update(
    all_tenants: Annotated[
        bool,
        typer.Option(
            "--all-tenants/--no-all-tenants",
            help="Whether things may be shared with all tenants; taken back, what was stays with its own tenant.",
        ),
    ],
    json_output: JsonOption = False,
) -> None:
    """Change what holds for every tenant (OrgAdmins)."""
    with Client(config.load()) as client:
        answer = client.change_organization({"all_tenants_allowed": all_tenants})
    show(answer, json_output, _text(answer))


def _text(answer: dict[str, Any]) -> str:
    allowed = "allowed" if answer.get("all_tenants_allowed") else "not allowed"
    rows: list[tuple[str, object]] = [("Name", answer.get("name")), ("Sharing with all tenants", allowed)]
    if answer.get("closed"):
        rows.append(("No longer open to all", answer["closed"]))
    return label_block("Organization", rows)
