"""`snapi audit`: who did what to which thing, when and from where, for admins."""

import json
from itertools import islice
from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.output import dash, grid, one_line, section

app = typer.Typer()

COLUMNS = [
    ("Time (UTC)", 19),
    ("Who", 12),
    ("Role", 11),
    ("Did", 12),
    ("What", 8),
    ("Name", 20),
    ("From", 15),
    ("Changes", 30),
]
SHOWN = 100


@app.command("audit", epilog="\b\nExample:\n  snapi audit --person owen --verb edit --since 7d")
def audit(
    person: Annotated[str, typer.Option(metavar="NAME|ID", help="Who did it.")] = "",
    verb: Annotated[str, typer.Option(metavar="VERB", help="What was done: create, edit, stop, …")] = "",
    kind: Annotated[str, typer.Option(metavar="KIND", help="To what: endpoint, project, node, …")] = "",
    thing: Annotated[str, typer.Option(metavar="NAME|ID", help="The thing it was done to.")] = "",
    tenant: Annotated[
        str, typer.Option(metavar="NAME|ID", help="Of one tenant; else all you may read.")
    ] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="How long ago (24h, 7d), or a moment.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="The same; else now.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=f"How many; else {SHOWN}, with --json all.")
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print JSON lines: an entry of the REST API in each, newest first.")
    ] = False,
) -> None:
    """Show the audit of the tenants you administer, newest first."""
    wanted = {
        "person": person, "verb": verb, "kind": kind, "thing": thing, "tenant": tenant, "since": since, "until": until,
    }  # fmt: skip
    most = limit if limit is not None or json_output else SHOWN
    with Client(config.load()) as client:
        entries = islice(client.audit({name: value or None for name, value in wanted.items()}, most), most)
        if json_output:
            for entry in entries:
                typer.echo(json.dumps(entry, ensure_ascii=False))
            return
        typer.echo(f"{section('Audit')}\n{grid(COLUMNS, [_row(entry) for entry in entries])}")


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        one_line(entry.get("time"))[:19].replace("T", " "),
        entry.get("actor"),
        entry.get("role"),
        entry.get("verb"),
        entry.get("thing"),
        entry.get("thing_name"),
        dash(entry.get("address")),
        dash("; ".join(_changes(entry.get("changes") or {}))),
    )


def _changes(changes: dict[str, Any]) -> list[str]:
    """`instances: 1 → 2`"""
    return [
        f"{name}: {_word(value[0])} → {_word(value[1])}"
        if isinstance(value, list) and len(value) == 2
        else f"{name}: {_word(value)}"
        for name, value in changes.items()
    ]


def _word(value: object) -> str:
    if value is None or value == "":
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
