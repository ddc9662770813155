"""`snapi endpoint …-apikey`: the API keys of an endpoint, what they may use, and their end."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.commands.key_terms import LIMITS, takes_terms
from snapi.errors import WrongUsage
from snapi.options import DescriptionOption, EndpointOption, JsonOption, ProjectOption
from snapi.output import day, grid, label_block, one_line, section, show

app = typer.Typer()

COLUMNS = [("API Key", 36), ("Description", 36), ("Created On", 20), ("Owner", 20), ("Status", 20)]

ApiKeyOption = Annotated[
    str, typer.Option("--apikey", metavar="KEY|ID", help="The API key, by its value or its id.")
]


@app.command("list-apikeys", epilog="\b\nExample:\n  snapi endpoint list-apikeys --endpoint hello")
def list_apikeys(
    endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False
) -> None:
    """List the API keys of an endpoint, newest first."""
    with Client(config.load()) as client:
        answer = client.list_api_keys(endpoint, project=project)
    show(answer, json_output, list_text(answer, endpoint))


@app.command(
    "add-apikey",
    epilog="\b\nExample:\n"
    '  snapi endpoint add-apikey --endpoint hello --description "for the shop" \\\n'
    "    --requests-per-minute 60 --tokens-per-day 1000000 --expires 2030-12-31",
)
@takes_terms
def add_apikey(
    endpoint: EndpointOption,
    description: DescriptionOption = None,
    project: ProjectOption = None,
    json_output: JsonOption = False,
    *,
    terms: dict[str, Any],
) -> None:
    """Add an API key to an endpoint and print its value; without limits unless they are named."""
    spec = ({} if description is None else {"description": description}) | terms
    with Client(config.load()) as client:
        answer = client.add_api_key(endpoint, spec, project=project)
    value, name = one_line(answer.get("api_key")), one_line(answer.get("id"))
    show(answer, json_output, f"Successfully added API Key {value} with ID {name}.")


@app.command(
    "edit-apikey",
    epilog="\b\nExample:\n  snapi endpoint edit-apikey --endpoint hello \\\n"
    '    --apikey 1205d9db-250a-4e71-b1a8-33fa3ffa05cc --description "for the new shop"\n\n'
    "\b\nTo limit the First Key:\n  snapi endpoint edit-apikey --endpoint hello \\\n"
    "    --apikey 6fbc8f9d-34e2-47e4-983f-19a1845326b4 --parallel 4 --tokens-per-minute none",
)
@takes_terms
def edit_apikey(
    endpoint: EndpointOption,
    apikey: ApiKeyOption,
    description: DescriptionOption = None,
    project: ProjectOption = None,
    json_output: JsonOption = False,
    *,
    terms: dict[str, Any],
) -> None:
    """Change an API key's description and limits; what is not named stays."""
    changes = ({} if description is None else {"description": description}) | terms
    if not changes:
        raise WrongUsage("Nothing to change; see snapi endpoint edit-apikey --help.")
    with Client(config.load()) as client:
        answer = client.change_api_key(endpoint, apikey, changes, project=project)
    show(answer, json_output, f"API Key {one_line(answer.get('id'))} successfully updated.")


@app.command(
    "rotate-apikey",
    epilog="\b\nExample:\n  snapi endpoint rotate-apikey --endpoint hello \\\n"
    "    --apikey 6fbc8f9d-34e2-47e4-983f-19a1845326b4 --grace 1d",
)
def rotate_apikey(
    endpoint: EndpointOption,
    apikey: ApiKeyOption,
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old value works on: none, 1h, 1d or 7d.")
    ] = "none",
    project: ProjectOption = None,
    json_output: JsonOption = False,
) -> None:
    """Give the First Key a new value and print it; without --grace the old one is refused within a second."""
    with Client(config.load()) as client:
        answer = client.rotate_api_key(endpoint, apikey, grace=grace, project=project)
    value, name = one_line(answer.get("api_key")), one_line(answer.get("id"))
    until = answer.get("time_old_value_ends")
    text = f"Successfully rotated API Key with ID {name}: it is {value} now."
    show(answer, json_output, f"{text}\nThe old value works until {one_line(until)}." if until else text)


@app.command(
    "revoke-apikey",
    epilog="\b\nExample:\n  snapi endpoint revoke-apikey --endpoint hello \\\n"
    "    --apikey 1205d9db-250a-4e71-b1a8-33fa3ffa05cc",
)
def revoke_apikey(
    endpoint: EndpointOption,
    apikey: ApiKeyOption,
    project: ProjectOption = None,
    json_output: JsonOption = False,
) -> None:
    """Revoke an API key for good: all users lose access with it. The First Key cannot be revoked."""
    with Client(config.load()) as client:
        answer = client.revoke_api_key(endpoint, apikey, project=project)
    show(answer, json_output, f"API Key {one_line(answer.get('id'))} successfully revoked.")


@app.command(
    "info-apikey",
    epilog="\b\nExample:\n  snapi endpoint info-apikey --endpoint hello \\\n"
    "    --apikey 1205d9db-250a-4e71-b1a8-33fa3ffa05cc",
)
def info_apikey(
    endpoint: EndpointOption,
    apikey: ApiKeyOption,
    project: ProjectOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show an API key, its status and what it may use."""
    with Client(config.load()) as client:
        answer = client.api_key_info(endpoint, apikey, project=project)
    show(answer, json_output, info_text(answer))


# ----- what they print ------------------------------------------------------------------------------------


def list_text(answer: dict[str, Any], endpoint: str) -> str:
    rows = [
        (
            key.get("api_key"),
            key.get("description"),
            day(key.get("time_created")),
            key.get("user_id"),
            _status(key),
        )
        for key in answer["api_keys"]
    ]
    return f"{section(f'List of API Keys for Endpoint {endpoint}')}\n{grid(COLUMNS, rows)}"


def info_text(key: dict[str, Any]) -> str:
    limits = key.get("limits") or {}
    rows = [
        ("ID", key.get("id")),
        ("API Key", key.get("api_key")),
        ("Description", key.get("description")),
        ("Endpoint ID", key.get("endpoint_id")),
        ("Owner", key.get("user_id")),
        ("Status", _status(key)),
        ("Created at", key.get("time_created")),
        ("Last Updated", key.get("time_updated")),
        *((label, limits.get(name) or "no limit") for name, (label, _) in LIMITS.items()),
        ("Expires", key.get("expires_at") or "never"),
        ("Allowed experts", ", ".join(key.get("experts") or []) or "all"),
    ]
    return label_block("API Key Info", rows)


def _status(key: dict[str, Any]) -> object:
    return "Active" if key.get("status") == "Live" else key.get("status")
