"""What people do with endpoints. Each is one transaction: permission, rules, rows, audit, then the nudges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F

from apikeys.services import mint_first_key
from endpoints import rollouts, routing, selectors
from endpoints.models import Endpoint
from endpoints.rules import read_instances
from scheduler import selectors as machines
from studio.audit.services import record
from studio.errors import Conflict, invalid_field
from studio.hub import selectors as hub
from studio.hub.models import DeployOption, Model, ModelVersion
from studio.hub.rules import MOST_RDUS, RDUS_PARAM, clean_parameters, rdus_of
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants.rules import Actor, clean_name, clean_text, leading_role, require
from studio.unit import unit_of_work


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


def read_spec(actor: Actor, spec: Spec) -> Plan:
    """Check everything but the name. Raises `Invalid` or `NotFound` at the field that is wrong."""
    if not spec.model.strip():
        raise invalid_field("model_checkpoint", "Select a model.")
    model = hub.model_named(actor, spec.model)
    if spec.app and spec.app.lower() not in (model.app.name.lower(), str(model.app_id)):
        raise invalid_field("ml_app", f"{model.name} belongs to the ML App {model.app.name}.")
    option, min_width = hub.option_for(model, spec.arch.strip() or _recommended(model, spec.parameters))
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


@unit_of_work
def create_endpoint(*, actor: Actor, project: Project, spec: Spec, now: datetime) -> Endpoint:
    """An endpoint with its First Key and its instances waiting to be placed.

    Raises `Invalid` or `NotFound` at the field that is wrong, `Conflict` at `endpoint_name` when it is taken.
    """
    facts = projects.facts(actor, project)
    require(actor, "endpoint.create", facts, thing="project")
    name = clean_name("endpoint_name", spec.name)
    description = clean_text("description", spec.description, 500)
    plan = read_spec(actor, spec)
    _check_name_free(project, name)
    endpoint = Endpoint.objects.create(
        project=project,
        owner_id=actor.id or project.owner_id,
        name=name,
        description=description,
        model_version=plan.version,
        runtime_version=hub.runtime_for(plan.model.app),
        generation_id=plan.option.generation_id,
        instances=plan.instances or 1,
        desired=Endpoint.Desired.RUNNING if plan.instances else Endpoint.Desired.STOPPED,
        rdus=plan.rdus,
        min_width=plan.min_width,
        parameters=plan.parameters,
        created_at=now,
        updated_at=now,
    )
    mint_first_key(actor=actor, endpoint=endpoint, now=now)
    _record(actor, "create", endpoint, {"model": str(plan.version), "instances": plan.instances})
    rollouts.converge(endpoint.pk, now=now)
    return endpoint


@unit_of_work
def update_endpoint(*, actor: Actor, endpoint: Endpoint, edit: Edit, now: datetime) -> Endpoint:
    """Change the wish. A description touches nothing that runs; instances add or drain the difference (0 stops
    it, more starts a stopped one); the rest rolls.

    Raises `Conflict` when somebody changed it since `edit.spec_version`.
    """
    facts = selectors.facts(actor, endpoint)
    require(actor, "endpoint.run", facts, thing="endpoint")
    endpoint = _locked(endpoint)
    if edit.spec_version is not None and edit.spec_version != endpoint.spec_version:
        raise Conflict("Somebody changed this endpoint meanwhile; look at it again and repeat your change.")
    wanted = _read_edit(actor, endpoint, edit)
    changes: dict[str, object] = {
        name: [str(getattr(endpoint, name)), str(new)] for name, new in wanted.items()
    }
    if not wanted:
        return endpoint
    rolls = {"model_version", "generation_id", "rdus", "min_width", "parameters"} & set(wanted)
    Endpoint.objects.filter(pk=endpoint.pk).update(
        **wanted,
        spec_version=F("spec_version") + 1,
        config_version=F("config_version") + (1 if rolls else 0),
        updated_at=now,
    )
    _record(actor, "edit", endpoint, changes)
    rollouts.converge(endpoint.pk, now=now)
    routing.touch([endpoint.pk])
    return _fresh(endpoint)


@unit_of_work
def stop_endpoint(*, actor: Actor, endpoint: Endpoint, now: datetime) -> Endpoint:
    """Let its instances finish what they do and end; the wish is kept for a restart. Stopping twice is fine."""
    return _wish(actor, "stop", endpoint, Endpoint.Desired.STOPPED, now)


@unit_of_work
def restart_endpoint(*, actor: Actor, endpoint: Endpoint, now: datetime) -> Endpoint:
    """Run it (again) with new instances: a stopped or failed one starts, a running one is replaced in turn."""
    return _wish(actor, "restart", endpoint, Endpoint.Desired.RUNNING, now)


@unit_of_work
def delete_endpoint(*, actor: Actor, endpoint: Endpoint, now: datetime) -> Endpoint:
    """Mark it deleted: it answers no more, its instances end, its name is free. Its rows stay."""
    facts = selectors.facts(actor, endpoint)
    require(actor, "endpoint.delete", facts, thing="endpoint")
    endpoint = _locked(endpoint)
    Endpoint.objects.filter(pk=endpoint.pk).update(
        desired=Endpoint.Desired.DELETED, deleted_at=now, updated_at=now, spec_version=F("spec_version") + 1
    )
    _record(actor, "delete", endpoint, {})
    rollouts.converge(endpoint.pk, now=now)
    routing.touch([endpoint.pk])
    return _fresh(endpoint)


def _wish(actor: Actor, verb: str, endpoint: Endpoint, desired: str, now: datetime) -> Endpoint:
    require(actor, "endpoint.run", selectors.facts(actor, endpoint), thing="endpoint")
    endpoint = _locked(endpoint)
    if endpoint.desired == desired == Endpoint.Desired.STOPPED:
        return endpoint
    renewed = 1 if desired == Endpoint.Desired.RUNNING else 0
    Endpoint.objects.filter(pk=endpoint.pk).update(
        desired=desired,
        spec_version=F("spec_version") + 1,
        config_version=F("config_version") + renewed,
        updated_at=now,
    )
    _record(actor, verb, endpoint, {})
    rollouts.converge(endpoint.pk, now=now)
    routing.touch([endpoint.pk])
    return _fresh(endpoint)


def _recommended(model: Model, parameters: Mapping[str, Any]) -> str:
    """The generation when none is named; one without nodes yet where there is no better, "" for a Base model."""
    options = hub.options_of(model)
    rdus = str(parameters.get(RDUS_PARAM, ""))
    best = machines.recommended(options, int(rdus) if rdus.isdecimal() else None)
    return best or next((option.generation_id for option in options), "")


def _read_edit(actor: Actor, endpoint: Endpoint, edit: Edit) -> dict[str, Any]:
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


def _locked(endpoint: Endpoint) -> Endpoint:
    """The row as it is now, locked. Raises `Conflict` for one that is deleted."""
    found = (
        Endpoint.objects.select_for_update(of=("self",)).select_related(*selectors.WITH).get(pk=endpoint.pk)
    )
    if found.desired == Endpoint.Desired.DELETED:
        raise Conflict(f"Endpoint {found.name} is deleted.")
    return found


def _fresh(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_related(*selectors.WITH).get(pk=endpoint.pk)


def _check_name_free(project: Project, name: str) -> None:
    taken = Endpoint.objects.filter(project=project, name__iexact=name).exclude(desired="deleted")
    if taken.exists():
        raise Conflict(
            f"There is an endpoint {name!r} in this project already.",
            {"endpoint_name": "This name is taken."},
        )


def _record(actor: Actor, verb: str, endpoint: Endpoint, changes: dict[str, object]) -> None:
    facts = selectors.facts(actor, endpoint)
    record(
        actor,
        verb,
        "endpoint",
        endpoint.pk,
        endpoint.name,
        tenant=facts.tenant,
        role=leading_role(actor, facts),
        changes=changes,
    )
