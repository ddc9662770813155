"""`snapi tenant …`: the tenants one belongs to, and the RDU generations there are."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.options import JsonOption
from snapi.output import dash, day, grid, label_block, section, show

app = typer.Typer(no_args_is_help=True)

RDU_COLUMNS = [("Arch", 10), ("Total RDUs", 10), ("Available RDUs", 14), ("Free in one node", 16)]


@app.command("list", epilog="\b\nExample:\n  snapi tenant list")
def list_(json_output: JsonOption = False) -> None:
    """List the tenants you can see."""
    with Client(config.load()) as client:
        answer = client.list_tenants()
    rows = [
        (row.get("tenant_id"), row.get("tenant_name"), day(row.get("time_created"))) for row in answer["data"]
    ]
    table = grid([("Tenant ID", 36), ("Name", 36), ("Created On", 20)], rows)
    show(answer, json_output, f"{section('List of Tenants')}\n{table}")


@app.command(epilog="\b\nExample:\n  snapi tenant info --tenant default")
def info(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", metavar="NAME|ID", help="The tenant; else the active one.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show a tenant and the available RDU generations, the values for --arch."""
    with Client(config.load()) as client:
        answer = client.tenant_info(tenant)
    show(answer, json_output, _info_text(answer.get("data") or {}))


def _info_text(tenant: dict[str, Any]) -> str:
    rdus = tenant.get("rdus") or []
    block = label_block(
        "Tenant Info",
        [
            ("ID", tenant.get("tenant_id")),
            ("Name", tenant.get("tenant_name")),
            ("Role", tenant.get("role")),
            ("Created at", tenant.get("time_created")),
            ("RDU Arch", ", ".join(str(row.get("arch")) for row in rdus) or "-"),
        ],
    )
    rows = [[dash(row.get(name)) for name in ("arch", "total", "available", "widest_free")] for row in rdus]
    return f"{block}\n{grid(RDU_COLUMNS, rows)}"
