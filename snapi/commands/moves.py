"""Another home and another owner, for endpoints, projects and models; commands of those three groups."""

from typing import Annotated

import typer

from snapi import config
from snapi.administering import Administrator
from snapi.options import (
    EndpointOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    RequiredProject,
    TenantOption,
)
from snapi.output import one_line, show

OwnerOption = Annotated[
    str, typer.Option("--owner", metavar="NAME|ID", help="The new owner, an active user of its tenant.")
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="NAME|ID", help="The project that it moves to, by name or id.")
]
MOVE_ENDPOINT = "\b\nExample:\n  snapi endpoint move --endpoint hello --to translate"
MOVE_PROJECT = "\b\nExample:\n  snapi project move --project translate --tenant research"
TRANSFER_ENDPOINT = "\b\nExample:\n  snapi endpoint transfer --endpoint hello --owner mila"
TRANSFER_PROJECT = "\b\nExample:\n  snapi project transfer --project translate --owner mila"
TRANSFER_MODEL = "\b\nExample:\n  snapi model transfer --model-checkpoint Mine --owner mila"


def move_endpoint(
    endpoint: EndpointOption, to: ToOption, project: ProjectOption = None, json_output: JsonOption = False
) -> None:
    """Move an endpoint to another project. Nothing restarts; its URLs change, its API keys stay."""
    with Administrator(config.load()) as client:
        answer = client.move_endpoint(endpoint, to, project=project)
    name, home = one_line(answer.get("name", endpoint)), one_line(answer.get("project_name", to))
    show(answer, json_output, f"Endpoint {name} was moved to project {home}.")


def move_project(project: RequiredProject, tenant: TenantOption, json_output: JsonOption = False) -> None:
    """Move a project with its endpoints to another tenant. Nothing restarts; URLs and API keys stay."""
    with Administrator(config.load()) as client:
        answer = client.move_project(project, tenant)
    name, home = one_line(answer.get("name", project)), one_line(answer.get("tenant_name", tenant))
    show(answer, json_output, f"Project {name} was moved to tenant {home}.")


def transfer_endpoint(
    endpoint: EndpointOption,
    owner: OwnerOption,
    project: ProjectOption = None,
    json_output: JsonOption = False,
) -> None:
    """Give an endpoint to another owner."""
    _transfer("endpoints", "Endpoint", endpoint, owner, json_output, project)


def transfer_project(project: RequiredProject, owner: OwnerOption, json_output: JsonOption = False) -> None:
    """Give a project to another owner; the endpoints in it keep theirs."""
    _transfer("projects", "Project", project, owner, json_output)


def transfer_model(
    model_checkpoint: ModelOption, owner: OwnerOption, json_output: JsonOption = False
) -> None:
    """Give a model of your own to another owner."""
    _transfer("models", "Model", model_checkpoint, owner, json_output)


def _transfer(
    kind: str, word: str, thing: str, owner: str, json_output: bool, project: str | None = None
) -> None:
    with Administrator(config.load()) as client:
        answer = client.transfer(kind, thing, owner, project=project)
    name, now = one_line(answer.get("name", thing)), one_line(answer.get("owner", owner))
    show(answer, json_output, f"{word} {name} belongs to {now}.")
