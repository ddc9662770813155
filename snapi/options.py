"""Options that several commands share, spelled once. Underscores and dashes are the same (see `main`)."""

from typing import Annotated

import typer

from snapi import completion

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly what the REST API answers.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")]

_PROJECT = typer.Option(
    "--project",
    "-p",
    metavar="NAME|ID",
    help="The project, by name or id.",
    autocompletion=completion.projects,
)
ProjectOption = Annotated[str | None, _PROJECT]
RequiredProject = Annotated[str, _PROJECT]
TenantOption = Annotated[
    str,
    typer.Option(
        "--tenant",
        "-t",
        metavar="NAME|ID",
        help="The tenant, by name or id.",
        autocompletion=completion.tenants,
    ),
]
EndpointOption = Annotated[
    str,
    typer.Option(
        "--endpoint",
        "-e",
        metavar="NAME|ID",
        help="The endpoint, by name or id.",
        autocompletion=completion.endpoints,
    ),
]
EndpointNameOption = Annotated[
    str, typer.Option("--endpoint_name", "-n", metavar="NAME", help="Name of the new endpoint.")
]
DescriptionOption = Annotated[str | None, typer.Option("--description", "-d", help="A description.")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model-checkpoint",
        "-m",
        metavar="NAME|ID",
        help="The model to deploy.",
        autocompletion=completion.models,
    ),
]
NamedModel = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|ID",
        help="The model, by name or id.",
        autocompletion=completion.models,
    ),
]
ModelVersionOption = Annotated[
    str | None,
    typer.Option("--model-version", metavar="NUMBER", help="Version of the model; else the newest."),
]
ArchOption = Annotated[
    str | None,
    typer.Option(
        "--arch",
        "-a",
        metavar="ARCH",
        help="RDU generation, e.g. SN40L; else the recommended one.",
        autocompletion=completion.archs,
    ),
]
HyperparamsOption = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="""Model parameters, e.g. '{"model_parallel_rdus": "8"}'."""),
]
