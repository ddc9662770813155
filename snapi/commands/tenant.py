"""`snapi tenant …`: the tenants one belongs to, and the RDU generations there are."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.asking import confirm
from snapi.client import Client
from snapi.options import JsonOption
from snapi.output import dash, day, grid, label_block, one_line, section, show

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


@app.command("values-once", epilog="\b\nExample:\n  snapi tenant values-once --tenant default --on --yes")
def values_once(
    tenant: Annotated[str, typer.Option("--tenant", "-t", metavar="NAME|ID", help="The tenant.")],
    once: Annotated[bool, typer.Option("--on/--off", help="Show values once only, or keep them.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Show values of API keys only when they are made, and keep none; for OrgAdmins."""
    if once and not yes:
        warning = f"All kept values of API keys in {tenant} will be removed for good; the keys go on working."
        confirm(f"{warning} Go on?", f"{warning} Say --yes to go on.")
    with Client(config.load()) as client:
        answer = client.show_values_once(tenant, once)
    name, removed = one_line(answer.get("tenant_name", tenant)), one_line(answer.get("removed"))
    text = f"Values of API keys in {name} are shown once only; {removed} kept ones were removed."
    show(answer, json_output, text if once else f"New values of API keys in {name} are kept.")


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
