"""`snapi session …`: the browsers in which one is signed in."""

from typing import Annotated

import typer

from snapi import config
from snapi.asking import confirm
from snapi.client import Client
from snapi.options import JsonOption, YesOption
from snapi.output import grid, one_line, section, show

app = typer.Typer(no_args_is_help=True)

COLUMNS = [("Session ID", 36), ("Browser", 20), ("Address", 15), ("Signed In", 25), ("Last Seen", 25)]


@app.command("list", epilog="\b\nExample:\n  snapi session list")
def list_(json_output: JsonOption = False) -> None:
    """List the browsers in which you are signed in, the latest seen first."""
    with Client(config.load()) as client:
        answer = client.list_sessions()
    rows = [
        [row.get(name) for name in ("id", "browser", "address", "time_signed_in", "time_last_seen")]
        for row in answer["sessions"]
    ]
    show(answer, json_output, f"{section('List of Sessions')}\n{grid(COLUMNS, rows)}")


@app.command(epilog="\b\nExample:\n  snapi session end --session 12fffa5a-c615-4271-a920-f4bb1b3da303")
def end(
    session: Annotated[str, typer.Option("--session", metavar="ID", help="The session, by its id.")],
    json_output: JsonOption = False,
) -> None:
    """Sign one browser out."""
    with Client(config.load()) as client:
        answer = client.end_session(session)
    show(answer, json_output, f"Session {one_line(answer.get('id', session))} successfully ended.")


@app.command("end-all", epilog="\b\nExample:\n  snapi session end-all --yes")
def end_all(
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Sign out everywhere; your platform API key stays as it is."""
    if not yes:
        confirm("Every browser in which you are signed in will be signed out. Go on?", "Say --yes to go on.")
    with Client(config.load()) as client:
        answer = client.end_sessions()
    show(answer, json_output, f"Signed out of {one_line(answer.get('ended'))} sessions.")
