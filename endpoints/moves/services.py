"""Another home and another owner: endpoints into another project, projects into another tenant, ownership of both
and of models to somebody else."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Sum

from endpoints import routing, selectors
from endpoints.models import Endpoint
from scheduler import quotas
from scheduler.services import raise_demand
from studio import enqueue
from studio.audit.services import record
from studio.errors import Conflict, invalid_field
from studio.hub import selectors as hub
from studio.hub.models import Model as HubModel
from studio.people.selectors import colleagues
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.tenants.models import Tenant, User
from studio.tenants.rules import Actor, Facts, leading_role, require
from studio.tenants.selectors import check_open
from studio.unit import unit_of_work

# ----- another home ---------------------------------------------------------------------------------------


@unit_of_work
def move_endpoint(*, actor: Actor, endpoint: Endpoint, project: Project, now: datetime) -> Endpoint:
    """Nothing restarts; its API keys stay, and the project's part of its URLs changes at once.

    Whoever moves it decides who sees it, so it takes what sharing it takes. Raises `Conflict` at `project`.
    """
    require(actor, "endpoint.delete", selectors.facts(actor, endpoint), thing="endpoint")
    require(actor, "project.edit", projects.facts(actor, project), thing="project")
    check_open(project.tenant)
    _lock_projects([endpoint.project_id, project.pk])
    before = _locked_endpoint(endpoint)
    if before.project_id == project.pk:
        return before
    if selectors.is_taken(project.pk, before.name):
        sentence = f"There is an endpoint {before.name!r} in project {project.name} already."
        raise Conflict(sentence, {"project": sentence})
    if before.project.tenant_id != project.tenant_id:
        _check_quota(project.tenant, [before.pk], "project")
    Endpoint.objects.filter(pk=before.pk).update(
        project=project, spec_version=F("spec_version") + 1, updated_at=now
    )
    routing.touch([before.pk])
    after = Endpoint.objects.select_related(*selectors.WITH).get(pk=before.pk)
    changes: dict[str, object] = {"project": [before.project.name, project.name]}
    _record_move(actor, "endpoint", after, changes, before.project.tenant_id, project.tenant_id)
    if before.project.tenant_id != project.tenant_id:
        _plan_again([after])
    return after


@unit_of_work
def move_project(*, actor: Actor, project: Project, tenant: Tenant, now: datetime) -> Project:
    """With all its endpoints, of which none restarts; their URLs and API keys stay, and so do the owners.

    For whoever may delete it here and create one there. Raises `Conflict` at `tenant`, also where the new tenant's
    RDU quota has no room for what runs.
    """
    require(actor, "project.delete", projects.facts(actor, project), thing="project")
    require(actor, "project.create", Facts(tenant=tenant.pk), thing="tenant")
    check_open(tenant)
    (before,) = _lock_projects([project.pk])
    if before.tenant_id == tenant.pk:
        return before
    present = Project.objects.filter(tenant=tenant, name__iexact=before.name, deleted_at=None)
    if present.exists():
        sentence = f"There is a project {before.name!r} in tenant {tenant.name} already."
        raise Conflict(sentence, {"tenant": sentence})
    rows = Endpoint.objects.select_for_update(of=("self",)).filter(project=before).order_by("pk")
    within = list(rows)
    _check_quota(tenant, [each.pk for each in within], "tenant")
    Project.objects.filter(pk=before.pk).update(tenant=tenant, updated_at=now)
    after = Project.objects.select_related("tenant", "owner").get(pk=before.pk)
    changes: dict[str, object] = {"tenant": [before.tenant.name, tenant.name]}
    _record_move(actor, "project", after, changes, before.tenant_id, tenant.pk)
    _plan_again(within)
    return after


def _lock_projects(ids: Iterable[UUID]) -> list[Project]:
    """In the common order. Raises `Conflict` for one that is deleted."""
    rows = Project.objects.select_for_update(of=("self",), no_key=True).select_related("tenant", "owner")
    found = list(rows.filter(pk__in=set(ids)).order_by("pk"))
    for project in found:
        if project.deleted_at:
            raise Conflict(f"Project {project.name} is deleted.")
    return found


def _locked_endpoint(endpoint: Endpoint) -> Endpoint:
    rows = Endpoint.objects.select_for_update(of=("self",)).select_related(*selectors.WITH)
    found = rows.get(pk=endpoint.pk)
    if found.desired == Endpoint.Desired.DELETED:
        raise Conflict(f"Endpoint {found.name} is deleted.")
    return found


def _check_quota(tenant: Tenant, endpoints: Iterable[UUID], field: str) -> None:
    """Raises `Conflict` where what these hold would take the tenant above its maximum."""
    held = quotas.holders().filter(endpoint__in=list(endpoints))
    for generation, rdus in held.values_list("generation_id").annotate(Sum("rdus")):
        if lack := quotas.lacking(tenant.pk, generation, rdus):
            holds = f"What runs holds {rdus} {generation} RDUs"
            sentence = f"{holds}, {lack} more than the quota of tenant {tenant.name} leaves."
            raise Conflict(sentence, {field: sentence})


def _plan_again(moved: Iterable[Endpoint]) -> None:
    """One tenant has room by now, and some nodes may be kept for another."""
    moved = list(moved)
    for endpoint in moved:
        enqueue.nudge_converging(str(endpoint.pk))
    for generation in sorted({endpoint.generation_id for endpoint in moved}):
        raise_demand(generation)


def _record_move(
    actor: Actor,
    thing: str,
    moved: Endpoint | Project,
    changes: dict[str, object],
    source: UUID,
    target: UUID,
) -> None:
    """In each of the two tenants, whose people must both be able to read it."""
    for tenant, verb in {source: "move", target: "move here" if source != target else "move"}.items():
        role = leading_role(actor, Facts(tenant, frozenset({moved.owner_id})))
        whose = moved.owner_id if verb == "move" else None  # told once
        record(
            actor, verb, thing, moved.pk, moved.name, tenant=tenant, role=role, changes=changes, owner=whose
        )


# ----- another owner --------------------------------------------------------------------------------------


@unit_of_work
def transfer_endpoint(*, actor: Actor, endpoint: Endpoint, owner: str, now: datetime) -> Endpoint:
    """`owner`: name or id of an active user of its tenant. Raises `Invalid` at `owner`."""
    facts = selectors.facts(actor, endpoint)
    require(actor, "endpoint.delete", facts, thing="endpoint")
    endpoint = _locked_endpoint(endpoint)
    _hand_over(actor, "endpoint", endpoint, endpoint.owner, owner, facts, {"updated_at": now})
    return Endpoint.objects.select_related(*selectors.WITH).get(pk=endpoint.pk)


@unit_of_work
def transfer_project(*, actor: Actor, project: Project, owner: str, now: datetime) -> Project:
    """The endpoints in it keep their owners, whose project it was no more than anybody else's."""
    facts = projects.facts(actor, project)
    require(actor, "project.delete", facts, thing="project")
    (project,) = _lock_projects([project.pk])
    _hand_over(actor, "project", project, project.owner, owner, facts, {"updated_at": now})
    return Project.objects.select_related("tenant", "owner").get(pk=project.pk)


@unit_of_work
def transfer_model(*, actor: Actor, model: HubModel, owner: str, now: datetime) -> HubModel:
    """Raises `Conflict` for a model of the provider, which nobody here owns."""
    facts = hub.facts(actor, model)
    require(actor, "model.manage", facts, thing="model")
    model = HubModel.objects.select_for_update(of=("self",)).select_related("owner").get(pk=model.pk)
    if model.tenant_id is None:
        raise Conflict(f"{model.name} is the provider's; it has no owner here.")
    _hand_over(actor, "model", model, model.owner, owner, facts, {})
    return HubModel.objects.select_related("owner", "tenant").get(pk=model.pk)


def _hand_over(
    actor: Actor,
    kind: str,
    thing: Endpoint | Project | HubModel,
    old: User | None,
    wanted: str,
    facts: Facts,
    also: Mapping[str, object],
) -> None:
    new = _colleague(facts.tenant, wanted)
    if old == new:
        return
    rows = type(thing)._default_manager.filter(pk=thing.pk)
    rows.update(owner=new, **also)
    role = leading_role(actor, facts)
    changes: dict[str, object] = {"owner": [old.username if old else None, new.username]}
    about: dict[str, Any] = {"tenant": facts.tenant, "role": role, "changes": changes, "owner": new.pk}
    record(actor, "transfer", kind, thing.pk, thing.name, **about)


def _colleague(tenant: UUID | None, name_or_id: str) -> User:
    people = colleagues(tenant) if tenant else User.objects.none()
    try:
        found = people.filter(pk=UUID(name_or_id)).first()
    except ValueError:
        found = people.filter(username__iexact=name_or_id.strip()).first()
    if found is None:
        raise invalid_field("owner", f"There is no active user {name_or_id!r} in its tenant.")
    return found
