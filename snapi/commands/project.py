"""`snapi project …`"""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.asking import confirm
from snapi.client import Client
from snapi.commands import moves, share
from snapi.errors import WrongUsage
from snapi.events import events_text
from snapi.options import DescriptionOption, JsonOption, RequiredProject
from snapi.output import day, grid, label_block, one_line, section, show

app = typer.Typer(no_args_is_help=True)
app.command("share", epilog=share.PROJECT_EPILOG)(share.project)
app.command("move", epilog=moves.MOVE_PROJECT)(moves.move_project)
app.command("transfer", epilog=moves.TRANSFER_PROJECT)(moves.transfer_project)

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


@app.command(epilog="\b\nExample:\n  snapi project events --project translate")
def events(project: RequiredProject, json_output: JsonOption = False) -> None:
    """List who did what to a project, newest first."""
    with Client(config.load()) as client:
        answer = client.things_events("projects", project)
    show(answer, json_output, events_text(answer, f"Project {project}"))


@app.command(
    epilog='\b\nExample:\n  snapi project update --project translate --name letters --description "Old and new"'
)
def update(
    project: RequiredProject,
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="A new name.")] = None,
    description: DescriptionOption = None,
    json_output: JsonOption = False,
) -> None:
    """Change a project; what is not named stays."""
    given = {"name": name, "description": description}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise WrongUsage("Nothing to change; see snapi project update --help.")
    with Client(config.load()) as client:
        answer = client.update_project(project, changes)
    show(answer, json_output, f"Project {one_line(answer.get('name', project))} successfully updated.")


@app.command(epilog="\b\nExample:\n  snapi project delete --project translate --yes")
def delete(
    project: RequiredProject,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Delete its endpoints too, without asking.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Delete a project with its endpoints; they are listed first."""
    with Client(config.load()) as client:
        if not yes:
            _ask(project, [one_line(row.get("name")) for row in client.list_endpoints(project)["endpoints"]])
        answer = client.delete_project(project)
    show(answer, json_output, f"Project {one_line(answer.get('name', project))} successfully deleted.")


def _ask(project: str, endpoints: list[str]) -> None:
    """Nobody needs to be asked about an empty one."""
    if not endpoints:
        return
    names = ", ".join(endpoints)
    count = f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}"
    confirm(
        f"Project {project} will be deleted with its endpoints {names}. Go on?",
        f"Project {project} has {count}: {names}. Say --yes to delete them too.",
    )


def _owner(project: dict[str, Any]) -> object:
    return (project.get("metadata") or {}).get("owner")
