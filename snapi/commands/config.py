"""`snapi config …`: which platform and which tenant the commands speak to."""

from typing import Annotated

import typer

from snapi import config
from snapi.errors import WrongUsage
from snapi.options import JsonOption
from snapi.output import show

app = typer.Typer(no_args_is_help=True)


@app.command(
    "set", epilog="\b\nExample:\n  snapi config set --host https://studio.example.com --tenant default"
)
def set_(
    host: Annotated[str | None, typer.Option(metavar="URL", help="Address of the platform.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME|ID", help="The active tenant.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Write the host or the active tenant to the configuration file."""
    if host is None and tenant is None:
        raise WrongUsage("Nothing to set; give --host, --tenant or both.")
    changes = {}
    if host is not None:
        changes["HOST_NAME"] = config.host_address(host)
    if tenant is not None:
        changes["TENANT_ID"] = tenant.strip()
    path = config.save(changes)
    show(config.read_file(), json_output, f"Configuration written to {path}")
