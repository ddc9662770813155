"""`snapi user …`: people and their roles, for OrgAdmins and TenantAdmins."""

import getpass
import sys
from typing import Annotated, Any

import typer

from snapi import config
from snapi.administering import Administrator
from snapi.asking import confirm
from snapi.errors import WrongUsage
from snapi.options import JsonOption, YesOption
from snapi.output import dash, day, grid, label_block, one_line, section, show

app = typer.Typer(no_args_is_help=True)

COLUMNS = [("User", 20), ("Status", 11), ("Roles", 40), ("Created On", 12)]
ROLES = {"member": "member", "tenantadmin": "TenantAdmin", "none": "none"}

UserOption = Annotated[str, typer.Option("--user", "-u", metavar="NAME|ID", help="The user, by name or id.")]


@app.command("list", epilog="\b\nExample:\n  snapi user list --tenant research")
def list_(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", metavar="NAME|ID", help="Only users of this tenant.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only users whose name has these words.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the users of the tenants that you administer."""
    with Administrator(config.load()) as client:
        answer = client.list_users(tenant=tenant, search=search)
    rows = [
        (row.get("name"), row.get("status"), dash(_roles(row)), day(row.get("time_created")))
        for row in answer["users"]
    ]
    show(answer, json_output, f"{section('List of Users')}\n{grid(COLUMNS, rows)}")


@app.command(epilog="\b\nExample:\n  snapi user info --user mila")
def info(user: UserOption, json_output: JsonOption = False) -> None:
    """Show a user and their roles."""
    with Administrator(config.load()) as client:
        answer = client.user_info(user)
    rows = [
        ("ID", answer.get("id")),
        ("Name", answer.get("name")),
        ("Status", answer.get("status")),
        ("Roles", dash(_roles(answer))),
        ("Created at", answer.get("time_created")),
        ("Last sign-in", dash(answer.get("time_last_sign_in"))),
    ]
    show(answer, json_output, label_block("User Info", rows))


@app.command(epilog="\b\nExample:\n  snapi user create --user mila --tenant research < password.txt")
def create(
    user: Annotated[str, typer.Option("--user", "-u", metavar="NAME", help="The new user's name.")],
    tenant: Annotated[
        str, typer.Option("--tenant", "-t", metavar="NAME|ID", help="Their tenant; else the active one.")
    ] = "",
    role: Annotated[str, typer.Option(metavar="ROLE", help="member or TenantAdmin.")] = "member",
    json_output: JsonOption = False,
) -> None:
    """Create a user. The password is asked for, or read as one line from standard input."""
    spec = {"name": user, "password": _password(), "tenant": tenant, "role": _role(role)}
    with Administrator(config.load()) as client:
        answer = client.create_user(spec)
    show(answer, json_output, f"Successfully created user {one_line(answer.get('name', user))}.")


@app.command(epilog="\b\nExample:\n  snapi user role --user mila --tenant research --role TenantAdmin")
def role(
    user: UserOption,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", metavar="NAME|ID", help="The tenant it is about.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="member, TenantAdmin, or none to take them out of the tenant."),
    ] = None,
    org_admin: Annotated[
        bool | None, typer.Option("--org-admin/--no-org-admin", help="Make or unmake them OrgAdmin.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Add a user to a tenant, take them out of it, or change what they are."""
    if (tenant is None) != (role is None):
        raise WrongUsage("--tenant and --role belong together.")
    if tenant is None and org_admin is None:
        raise WrongUsage("Nothing to change; see snapi user role --help.")
    changes: dict[str, Any] = {} if org_admin is None else {"org_admin": org_admin}
    if role is not None:
        changes["roles"] = [{"tenant": tenant, "role": _role(role)}]
    with Administrator(config.load()) as client:
        answer = client.change_roles(user, changes)
    name = one_line(answer.get("name", user))
    show(answer, json_output, f"User {name} is now: {one_line(_roles(answer)) or 'in no tenant'}.")


@app.command(epilog="\b\nExample:\n  snapi user deactivate --user mila --yes")
def deactivate(
    user: UserOption,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Sign a user out everywhere and let them in no more; their endpoints go on running."""
    if not yes:
        confirm(
            f"{one_line(user)} is signed out everywhere and loses the platform key. Deactivate them?",
            f"Say --yes to deactivate {one_line(user)}.",
        )
    with Administrator(config.load()) as client:
        answer = client.change_user(user, "deactivate")
    show(answer, json_output, f"User {one_line(answer.get('name', user))} was deactivated.")


@app.command(epilog="\b\nExample:\n  snapi user reactivate --user mila")
def reactivate(user: UserOption, json_output: JsonOption = False) -> None:
    """Let a deactivated user in again."""
    with Administrator(config.load()) as client:
        answer = client.change_user(user, "reactivate")
    show(answer, json_output, f"User {one_line(answer.get('name', user))} can sign in again.")


@app.command("reset-password", epilog="\b\nExample:\n  snapi user reset-password --user mila --yes")
def reset_password(
    user: UserOption,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Give a user a new password and print it, this once; they set their own at the next sign-in."""
    if not yes:
        confirm(
            f"{one_line(user)} is signed out everywhere and the old password stops working. Reset it?",
            f"Say --yes to reset the password of {one_line(user)}.",
        )
    with Administrator(config.load()) as client:
        answer = client.change_user(user, "password")
    name, value = one_line(answer.get("name", user)), one_line(answer.get("password"))
    show(answer, json_output, f"The new password of {name} is {value}; they set their own with it.")


def _role(word: str) -> str:
    if word.casefold() not in ROLES:
        raise WrongUsage(f"A role is one of {', '.join(ROLES.values())}, not {word!r}.")
    return ROLES[word.casefold()]


def _password() -> str:
    """Never an option: command lines are there for everybody on the machine to read."""
    if sys.stdin.isatty():
        return getpass.getpass("Password of the new user: ")
    return sys.stdin.readline().rstrip("\r\n")


def _roles(user: dict[str, Any]) -> str:
    words = ["OrgAdmin"] if user.get("org_admin") else []
    words += ["operator"] if user.get("operator") else []
    words += [f"{each.get('tenant_name')}: {each.get('role')}" for each in user.get("roles") or []]
    return ", ".join(words)
