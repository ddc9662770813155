"""`snapi endpoint …-apikey`: the API keys of an endpoint, what they may use, and their end."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.errors import WrongUsage
from snapi.options import DescriptionOption, EndpointOption, JsonOption, ProjectOption
from snapi.output import day, grid, label_block, one_line, section, show

app = typer.Typer()

COLUMNS = [("API Key", 36), ("Description", 36), ("Created On", 20), ("Owner", 20), ("Status", 20)]
LIMITS = {
    "requests_per_minute": "Requests per minute",
    "tokens_per_minute": "Tokens per minute",
    "parallel": "Parallel requests",
    "tokens_per_day": "Tokens per day",
    "tokens_per_month": "Tokens per month",
}
ENDS = ("0", "none", "")  # what takes a limit away

ApiKeyOption = Annotated[
    str, typer.Option("--apikey", metavar="KEY|ID", help="The API key, by its value or its id.")
]
RequestsOption = Annotated[
    str | None, typer.Option("--requests-per-minute", metavar="N", help="At most; 0 or none: no limit.")
]
TokensOption = Annotated[
    str | None,
    typer.Option(
        "--tokens-per-minute",
        metavar="N",
        help="Prompt and completion together, at most; 0 or none: no limit.",
    ),
]
ParallelOption = Annotated[
    str | None,
    typer.Option("--parallel", metavar="N", help="Requests under way at once, at most; 0 or none: no limit."),
]
DayOption = Annotated[
    str | None, typer.Option("--tokens-per-day", metavar="N", help="At most; 0 or none: no limit.")
]
MonthOption = Annotated[
    str | None, typer.Option("--tokens-per-month", metavar="N", help="At most; 0 or none: no limit.")
]
ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires", metavar="DATE", help="When it ends, e.g. 2030-12-31T18:00, in UTC; 0 or none: never."
    ),
]
ExpertsOption = Annotated[
    str | None,
    typer.Option(
        "--experts",
        metavar="NAME,…",
        help="The only model names it may ask for, with commas between; 0 or none: all.",
    ),
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
def add_apikey(
    endpoint: EndpointOption,
    description: DescriptionOption = None,
    project: ProjectOption = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    parallel: ParallelOption = None,
    tokens_per_day: DayOption = None,
    tokens_per_month: MonthOption = None,
    expires: ExpiresOption = None,
    experts: ExpertsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Add an API key to an endpoint and print its value; without limits unless they are named."""
    spec = _spec(
        description,
        expires,
        experts,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        parallel=parallel,
        tokens_per_day=tokens_per_day,
        tokens_per_month=tokens_per_month,
    )
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
def edit_apikey(
    endpoint: EndpointOption,
    apikey: ApiKeyOption,
    description: DescriptionOption = None,
    project: ProjectOption = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    parallel: ParallelOption = None,
    tokens_per_day: DayOption = None,
    tokens_per_month: MonthOption = None,
    expires: ExpiresOption = None,
    experts: ExpertsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Change an API key's description and limits; what is not named stays."""
    changes = _spec(
        description,
        expires,
        experts,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        parallel=parallel,
        tokens_per_day=tokens_per_day,
        tokens_per_month=tokens_per_month,
    )
    if not changes:
        raise WrongUsage("Nothing to change; see snapi endpoint edit-apikey --help.")
    with Client(config.load()) as client:
        answer = client.change_api_key(endpoint, apikey, changes, project=project)
    show(answer, json_output, f"API Key {one_line(answer.get('id'))} successfully updated.")


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


# ----- translating in and out -----------------------------------------------------------------------------


def _spec(
    description: str | None, expires: str | None, experts: str | None, **limits: str | None
) -> dict[str, Any]:
    """The body of a request: what was given, null for what is to end."""
    spec: dict[str, Any] = {}
    if description is not None:
        spec["description"] = description
    given = {name: _or_end(value) for name, value in limits.items() if value is not None}
    if given:
        spec["limits"] = given
    if expires is not None:
        spec["expires_at"] = _or_end(expires)
    if experts is not None:
        named = _or_end(experts)
        spec["experts"] = [name.strip() for name in named.split(",")] if named else None
    return spec


def _or_end(value: str) -> str | None:
    return None if value.strip().lower() in ENDS else value.strip()


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
        *((label, limits.get(name) or "no limit") for name, label in LIMITS.items()),
        ("Expires", key.get("expires_at") or "never"),
        ("Allowed experts", ", ".join(key.get("experts") or []) or "all"),
    ]
    return label_block("API Key Info", rows)


def _status(key: dict[str, Any]) -> object:
    return "Active" if key.get("status") == "Live" else key.get("status")
