"""`snapi endpoint …`: create, look at, change and end endpoints."""

import json
from typing import Annotated, Any

import typer

from snapi import completion, config
from snapi.client import Client
from snapi.commands import apikey, moves, predict, share, usage, watch
from snapi.commands import endpoint_pages as pages
from snapi.errors import WrongUsage
from snapi.options import (
    ArchOption,
    DescriptionOption,
    EndpointNameOption,
    EndpointOption,
    HyperparamsOption,
    JsonOption,
    ModelOption,
    ModelVersionOption,
    ProjectOption,
    RequiredProject,
)
from snapi.output import one_line, show, warn
from snapi.progress import wait_until_live

app = typer.Typer(no_args_is_help=True)
app.command(epilog=usage.EPILOG)(usage.usage)
app.command(epilog=predict.EPILOG)(predict.predict)
app.command("share", epilog=share.ENDPOINT_EPILOG)(share.endpoint)
app.command("move", epilog=moves.MOVE_ENDPOINT)(moves.move_endpoint)
app.command("transfer", epilog=moves.TRANSFER_ENDPOINT)(moves.transfer_endpoint)
app.add_typer(watch.app)
app.add_typer(apikey.app)

InstancesOption = Annotated[int, typer.Option("--instances", "-i", metavar="N", help="Number of instances.")]


@app.command(
    epilog="\b\nExample:\n"
    "  snapi endpoint create --project demo --endpoint_name hello \\\n"
    "    --model-checkpoint Help --arch SN40L --instances 1 --wait"
)
def create(
    project: RequiredProject,
    endpoint_name: EndpointNameOption,
    model_checkpoint: ModelOption,
    arch: ArchOption = None,
    instances: InstancesOption = 1,
    model_version: ModelVersionOption = None,
    description: DescriptionOption = None,
    hyperparams: HyperparamsOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Come back when the endpoint is Live.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="With --wait: how long at most.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Create an endpoint and queue it for deployment."""
    spec = _spec(
        project=project,
        endpoint_name=endpoint_name,
        model_checkpoint=model_checkpoint,
        rdu_arch=arch,
        instances=instances,
        model_version=model_version,
        description=description,
        hyperparams=hyperparams,
    )
    with Client(config.load()) as client:
        answer = client.create_endpoint(spec)
        _show_warnings(answer)
        name = one_line(answer.get("name", endpoint_name))
        show(
            answer, json_output, f"Successfully created endpoint {name} with ID {one_line(answer.get('id'))}."
        )
        if wait:
            wait_until_live(client, str(answer.get("id")), timeout)


@app.command(
    epilog="\b\nExample:\n  snapi endpoint plan --project demo --model-checkpoint Help --arch SN40L --instances 4"
)
def plan(
    project: RequiredProject,
    model_checkpoint: ModelOption,
    arch: ArchOption = None,
    instances: InstancesOption = 1,
    model_version: ModelVersionOption = None,
    hyperparams: HyperparamsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show where the instances would land now and what would wait; nothing is created."""
    spec = _spec(
        project=project,
        model_checkpoint=model_checkpoint,
        rdu_arch=arch,
        instances=instances,
        model_version=model_version,
        hyperparams=hyperparams,
    )
    with Client(config.load()) as client:
        answer = client.plan_endpoint(spec)
    _show_warnings(answer)
    show(answer, json_output, pages.plan_text(answer))


@app.command(epilog="\b\nExample:\n  snapi endpoint info --project demo --endpoint hello")
def info(endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False) -> None:
    """Show an endpoint, its address, status and API keys."""
    with Client(config.load()) as client:
        answer = client.endpoint_info(endpoint, project=project)
    show(answer, json_output, pages.info_text(answer))


@app.command("list", epilog="\b\nExample:\n  snapi endpoint list --project demo")
def list_(
    project: ProjectOption = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those deleted in the last 24 hours, which can be restored.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """List the endpoints of a project, or all that you can see."""
    with Client(config.load()) as client:
        answer = client.list_endpoints(project, deleted=deleted)
    show(answer, json_output, pages.deleted_text(answer) if deleted else pages.list_text(answer, project))


@app.command(
    epilog="\b\nExample:\n  snapi endpoint update --project demo --endpoint hello --arch sn40l --instances 2"
)
def update(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    description: DescriptionOption = None,
    arch: ArchOption = None,
    instances: Annotated[
        int | None, typer.Option("--instances", "-i", metavar="N", help="Number of instances; 0 stops.")
    ] = None,
    model_checkpoint: Annotated[
        str | None,
        typer.Option(
            "--model-checkpoint",
            "-m",
            metavar="NAME|ID",
            help="Another model.",
            autocompletion=completion.models,
        ),
    ] = None,
    model_version: ModelVersionOption = None,
    hyperparams: HyperparamsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--plan", help="Only show how it would be applied; nothing is changed.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Change an endpoint; what is not named stays."""
    changes = _spec(
        description=description,
        rdu_arch=arch,
        instances=instances,
        model_checkpoint=model_checkpoint,
        model_version=model_version,
        hyperparams=hyperparams,
    )
    if not changes:
        raise WrongUsage("Nothing to change; see snapi endpoint update --help.")
    with Client(config.load()) as client:
        change = client.plan_change if dry_run else client.update_endpoint
        answer = change(endpoint, changes, project=project)
    _show_warnings(answer)
    if dry_run:
        show(answer, json_output, pages.change_text(answer))
        return
    show(answer, json_output, f"Endpoint {_name(answer, endpoint)} successfully updated.")


@app.command(epilog="\b\nExample:\n  snapi endpoint stop --project demo --endpoint hello")
def stop(endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False) -> None:
    """Stop an endpoint and free its RDUs; requests under way are finished."""
    with Client(config.load()) as client:
        answer = client.stop_endpoint(endpoint, project=project)
    show(answer, json_output, f"Endpoint {_name(answer, endpoint)} successfully marked stop.")


@app.command(epilog="\b\nExample:\n  snapi endpoint restart --project demo --endpoint hello")
def restart(endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False) -> None:
    """Start a stopped or failed endpoint, or restart a running one."""
    with Client(config.load()) as client:
        answer = client.restart_endpoint(endpoint, project=project)
    _show_warnings(answer)
    show(answer, json_output, f"Endpoint {_name(answer, endpoint)} successfully marked restart.")


@app.command(epilog="\b\nExample:\n  snapi endpoint delete --project demo --endpoint hello")
def delete(endpoint: EndpointOption, project: ProjectOption = None, json_output: JsonOption = False) -> None:
    """Delete an endpoint with its API keys; for 24 hours it can be restored."""
    with Client(config.load()) as client:
        answer = client.delete_endpoint(endpoint, project=project)
    show(answer, json_output, f"Endpoint {_name(answer, endpoint)} successfully marked delete.")


@app.command(epilog="\b\nExample:\n  snapi endpoint restore --project demo --endpoint hello")
def restore(
    endpoint: EndpointOption,
    project: ProjectOption = None,
    endpoint_name: Annotated[
        str,
        typer.Option("--endpoint_name", "-n", metavar="NAME", help="A new name, if its own is taken by now."),
    ] = "",
    json_output: JsonOption = False,
) -> None:
    """Bring a deleted endpoint back, with its API keys and settings, as Stopped."""
    with Client(config.load()) as client:
        answer = client.restore_endpoint(endpoint, name=endpoint_name, project=project)
    show(answer, json_output, f"Endpoint {_name(answer, endpoint)} successfully restored; it is stopped.")


def _spec(*, hyperparams: str | None, **fields: Any) -> dict[str, Any]:
    """The body of a request: what was given. Raises `WrongUsage` for hyperparams that are no JSON object."""
    spec = {name: value for name, value in fields.items() if value is not None}
    if hyperparams is not None:
        try:
            spec["hyperparams"] = json.loads(hyperparams)
        except (ValueError, RecursionError) as error:
            raise WrongUsage(f"--hyperparams is not JSON: {error}.") from None
        if not isinstance(spec["hyperparams"], dict):
            raise WrongUsage("--hyperparams must be a JSON object.")
    return spec


def _show_warnings(answer: dict[str, Any]) -> None:
    for sentence in answer.get("warnings") or []:
        warn(sentence)


def _name(answer: dict[str, Any], given: str) -> str:
    """The endpoint's name, also where its id was given."""
    return one_line(answer.get("name", given))
