"""`snapi platform-key …`: the key that snapi itself takes; one for each user."""

from typing import Annotated

import typer

from snapi import config
from snapi.asking import confirm
from snapi.client import Client
from snapi.errors import SnapiError
from snapi.options import JsonOption, YesOption
from snapi.output import label_block, one_line, show

app = typer.Typer(no_args_is_help=True)

WARNING = "Your old platform API key stops working at once, here and everywhere else."


@app.command(epilog="\b\nExample:\n  snapi platform-key info")
def info(json_output: JsonOption = False) -> None:
    """Show your platform API key without its value: its beginning, and when it was used."""
    with Client(config.load()) as client:
        answer = client.platform_key_info()
    rows = [
        ("Key", f"{one_line(answer.get('prefix'))}-••••"),
        ("Created at", answer.get("time_created")),
        ("Last used", answer.get("time_last_used") or "never"),
    ]
    show(answer, json_output, label_block("Platform API Key", rows))


@app.command(epilog="\b\nExample:\n  snapi platform-key generate --save --yes")
def generate(
    save: Annotated[
        bool, typer.Option("--save", help="Write it where snapi reads it, for you alone, too.")
    ] = False,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Generate a new platform API key and print it, this once; the old one stops working."""
    if not yes:
        confirm(f"{WARNING} Go on?", f"{WARNING} Say --yes to go on.")
    with Client(config.load()) as client:
        answer = client.generate_platform_key()
    value = one_line(answer.get("platform_key"))
    text = f"Successfully generated platform API key {value}."
    try:
        path = config.save_key(value) if save else None
    except SnapiError:
        show(answer, json_output, text)  # whatever happens, it is shown
        raise
    show(answer, json_output, f"{text}\nWritten to {path}." if path else text)
