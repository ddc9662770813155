"""`snapi app …`: the ML Apps that models belong to."""

import typer

from snapi import config
from snapi.client import Client
from snapi.options import JsonOption
from snapi.output import grid, section, show

app = typer.Typer(no_args_is_help=True)


@app.command("list", epilog="\b\nExample:\n  snapi app list")
def list_(json_output: JsonOption = False) -> None:
    """List the ML Apps."""
    with Client(config.load()) as client:
        answer = client.list_apps()
    rows = [(row.get("id"), row.get("name"), row.get("description")) for row in answer["apps"]]
    table = grid([("ID", 36), ("Name", 30), ("Description", 36)], rows)
    show(answer, json_output, f"{section('List of Apps')}\n{table}")
