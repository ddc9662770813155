"""What somebody typed for an endpoint, read and checked: a spec becomes a plan, an edit the columns that change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from endpoints.models import Endpoint
from endpoints.rules import read_instances, whole
from scheduler import selectors as machines
from studio.errors import invalid_field
from studio.hub import selectors as hub
from studio.hub.models import DeployOption, Model, ModelVersion
from studio.hub.rules import MOST_RDUS, RDUS_PARAM, clean_parameters, rdus_of
from studio.tenants.rules import Actor, clean_text

# What needs new instances when it changes; everything else touches nothing that runs.
CONFIG = frozenset({"model_version", "generation_id", "rdus", "min_width", "parameters"})


@dataclass(frozen=True, slots=True)
class Spec:
    """What somebody typed for a new endpoint, as the doors hand it over: nothing is checked yet."""

    name: str
    model: str  # name or id
    arch: str  # generation in any spelling; "" for the recommended one
    instances: Any = 1
    description: str = ""
    model_version: str | int | None = None
    app: str = ""  # ML App, only to be checked against the model's
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A spec that holds: what an endpoint of it would be."""

    model: Model
    version: ModelVersion
    option: DeployOption
    min_width: int
    instances: int  # 0: to be created stopped
    rdus: int
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change; None leaves a field as it is. `spec_version`: refuse if it is no longer the present one."""

    description: str | None = None
    model: str | None = None
    model_version: str | int | None = None
    arch: str | None = None
    instances: Any | None = None
    parameters: Mapping[str, Any] | None = None
    spec_version: int | None = None


def read_spec(actor: Actor, spec: Spec, offered: Model | None = None) -> Plan:
    """Check everything but the name. Raises `Invalid` or `NotFound` at the field that is wrong.

    `offered`: the model, where a form has just read it among those of the actor.
    """
    if not spec.model.strip():
        raise invalid_field("model_checkpoint", "Select a model.")
    model = offered or hub.model_named(actor, spec.model)
    if spec.app and spec.app.lower() not in (model.app.name.lower(), str(model.app_id)):
        raise invalid_field("ml_app", f"{model.name} belongs to the ML App {model.app.name}.")
    option, min_width = hub.option_for(
        model, spec.arch.strip() or _recommended(actor, model, spec.parameters)
    )
    parameters = clean_parameters(spec.parameters, option.params)
    rdus = rdus_of(parameters, option.rdus)
    if rdus > MOST_RDUS:
        raise invalid_field("hyperparams.model_parallel_rdus", f"An instance takes at most {MOST_RDUS} RDUs.")
    return Plan(
        model=model,
        version=hub.version_of(model, spec.model_version),
        option=option,
        min_width=min_width,
        instances=read_instances(spec.instances, least=0),
        rdus=rdus,
        parameters=parameters,
    )


def read_edit(actor: Actor, endpoint: Endpoint, edit: Edit) -> dict[str, Any]:
    """The columns that change, with their new values."""
    wanted: dict[str, Any] = {}
    if edit.description is not None:
        wanted["description"] = clean_text("description", edit.description, 500)
    if edit.instances is not None:
        number = read_instances(edit.instances, least=0)
        wanted["desired"] = Endpoint.Desired.RUNNING if number else Endpoint.Desired.STOPPED
        wanted["instances"] = number or endpoint.instances
    if (edit.model, edit.model_version, edit.arch, edit.parameters) != (None, None, None, None):
        wanted |= _read_config(actor, endpoint, edit)
    return {name: value for name, value in wanted.items() if getattr(endpoint, name) != value}


def _read_config(actor: Actor, endpoint: Endpoint, edit: Edit) -> dict[str, Any]:
    present = endpoint.model_version.model
    same_model = edit.model is None or hub.model_named(actor, edit.model) == present
    plan = read_spec(
        actor,
        Spec(
            name=endpoint.name,
            model=str(present.pk) if same_model else str(edit.model),
            arch=edit.arch or endpoint.generation_id,
            instances=endpoint.instances,
            model_version=edit.model_version or (endpoint.model_version.number if same_model else None),
            parameters=endpoint.parameters
            if edit.parameters is None and same_model
            else edit.parameters or {},
        ),
    )
    if plan.model.app_id != present.app_id:
        raise invalid_field(
            "model_checkpoint", f"Another model must belong to the same ML App, {present.app.name}."
        )
    return {
        "model_version": plan.version,
        "generation_id": plan.option.generation_id,
        "rdus": plan.rdus,
        "min_width": plan.min_width if edit.arch else endpoint.min_width,
        "parameters": plan.parameters,
    }


def _recommended(actor: Actor, model: Model, parameters: Mapping[str, Any]) -> str:
    """The generation when none is named; one without nodes yet where there is no better, "" for a Base model."""
    options = hub.options_of(model)
    rdus = str(parameters.get(RDUS_PARAM, ""))
    best = machines.recommended(options, machines.kinds_for(options, actor.tenant), whole(rdus, 3))
    return best or next((option.generation_id for option in options), "")
