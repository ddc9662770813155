"""What people do with endpoints. Each is one transaction: permission, rules, rows, audit, then the nudges."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from apikeys.services import forget_values, mint_first_key
from endpoints import rollouts, routing, selectors
from endpoints.models import Endpoint
from endpoints.rules import FORGOTTEN, Forecast, check_restorable
from endpoints.specs import CONFIG, Edit, Plan, Spec, read_edit, read_spec
from scheduler import selectors as machines
from scheduler.fleet import Kind
from studio.audit.services import record
from studio.errors import Conflict
from studio.hub import selectors as hub
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.projects.services import close_project
from studio.statements import statement
from studio.tenants.rules import STUDIO, Actor, clean_name, clean_text, leading_role, require
from studio.tenants.selectors import check_open
from studio.unit import unit_of_work

__all__ = ["Edit", "Plan", "Spec", "read_spec"]  # the words of the services below


class Changed(Conflict):
    """Somebody changed the endpoint since the `spec_version` that an edit names."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What an edit would make of an endpoint, and how. `after`: the row as it would be, never saved."""

    after: Endpoint
    forecast: Forecast


@unit_of_work
def create_endpoint(
    *, actor: Actor, project: Project, spec: Spec, token: UUID | None = None, now: datetime
) -> Endpoint:
    """An endpoint with its First Key and its instances waiting to be placed.

    `token`: its id to be. Sent twice with the same name, it is created once and answered twice; the primary
    key holds that. Raises `Invalid` or `NotFound` at the field that is wrong, `Conflict` at `endpoint_name`
    when it is taken.
    """
    facts = projects.facts(actor, project)
    require(actor, "endpoint.create", facts, thing="project")
    name = clean_name("endpoint_name", spec.name)
    description = clean_text("description", spec.description, 500)
    plan = read_spec(actor, spec)
    check_open(project.tenant)
    _lock_open(project)
    made = _with_token(token, project, name, actor)
    if made is not None:
        return made
    _check_name_free(project, name)
    owner = actor.id or project.owner_id
    endpoint = Endpoint.objects.create(
        **({"pk": token} if token and not Endpoint.objects.filter(pk=token).exists() else {}),
        project=project,
        owner_id=owner,
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
    if owner == project.owner_id:
        endpoint.owner = project.owner  # read already
    endpoint.first_value = mint_first_key(actor=actor, endpoint=endpoint, now=now)[1]
    _record(actor, "create", endpoint, {"model": str(plan.version), "instances": plan.instances})
    rollouts.begin(endpoint, now=now)
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
    _check_still(edit.spec_version, endpoint)
    wanted = read_edit(actor, endpoint, edit)
    changes: dict[str, object] = {
        name: [_plain(getattr(endpoint, name)), _plain(new)] for name, new in wanted.items()
    }
    if not wanted:
        return endpoint
    rolls = CONFIG & set(wanted)
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


def foresee_edit(*, actor: Actor, endpoint: Endpoint, edit: Edit) -> Prospect:
    """What `update_endpoint` would do now; nothing is changed. Raises what it would raise."""
    require(actor, "endpoint.run", selectors.facts(actor, endpoint), thing="endpoint")
    _check_still(edit.spec_version, endpoint)
    wanted = read_edit(actor, endpoint, edit)
    after = copy(endpoint)
    for name, value in wanted.items():
        setattr(after, name, value)
    rolls = bool(CONFIG & set(wanted))
    after.config_version += rolls
    return Prospect(after, rollouts.foresee(after, was=endpoint.desired, differs=bool(wanted), rolls=rolls))


def preview_edit(
    *, actor: Actor, prospect: Prospect, kinds: Sequence[Kind] | None = None
) -> machines.Preview:
    """Where the instances that an edit would open land now, and what would wait and why.

    `kinds`: nodes that somebody has read already, all of each generation.
    """
    after = prospect.after
    read = [kind for kind in kinds or () if kind.generation == after.generation_id]
    return machines.preview(
        actor,
        generation=after.generation_id,
        min_width=after.min_width,
        rdus=after.rdus,
        instances=after.instances if after.desired == Endpoint.Desired.RUNNING else 0,
        endpoint=after.pk,
        kept=prospect.forecast.kept,
        tenant=after.project.tenant_id,
        kinds=read or None,
    )


@unit_of_work
def stop_endpoint(*, actor: Actor, endpoint: Endpoint, seen: int | None = None, now: datetime) -> Endpoint:
    """Let its instances finish what they do and end; the wish is kept for a restart. Stopping twice is fine.

    `seen`: the `spec_version` it must still have, here and below; else `Changed`.
    """
    return _wish(actor, "stop", endpoint, Endpoint.Desired.STOPPED, seen, now)


@unit_of_work
def restart_endpoint(*, actor: Actor, endpoint: Endpoint, seen: int | None = None, now: datetime) -> Endpoint:
    """Run it (again) with new instances: a stopped or failed one starts, a running one is replaced in turn."""
    return _wish(actor, "restart", endpoint, Endpoint.Desired.RUNNING, seen, now)


@unit_of_work
def delete_endpoint(*, actor: Actor, endpoint: Endpoint, seen: int | None = None, now: datetime) -> Endpoint:
    """It answers no more, its instances end, its name is free. For a day it can be restored."""
    facts = selectors.facts(actor, endpoint)
    require(actor, "endpoint.delete", facts, thing="endpoint")
    endpoint = _locked(endpoint)
    _check_still(seen, endpoint)
    return _delete(actor, endpoint, now)


@unit_of_work
def restore_endpoint(*, actor: Actor, endpoint: Endpoint, name: str = "", now: datetime) -> Endpoint:
    """Bring a deleted one back as Stopped, with its API keys and settings; under another name if one is given.

    Raises `Conflict` when its day is over or its project is gone, at `endpoint_name` when the name is taken.
    """
    require(actor, "endpoint.delete", selectors.facts(actor, endpoint), thing="endpoint")
    check_open(endpoint.project.tenant)
    _lock_open(endpoint.project)
    endpoint = _locked(endpoint, deleted=True)
    check_restorable(endpoint.name, endpoint.deleted_at, now)
    name = clean_name("endpoint_name", name or endpoint.name)
    _check_name_free(endpoint.project, name, "; restore it under another name")
    changes: dict[str, object] = {"desired": [endpoint.desired, Endpoint.Desired.STOPPED]}
    changes |= {} if name == endpoint.name else {"name": [endpoint.name, name]}
    Endpoint.objects.filter(pk=endpoint.pk).update(
        name=name,
        desired=Endpoint.Desired.STOPPED,
        deleted_at=None,
        updated_at=now,
        spec_version=F("spec_version") + 1,
    )
    endpoint = _fresh(endpoint)
    _record(actor, "restore", endpoint, changes)
    routing.touch([endpoint.pk])
    return endpoint


@unit_of_work
def delete_project(*, actor: Actor, project: Project, now: datetime) -> list[Endpoint]:
    """Delete a project with all its endpoints, which are returned. Neither can be restored."""
    require(actor, "project.delete", projects.facts(actor, project), thing="project")
    _lock_open(project)
    rows = Endpoint.objects.select_for_update(of=("self",)).select_related(*selectors.WITH)
    gone = list(rows.filter(project=project).exclude(desired=Endpoint.Desired.DELETED).order_by("pk"))
    deleted = [_delete(actor, endpoint, now) for endpoint in gone]
    close_project(actor=actor, project=project, endpoints=[each.name for each in gone], now=now)
    return deleted


def forget_deleted(*, now: datetime) -> int:
    """The sweep: of what can no longer be restored, the values of the API keys go. Returns endpoints."""
    due = Endpoint.objects.filter(desired=Endpoint.Desired.DELETED, deleted_at__lt=now - FORGOTTEN)
    ids = list(due.filter(api_keys__sealed__isnull=False).distinct().values_list("pk", flat=True))
    for pk in ids:
        _forget(pk, now)
    return len(ids)


@unit_of_work
def _forget(pk: UUID, now: datetime) -> None:
    """Under the endpoint's lock: a restore that came first has taken it out of the query."""
    rows = Endpoint.objects.select_for_update().filter(pk=pk, desired=Endpoint.Desired.DELETED)
    for endpoint in rows.filter(deleted_at__lt=now - FORGOTTEN):
        forgotten = forget_values(endpoint)
        _record(STUDIO, "forget keys", endpoint, {"values": [forgotten, 0]})


def _delete(actor: Actor, endpoint: Endpoint, now: datetime) -> Endpoint:
    Endpoint.objects.filter(pk=endpoint.pk).update(
        desired=Endpoint.Desired.DELETED, deleted_at=now, updated_at=now, spec_version=F("spec_version") + 1
    )
    _record(actor, "delete", endpoint, {"desired": [endpoint.desired, Endpoint.Desired.DELETED]})
    rollouts.converge(endpoint.pk, now=now)
    routing.touch([endpoint.pk])
    return _fresh(endpoint)


def _wish(
    actor: Actor, verb: str, endpoint: Endpoint, desired: str, seen: int | None, now: datetime
) -> Endpoint:
    require(actor, "endpoint.run", selectors.facts(actor, endpoint), thing="endpoint")
    endpoint = _locked(endpoint)
    _check_still(seen, endpoint)
    if endpoint.desired == desired == Endpoint.Desired.STOPPED:
        return endpoint
    renewed = 1 if desired == Endpoint.Desired.RUNNING else 0
    Endpoint.objects.filter(pk=endpoint.pk).update(
        desired=desired,
        spec_version=F("spec_version") + 1,
        config_version=F("config_version") + renewed,
        updated_at=now,
    )
    changes: dict[str, object] = {}
    if desired != endpoint.desired:
        changes["desired"] = [endpoint.desired, desired]
    if renewed:
        changes["config_version"] = [endpoint.config_version, endpoint.config_version + renewed]
    _record(actor, verb, endpoint, changes)
    rollouts.converge(endpoint.pk, now=now)
    routing.touch([endpoint.pk])
    return _fresh(endpoint)


def _check_still(seen: int | None, endpoint: Endpoint) -> None:
    if seen is not None and seen != endpoint.spec_version:
        raise Changed("Somebody changed this endpoint meanwhile; look at it again and repeat your change.")


def _locked(endpoint: Endpoint, *, deleted: bool = False) -> Endpoint:
    """The row as it is now, locked. Raises `Conflict` for one that is deleted, or is not where it should be."""
    rows = Endpoint.objects.select_for_update(of=("self",)).select_related(*selectors.WITH)
    found = rows.get(pk=endpoint.pk)
    if (found.desired == Endpoint.Desired.DELETED) != deleted:
        raise Conflict(f"Endpoint {found.name} is {'not ' if deleted else ''}deleted.")
    return found


def _lock_open(project: Project) -> None:
    """Nothing comes into a project while it is deleted. Raises `Conflict` for one that is."""
    if not _open_and_locked(project.pk):
        raise Conflict(f"Project {project.name} is deleted.")


@statement()
def _open_and_locked(project: UUID) -> QuerySet[Project, UUID]:
    rows = Project.objects.select_for_update(no_key=True).filter(pk=project, deleted_at=None)
    return rows.order_by().values_list("pk", flat=True)


def _with_token(token: UUID | None, project: Project, name: str, actor: Actor) -> Endpoint | None:
    """What the same form has created already."""
    if token is None:
        return None
    found = Endpoint.objects.filter(pk=token, project=project, owner=actor.id, name__iexact=name)
    return found.exclude(desired=Endpoint.Desired.DELETED).select_related(*selectors.WITH).first()


def _fresh(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_related(*selectors.WITH).get(pk=endpoint.pk)


def _check_name_free(project: Project, name: str, remedy: str = "") -> None:
    if selectors.is_taken(project.pk, name):
        raise Conflict(
            f"There is an endpoint {name!r} in this project already{remedy}.",
            {"endpoint_name": "This name is taken."},
        )


def _plain(value: object) -> object:
    """As the audit keeps it: a row by what it is called."""
    return value if value is None or isinstance(value, str | int | float | dict | list) else str(value)


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
        owner=endpoint.owner_id,
    )
