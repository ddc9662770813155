"""`snapi endpoint|project|model share`: who may see or edit a thing; without an option it only lists them."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.errors import WrongUsage
from snapi.options import EndpointOption, JsonOption, NamedModel, ProjectOption, RequiredProject
from snapi.output import grid, label_line, section, show

ENDPOINT_EPILOG = (
    "\b\nExample:\n"
    "  snapi endpoint share --project demo --endpoint hello --user mila --tenant research --role viewer"
)
PROJECT_EPILOG = "\b\nExample:\n  snapi project share --project demo --user mila --role editor"
MODEL_EPILOG = "\b\nExample:\n  snapi model share --model Mine --general tenant_viewer"

COLUMNS = [("Type", 8), ("Name", 36), ("Role", 8)]
ACCESS = {
    "private": "private",
    "tenant_viewer": "everyone in its tenant can view",
    "tenant_editor": "everyone in its tenant can edit",
    "all_viewer": "all tenants can view",
}


class RoleName(StrEnum):
    viewer = "viewer"
    editor = "editor"
    none = "none"


class General(StrEnum):
    private = "private"
    tenant_viewer = "tenant_viewer"
    tenant_editor = "tenant_editor"
    all_viewer = "all_viewer"


UsersOption = Annotated[
    list[str] | None, typer.Option("--user", "-u", metavar="NAME", help="A user; may be named several times.")
]
TenantsOption = Annotated[
    list[str] | None,
    typer.Option("--tenant", "-t", metavar="NAME", help="A whole tenant; may be named several times."),
]
RoleOption = Annotated[
    RoleName | None,
    typer.Option("--role", "-r", help="Of those users and tenants; none takes theirs away."),
]
GeneralOption = Annotated[
    General | None, typer.Option("--general", "-g", help="Who else, without being named.")
]


def endpoint(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    user: UsersOption = None,
    tenant: TenantsOption = None,
    role: RoleOption = None,
    general: GeneralOption = None,
    json_output: JsonOption = False,
) -> None:
    """List or change with whom an endpoint is shared, and as what."""
    _share(("endpoints", endpoint), project, _named(user, tenant, role), general, json_output)


def project(
    project: RequiredProject,
    user: UsersOption = None,
    tenant: TenantsOption = None,
    role: RoleOption = None,
    general: GeneralOption = None,
    json_output: JsonOption = False,
) -> None:
    """List or change with whom a project and all that is in it is shared, and as what."""
    _share(("projects", project), None, _named(user, tenant, role), general, json_output)


def model(
    model: NamedModel,
    user: UsersOption = None,
    tenant: TenantsOption = None,
    role: RoleOption = None,
    general: GeneralOption = None,
    json_output: JsonOption = False,
) -> None:
    """List or change with whom a model of your own is shared, and as what."""
    _share(("models", model), None, _named(user, tenant, role), general, json_output)


def _named(
    users: list[str] | None, tenants: list[str] | None, role: RoleName | None
) -> dict[tuple[str, str], str]:
    """(type, name) → role. Raises `WrongUsage` where one is missing."""
    named = [*(("tenant", name) for name in tenants or ()), *(("user", name) for name in users or ())]
    if bool(named) != (role is not None):
        raise WrongUsage("--role goes with --user or --tenant, and they with it.")
    return dict.fromkeys(named, role.value if role else "")


def _share(
    thing: tuple[str, str],
    project: str | None,
    named: dict[tuple[str, str], str],
    general: General | None,
    json_output: bool,
) -> None:
    with Client(config.load()) as client:
        answer = client.shares(*thing, project=project)
        if named or general:
            wanted = _changed(answer, named)
            if general:
                wanted["general_access"] = general.value
            answer = client.share(*thing, wanted, project=project)
    show(answer, json_output, _text(answer))


def _changed(shares: dict[str, Any], named: dict[tuple[str, str], str]) -> dict[str, Any]:
    """The whole state with those roles in it; the version says which state they were put into."""
    rest = dict(named)
    grants = []
    for grant in shares.get("shared_with") or []:
        names = [(kind, name) for kind, name in rest if kind == grant.get("type") and _is(grant, name)]
        role = rest.pop(names[0]) if names else grant.get("role")
        if role != RoleName.none:
            grants.append({"type": grant.get("type"), "name": grant.get("id"), "role": role})
    for (kind, name), role in rest.items():
        if role == RoleName.none:
            raise WrongUsage(f"It is not shared with the {kind} {name}.")
        grants.append({"type": kind, "name": name, "role": role})
    return {"shared_with": grants, "version": str(shares.get("version") or "")}


def _is(grant: dict[str, Any], name: str) -> bool:
    return name.strip().casefold() in (
        str(grant.get("name")).casefold(),
        str(grant.get("id")),
    )


def _text(shares: dict[str, Any]) -> str:
    access = str(shares.get("general_access"))
    rows = [
        (each.get("type"), each.get("name"), each.get("role")) for each in shares.get("shared_with") or []
    ]
    general = label_line("General access", ACCESS.get(access, access))
    return f"{section('Share settings')}\n{general}\n{grid(COLUMNS, rows)}"
