"""Reading endpoints: what the actor may see, each with its computed status and its instances."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from endpoints import rules, statuses
from endpoints.models import Endpoint
from scheduler.models import Allocation, Instance
from scheduler.rules import InstanceState, in_queue, reason_sentence
from studio.errors import NotFound
from studio.projects import selectors as projects
from studio.projects.models import Project
from studio.sharing.selectors import ASKED_BY, facts_of, shared_with
from studio.statements import WORD, statement
from studio.tenants.rules import ALL_TENANTS, Actor, Facts, may

WITH = ("project__tenant", "owner", "model_version__model__app", "runtime_version__runtime", "generation")

TOLD_WITH = ("project", "owner", "model_version__model__app")
TOLD = (
    "name", "description", "created_at", "updated_at", "deleted_at", "generation_id", "general_access", "desired",
    "instances", "parameters", "spec_version", "config_version", "project", "owner", "model_version",
)  # fmt: skip
TOLD_OF_PROJECT = ("name", "owner", "general_access", "tenant")
TOLD_OF_VERSION = ("number", "model__name", "model__app__name")
TOLD_WHOLE = (
    *TOLD, "owner__username", *(f"project__{name}" for name in TOLD_OF_PROJECT),
    *(f"model_version__{name}" for name in TOLD_OF_VERSION),
)  # fmt: skip
INSTANCE = (
    "endpoint_id", "pk", "ordinal", "state", "state_since", "node_id", "node__name", "generation_id",
    "config_version", "reason", "progress", "crashes", "log_tail",
)  # fmt: skip


def facts(actor: Actor, endpoint: Endpoint) -> Facts:
    """A grant on the project holds for what is in it, and its owner counts as an owner."""
    project = endpoint.project
    return facts_of(
        actor,
        project.tenant_id,
        frozenset({endpoint.owner_id, project.owner_id}),
        (Endpoint, endpoint.pk, endpoint.general_access),
        (Project, project.pk, project.general_access),
    )


def visible(actor: Actor) -> QuerySet[Endpoint]:
    """Endpoints the actor may see, in any tenant, without those that are deleted and gone."""
    return Endpoint.objects.filter(_seen_by(actor), statuses.not_gone()).select_related(*WITH)


def recently_deleted(actor: Actor, now: datetime, project: Project | None = None) -> QuerySet[Endpoint]:
    """What the actor may see of the last day's deletions and can still be restored, the latest first.

    Of one project, or of the active tenant.
    """
    place = Q(project=project) if project else Q(project__tenant=actor.tenant)
    return deleted_since(actor, place, now - rules.KEPT)


def deleted_since(actor: Actor, place: Q, since: datetime) -> QuerySet[Endpoint]:
    lately = Q(desired="deleted", deleted_at__gt=since, project__deleted_at__isnull=True)
    found = Endpoint.objects.filter(_seen_by(actor), place, lately)
    return found.select_related(*WITH).order_by("-deleted_at", "id")


def deleted_named(actor: Actor, name_or_id: str, now: datetime, project: Project | None = None) -> Endpoint:
    """One that can be restored, by id in any tenant or by name. Raises `NotFound`, and where the name fits several."""
    try:
        lately = Q(desired="deleted", project__deleted_at__isnull=True, pk=UUID(name_or_id))
        found = list(Endpoint.objects.filter(_seen_by(actor), lately).select_related(*WITH))
    except ValueError:
        found = list(recently_deleted(actor, now, project).filter(name__iexact=name_or_id)[:20])
    return _the_one(found, f"deleted endpoint {name_or_id!r}", "Name its id.")


def is_taken(project: UUID, name: str) -> bool:
    """Whether an endpoint that is not deleted has this name in the project."""
    return bool(_of_that_name(project, name))


@statement()
def _of_that_name(project: UUID, name: str) -> QuerySet[Endpoint, UUID]:
    return _called(Endpoint.objects.filter(project=project), name).order_by().values_list("pk", flat=True)[:1]


def _called(pool: QuerySet[Endpoint], name: str) -> QuerySet[Endpoint]:
    """Those of this name in any case that are not deleted, as the unique index has them."""
    return pool.exclude(desired="deleted").filter(Exact(Lower("name"), Lower(Value(name))))


def _seen_by(actor: Actor) -> Q:
    seen = projects.open_to(actor, "project__")
    if not actor.is_org_admin:
        shared = Q(
            project__tenant__in=list(actor.tenants), general_access__in=["tenant_viewer", "tenant_editor"]
        )
        seen = seen | Q(owner=actor.id) | Q(general_access=ALL_TENANTS) | shared
        seen |= shared_with(actor, Endpoint)
    return seen


def _here(actor: Actor) -> Q:
    """In the active tenant, or given to the actor wherever it stands."""
    return Q(project__tenant=actor.tenant) | shared_with(actor, Endpoint)


@statement(actor=ASKED_BY)
def seen(actor: Actor, pks: list[UUID]) -> QuerySet[Endpoint, tuple[UUID, str]]:
    """Those of these that are among the visible ones, with their names."""
    return visible(actor).filter(pk__in=pks).order_by().values_list("pk", "name")


def in_tenant(actor: Actor) -> QuerySet[Endpoint]:
    """The visible ones of the active tenant and those shared with the actor, newest first."""
    return visible(actor).filter(_here(actor)).order_by("-created_at", "id")


def shared_alone(actor: Actor) -> QuerySet[Endpoint]:
    """Those shared with the actor whose project they may not see: they stand in no project's list. Newest first."""
    alone = visible(actor).filter(shared_with(actor, Endpoint)).exclude(projects.open_to(actor, "project__"))
    return alone.order_by("-created_at", "id")


def in_project(actor: Actor, project: Project | UUID) -> QuerySet[Endpoint]:
    return visible(actor).filter(project=project).order_by("-created_at", "id")


def named(
    actor: Actor, name_or_id: str, project: Project | None = None, *, only_told: bool = False
) -> Endpoint:
    """By id, or by name in the project, or by name among what `in_tenant` lists.

    One that is Deleting is found by its id only: its name is free. `only_told`: no more of it than the REST API
    says, and whether its tenant shows values only once.

    Raises `NotFound`; where the name fits several, the sentence lists them as `project/endpoint (id)`.
    """
    try:
        found = _with_id(actor, UUID(name_or_id), project, only_told=only_told)
    except ValueError:
        home = Q(project=project) if project is not None else _here(actor)
        named = _called(visible(actor).filter(home), name_or_id)
        found = list((_told_with_tenant(named) if only_told else named)[:20])
    return _the_one(found, f"endpoint {name_or_id!r}", "Name the project.")


def _with_id(actor: Actor, pk: UUID, project: Project | None, *, only_told: bool) -> list[Endpoint]:
    """The one, if the actor may see it: `visible` on a row, whose query was a third of an answer."""
    found = _told_alone(pk) if only_told else _whole_alone(pk)
    if project is not None:
        found = [each for each in found if each.project_id == project.pk]
    if found and found[0].desired == Endpoint.Desired.DELETED:
        return list(visible(actor).filter(pk=pk))
    return [each for each in found if may(actor, "endpoint.see", facts(actor, each))]


@statement()
def _whole_alone(pk: UUID) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(pk=pk).select_related(*WITH)


@statement()
def _told_alone(pk: UUID) -> QuerySet[Endpoint]:
    return _told_with_tenant(Endpoint.objects.filter(pk=pk))


def _told_with_tenant(found: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Whether its tenant shows values only once is asked for one endpoint, not for those of a list."""
    whole = found.select_related(None).select_related(*TOLD_WITH, "project__tenant")
    return whole.only(*TOLD_WHOLE, "project__tenant__values_once")


def _the_one(found: Sequence[Endpoint], what: str, remedy: str) -> Endpoint:
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"There is no {what}.", {"endpoint": "unknown endpoint"})
    several = ", ".join(f"{each.project.name}/{each.name} ({each.pk})" for each in found)
    raise NotFound(f"There are several of {what}: {several}. {remedy}", {"project": "needed"})


def answering(actor: Actor, most: int) -> list[UUID]:
    """Those of `in_tenant` that are Live or Updating; cheaper than to ask each for its status."""
    return _running_with(actor, InstanceState.READY, most)


def waiting(actor: Actor, most: int) -> list[UUID]:
    """Those of `in_tenant` of which at least one instance waits for RDUs."""
    return _running_with(actor, InstanceState.AWAITING, most)


@statement(actor=ASKED_BY, most=WORD)
def _running_with(actor: Actor, state: str, most: int) -> QuerySet[Endpoint, UUID]:
    """Without `visible`: what runs is not gone, and to ask whether it is takes the newest out of their order.

    Ids alone: a hundred thousand of them are sorted in a third of the time that whole rows take.
    """
    rows = Instance.objects.filter(endpoint=OuterRef("pk"), state=state)
    running = Q(desired=Endpoint.Desired.RUNNING)
    found = Endpoint.objects.filter(_seen_by(actor), _here(actor), running, Exists(rows))
    return found.order_by("-created_at", "id").values_list("pk", flat=True)[:most]


# ----- views ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance as people see it. `reason`: why it waits, pauses or failed, in one sentence."""

    id: UUID
    ordinal: int
    state: str
    since: Any
    node: str
    rdus: list[int]
    reason: str
    code: str
    position: int
    progress: dict[str, Any] | None
    crashes: int
    log_tail: list[str]


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with all that its window, its REST answer and `snapi endpoint info` show."""

    endpoint: Endpoint
    status: str
    ready: int
    instances: list[InstanceView] = field(default_factory=list)

    @property
    def waiting(self) -> list[InstanceView]:
        return [each for each in self.instances if each.state == InstanceState.AWAITING and each.reason]

    @property
    def reason(self) -> str:
        """Why the endpoint is not Live, in one sentence; "" while there is nothing to explain."""
        if self.status not in (rules.AWAITING_RDU, rules.FAILED, rules.SETTING_UP):
            return ""
        wanted = InstanceState.FAILED if self.status == rules.FAILED else InstanceState.AWAITING
        return next((i.reason for i in self.instances if i.state == wanted and i.reason), "") or next(
            (i.reason for i in self.instances if i.reason), ""
        )

    @property
    def tally(self) -> str:
        """`15 of 40 instances`; "" while nothing runs or is wished."""
        wanted = self.endpoint.instances
        if self.endpoint.desired != Endpoint.Desired.RUNNING:
            return ""
        return f"{self.ready} of {wanted} instance{'' if wanted == 1 else 's'}"

    @property
    def instances_now(self) -> int:
        """What *Instances* shows: the wish while running, 0 while stopped."""
        return self.endpoint.instances if self.endpoint.desired == Endpoint.Desired.RUNNING else 0

    @property
    def predict_path(self) -> str:
        return f"/api/predict/generic/{self.endpoint.project_id}/{self.endpoint.pk}"

    @property
    def stream_path(self) -> str:
        return f"/api/predict/generic/stream/{self.endpoint.project_id}/{self.endpoint.pk}"

    @property
    def openai_path(self) -> str:
        return f"/v1/{self.endpoint.project_id}/{self.endpoint.pk}"

    @property
    def predict_url(self) -> str:
        return settings.PUBLIC_URL + self.predict_path

    @property
    def stream_url(self) -> str:
        return settings.PUBLIC_URL + self.stream_path

    @property
    def openai_url(self) -> str:
        return settings.PUBLIC_URL + self.openai_path


def views(endpoints: Iterable[Endpoint], *, whole: bool = False) -> list[EndpointView]:
    """Endpoints with their status; `whole` adds every instance with its node, RDUs and reason."""
    found = list(endpoints)
    if whole:
        return _whole(found, with_rdus=True)
    counts = statuses.tallies(found)
    return [EndpointView(each, rules.status(counts[each.pk]), counts[each.pk].ready) for each in found]


def _whole(found: Sequence[Endpoint], *, with_rdus: bool) -> list[EndpointView]:
    """The status comes of the same rows that are shown."""
    rows = _instance_rows([endpoint.pk for endpoint in found])
    placed = [row["pk"] for instances in rows.values() for row in instances if row["node_id"]]
    held = _held_by(placed) if with_rdus else {}
    made = []
    for endpoint in found:
        own = rows.get(endpoint.pk, [])
        tally = statuses.tally(
            endpoint,
            [
                (row["state"], row["config_version"], row["node_id"], (row["reason"] or {}).get("code"))
                for row in own
            ],
        )
        instances = [_instance_view(row, held.get(row["pk"], [])) for row in own]
        made.append(EndpointView(endpoint, rules.status(tally), tally.ready, instances))
    return made


def view(endpoint: Endpoint, *, with_rdus: bool = True) -> EndpointView:
    """`with_rdus`: whether anybody looks at which RDUs each instance holds."""
    return _whole([endpoint], with_rdus=with_rdus)[0]


def _instance_rows(endpoints: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Endpoint id → its instances that are not over, by their number."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in _not_over(list(endpoints)):
        found.setdefault(row["endpoint_id"], []).append(row)
    return found


@statement()
def _not_over(endpoints: list[UUID]) -> QuerySet[Instance, dict[str, Any]]:
    rows = Instance.objects.filter(endpoint__in=endpoints).exclude(state=InstanceState.STOPPED)
    return rows.order_by("ordinal", "created_at").values(*INSTANCE)


def _held_by(instances: Sequence[UUID]) -> dict[UUID, list[int]]:
    """Instance → the indices of its RDUs."""
    found: dict[UUID, list[int]] = {}
    for instance, index in _holdings(list(instances)):
        found.setdefault(instance, []).append(index)
    return found


@statement()
def _holdings(instances: list[UUID]) -> QuerySet[Allocation, tuple[UUID, int]]:
    live = Allocation.objects.filter(instance__in=instances, released_at=None)
    return live.order_by("rdu__index").values_list("instance_id", "rdu__index")


def _instance_view(row: Mapping[str, Any], rdus: list[int]) -> InstanceView:
    reason = row["reason"] or {}
    position = int(reason.get("position") or 0)
    sentence = reason_sentence(reason, row["generation_id"])
    if row["state"] == InstanceState.AWAITING and position:
        sentence = f"{sentence} {in_queue(position)}"
    return InstanceView(
        id=row["pk"],
        ordinal=row["ordinal"],
        state=row["state"],
        since=row["state_since"],
        node=row["node__name"] or "",
        rdus=rdus,
        reason=sentence,
        code=str(reason.get("code", "")),
        position=position,
        progress=row["progress"],
        crashes=row["crashes"],
        log_tail=row["log_tail"],
    )
