"""`snapi model …`: what the Model Hub offers, and on which RDU generations it can be deployed."""

from typing import Annotated, Any

import typer

from snapi import config
from snapi.client import Client
from snapi.commands import moves, share
from snapi.events import events_text
from snapi.options import JsonOption, NamedModel
from snapi.output import dash, grid, label_block, label_line, long_time, plain, section, show

app = typer.Typer(no_args_is_help=True)
app.command("transfer", epilog=moves.TRANSFER_MODEL)(moves.transfer_model)
app.command("share", epilog=share.MODEL_EPILOG)(share.model)

JOB_TYPES = ("batch_predict", "deploy", "train")
COLUMNS = [("Name", 36), ("Version", 7), ("ML App", 24), ("Job Types", 14), ("RDU Arch", 14), ("Status", 12)]
NOT_DEPLOYABLE = (
    "Base models do not support inference and cannot be deployed for endpoints; use them for training."
)

JobTypeOption = Annotated[
    str | None, typer.Option("--job-type", "-j", metavar="TYPE", help="deploy, batch_predict or train.")
]


@app.command("list", epilog="\b\nExample:\n  snapi model list --job-type deploy")
def list_(
    job_type: JobTypeOption = None,
    app_name: Annotated[
        str | None, typer.Option("--app", metavar="NAME|ID", help="Only models of this ML App.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the models you can use."""
    with Client(config.load()) as client:
        answer = client.list_models(app=app_name, job_type=job_type)
    table = grid(COLUMNS, [_list_row(model) for model in answer["models"]])
    show(answer, json_output, f"{section('List of Models')}\n{table}")


@app.command(epilog="\b\nExample:\n  snapi model info --model Help --job-type deploy")
def info(
    model: NamedModel,
    job_type: JobTypeOption = None,
    model_version: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="A version of the model; else the newest.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show a model; the keys under 'deploy' are the values for --arch."""
    with Client(config.load()) as client:
        answer = client.model_info(model, job_type=job_type, version=model_version)
    show(answer, json_output, _info_text(answer))


@app.command(epilog="\b\nExample:\n  snapi model events --model Help")
def events(model: NamedModel, json_output: JsonOption = False) -> None:
    """List who did what to a model, newest first."""
    with Client(config.load()) as client:
        answer = client.things_events("models", model)
    show(answer, json_output, events_text(answer, f"Model {model}"))


def _list_row(model: dict[str, Any]) -> tuple[object, ...]:
    return (
        model.get("model_checkpoint_name"),
        model.get("version"),
        model.get("app_name"),
        ", ".join(model.get("jobTypes") or []),
        ", ".join(model.get("archs") or []),
        model.get("status"),
    )


def _info_text(model: dict[str, Any]) -> str:
    rows = [
        ("ID", model.get("model_id")),
        ("Name", model.get("model_checkpoint_name")),
        ("Architecture", model.get("architecture")),
        ("Field of Application", model.get("field_of_application")),
        ("Validation Loss", dash(model.get("validation_loss"))),
        ("Validation Accuracy", dash(model.get("validation_accuracy"))),
        ("App", model.get("app_id")),
        ("Dataset", model.get("dataset")),
        ("SambaNova Provided", model.get("sambanova_provided")),
        ("Version", model.get("version")),
    ]
    lines = [
        label_block("Model Info", rows, rule=12),
        f"Description : {plain(str(model.get('description') or ''))}".rstrip(),
        label_line("Created Time", long_time(model.get("created_time"))),
        label_line("Status", model.get("status")),
        label_line("Steps", model.get("steps")),
        "Hyperparameters :",
        _hyperparameters(model.get("hyperparams") or {}),
    ]
    if "deploy" not in (model.get("jobTypes") or []):
        lines.append(NOT_DEPLOYABLE)
    return "\n".join(lines)


def _hyperparameters(hyperparams: dict[str, Any]) -> str:
    # Only this command needs it, and it takes its time to load.
    import pprint  # noqa: PLC0415

    return pprint.pformat({job_type: {} for job_type in JOB_TYPES} | hyperparams, indent=2)
