"""`snapi tenant …`: the tenants one belongs to, the RDU generations there are, and what OrgAdmins do to tenants."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.administering import Administrator
from snapi.asking import confirm
from snapi.client import Client
from snapi.errors import WrongUsage
from snapi.options import JsonOption, TenantOption, YesOption
from snapi.output import dash, day, grid, label_block, one_line, section, show

app = typer.Typer(no_args_is_help=True)

RDU_COLUMNS = [
    ("Arch", 10),
    ("Total RDUs", 10),
    ("Available RDUs", 14),
    ("Free in one node", 16),
    ("Held", 4),
    ("Guaranteed", 10),
    ("Maximum", 8),
]


@app.command("list", epilog="\b\nExample:\n  snapi tenant list")
def list_(
    archived: Annotated[
        bool, typer.Option("--archived", help="Those that are archived, of the ones you administer.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List the tenants you can see."""
    with Administrator(config.load()) as client:
        answer = client.archived_tenants() if archived else client.list_tenants()
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


@app.command(epilog="\b\nExample:\n  snapi tenant create --tenant research")
def create(
    tenant: Annotated[str, typer.Option("--tenant", "-t", metavar="NAME", help="Name of the new tenant.")],
    json_output: JsonOption = False,
) -> None:
    """Create a tenant; for OrgAdmins."""
    with Administrator(config.load()) as client:
        answer = client.create_tenant(tenant)
    show(answer, json_output, f"Successfully created tenant {_name(answer, tenant)}.")


@app.command(epilog="\b\nExample:\n  snapi tenant rename --tenant research --name science")
def rename(
    tenant: TenantOption,
    name: Annotated[str, typer.Option("--name", "-n", metavar="NAME", help="Its new name.")],
    json_output: JsonOption = False,
) -> None:
    """Rename a tenant; for OrgAdmins."""
    with Administrator(config.load()) as client:
        answer = client.rename_tenant(tenant, name)
    show(answer, json_output, f"Tenant {one_line(tenant)} is now called {_name(answer, name)}.")


@app.command(epilog="\b\nExample:\n  snapi tenant archive --tenant research --yes")
def archive(
    tenant: TenantOption,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Archive a tenant: nobody can switch to it, nothing new is created in it, what runs goes on."""
    if not yes:
        confirm(
            f"Nobody will be able to switch to {one_line(tenant)}; what runs in it goes on. Archive it?",
            f"Say --yes to archive {one_line(tenant)}.",
        )
    with Administrator(config.load()) as client:
        answer = client.change_tenant(tenant, "archive")
    show(answer, json_output, f"Tenant {_name(answer, tenant)} was archived.")


@app.command(epilog="\b\nExample:\n  snapi tenant unarchive --tenant research")
def unarchive(tenant: TenantOption, json_output: JsonOption = False) -> None:
    """Open an archived tenant again; for OrgAdmins."""
    with Administrator(config.load()) as client:
        answer = client.change_tenant(tenant, "unarchive")
    show(answer, json_output, f"Tenant {_name(answer, tenant)} is open again.")


@app.command(
    epilog="\b\nExample:\n  snapi tenant quota --tenant research --arch SN40L --guaranteed 8 --maximum 16"
)
def quota(
    tenant: TenantOption,
    arch: Annotated[str, typer.Option("--arch", "-a", metavar="ARCH", help="RDU generation, e.g. SN40L.")],
    guaranteed: Annotated[
        int | None, typer.Option(metavar="RDUS", help="RDUs of which the tenant is sure.")
    ] = None,
    maximum: Annotated[
        str | None, typer.Option(metavar="RDUS|none", help="The most RDUs it may hold; none: no limit.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Change how many RDUs of a generation a tenant may hold; for OrgAdmins."""
    wish: dict[str, Any] = {"arch": arch}
    if guaranteed is not None:
        wish["guaranteed"] = guaranteed
    if maximum is not None:
        wish |= _maximum(maximum)
    if len(wish) == 1:
        raise WrongUsage("Nothing to change; see snapi tenant quota --help.")
    with Administrator(config.load()) as client:
        answer = client.change_quota(tenant, wish)
    show(answer, json_output, _info_text(answer.get("data") or {}))


def _maximum(word: str) -> dict[str, Any]:
    if word.casefold() == "none":
        return {"unlimited": True}
    try:
        return {"maximum": int(word)}
    except ValueError:
        raise WrongUsage(f"--maximum is a number or none, not {word!r}.") from None


def _name(answer: dict[str, Any], otherwise: str) -> str:
    return one_line((answer.get("data") or {}).get("tenant_name", otherwise))


@app.command("values-once", epilog="\b\nExample:\n  snapi tenant values-once --tenant default --on --yes")
def values_once(
    tenant: Annotated[str, typer.Option("--tenant", "-t", metavar="NAME|ID", help="The tenant.")],
    once: Annotated[bool, typer.Option("--on/--off", help="Show values once only, or keep them.")] = True,
    yes: YesOption = False,
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
            ("Status", tenant.get("status")),
            ("Created at", tenant.get("time_created")),
            ("RDU Arch", ", ".join(str(row.get("arch")) for row in rdus) or "-"),
        ],
    )
    columns = ("arch", "total", "available", "widest_free", "held", "guaranteed")
    rows = [[*(dash(row.get(name)) for name in columns), _limit(row)] for row in rdus]
    return f"{block}\n{grid(RDU_COLUMNS, rows)}"


def _limit(row: dict[str, Any]) -> object:
    return "no limit" if row.get("maximum") is None else row["maximum"]
