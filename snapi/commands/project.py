"""`snapi project …`"""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.options import JsonOption, RequiredProject
from snapi.output import day, grid, label_block, one_line, section, show

app = typer.Typer(help="Projects: where a tenant's endpoints stand.", no_args_is_help=True)

COLUMNS = [("ID", 36), ("Name", 30), ("Owner", 20), ("Created On", 20)]


@app.command("list", epilog="\b\nExample:\n  snapi project list")
def list_(json_output: JsonOption = False) -> None:
    """List the projects of the active tenant that you can see."""
    with Client(config.load()) as client:
        answer = client.list_projects()
    rows = [
        (row.get("id"), row.get("name"), _owner(row), day(row.get("time_created")))
        for row in answer["projects"]
    ]
    show(answer, json_output, f"{section('List of Projects')}\n{grid(COLUMNS, rows)}")


@app.command(
    epilog='\b\nExample:\n  snapi project create --project translate --description "Letters to customers"'
)
def create(
    project: Annotated[
        str,
        typer.Option("--project", "--project-name", "-p", metavar="NAME", help="Name of the new project."),
    ],
    description: Annotated[str, typer.Option("--description", "-d", help="A description.")] = "",
    json_output: JsonOption = False,
) -> None:
    """Create a project in the active tenant."""
    with Client(config.load()) as client:
        answer = client.create_project(project, description)
    show(answer, json_output, f"Successfully created project {one_line(answer.get('name', project))}.")


@app.command(epilog="\b\nExample:\n  snapi project info --project translate")
def info(project: RequiredProject, json_output: JsonOption = False) -> None:
    """Show a project."""
    with Client(config.load()) as client:
        answer = client.project_info(project)
    rows = [
        ("ID", answer.get("id")),
        ("Name", answer.get("name")),
        ("Description", answer.get("description")),
        ("Owner", _owner(answer)),
        ("Created at", answer.get("time_created")),
        ("Last Updated", answer.get("time_updated")),
    ]
    show(answer, json_output, label_block("Project Info", rows))


def _owner(project: dict[str, Any]) -> object:
    return (project.get("metadata") or {}).get("owner")
