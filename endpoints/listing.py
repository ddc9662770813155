"""The rows of lists: no more of each than a line shows, or all that the REST API tells of it.

What comes with every look at a list is kept; what many rows share is read and made once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from apikeys.models import ApiKey
from apikeys.selectors import newest_keys
from endpoints import selectors
from endpoints.models import Endpoint
from studio.hub.models import ModelVersion
from studio.projects.models import Project
from studio.sharing.selectors import ASKED_BY
from studio.statements import WORD, bring, statement
from studio.tenants.models import User
from studio.tenants.rules import Actor

LISTED = ("project__tenant", "owner", "model_version__model")
SHOWN = (
    "name", "created_at", "deleted_at", "generation_id", "general_access", "desired", "instances", "config_version",
    "project__name", "project__owner", "project__general_access", "project__tenant__name", "owner__username",
    "model_version__number", "model_version__model__name",
)  # fmt: skip
WORDS = {
    "project_name": F("project__name"),
    "tenant": F("project__tenant_id"),
    "tenant_name": F("project__tenant__name"),
    "owner_name": F("owner__username"),
    "version": F("model_version__number"),
}

# ----- in pages -------------------------------------------------------------------------------------------


def listed(found: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """With no more than a line of a list shows and its menu depends on: the rest was half the time of reading it."""
    return found.select_related(None).select_related(*LISTED).only(*SHOWN)


def rows_of(*wanted: Sequence[UUID]) -> list[list[Endpoint]]:
    """For each list of ids its rows, as `listed`."""
    rows = {row.pk: row for row in _with_ids(list(set(chain(*wanted))))}
    return [[rows[pk] for pk in own if pk in rows] for own in wanted]


@statement()
def _with_ids(pks: list[UUID]) -> QuerySet[Endpoint]:
    return listed(Endpoint.objects.filter(pk__in=pks).order_by())


@statement(actor=ASKED_BY, most=WORD)
def in_project(actor: Actor, project: UUID, most: int | None) -> QuerySet[Endpoint]:
    return listed(selectors.in_project(actor, project))[:most]


@statement(actor=ASKED_BY, most=WORD)
def lately_deleted(actor: Actor, project: UUID, since: datetime, most: int) -> QuerySet[Endpoint]:
    """Of `recently_deleted` the first of a project: those that were deleted `since`."""
    return listed(selectors.deleted_since(actor, Q(project=project), since))[:most]


@statement(actor=ASKED_BY, most=WORD)
def shared_alone(actor: Actor, most: int) -> QuerySet[Endpoint]:
    return listed(selectors.shared_alone(actor))[:most]


@statement(actor=ASKED_BY, most=WORD)
def of_model(actor: Actor, model: UUID, most: int | None) -> QuerySet[Endpoint, Any]:
    """Newest first, each with the few words of `WORDS` in place of what it is related to."""
    running = selectors.visible(actor).filter(model_version__model=model).order_by("-created_at", "id")
    columns = ("created_at", "desired", "instances", "config_version", "generation_id")
    return running.select_related(None).only(*columns, "name").annotate(**WORDS)[:most]


@statement(actor=ASKED_BY, most=WORD)
def versions_run(actor: Actor, versions: list[UUID], most: int) -> QuerySet[Endpoint, UUID]:
    """Of these versions of models the one, for each endpoint that runs it; of so many endpoints only."""
    running = selectors.visible(actor).filter(model_version__in=versions).order_by()
    return running.values_list("model_version_id", flat=True)[:most]


def counts_of(actor: Actor, wanted: Iterable[Project]) -> dict[UUID, int]:
    """Project → how many endpoints of it the actor may see."""
    return dict(_counts(actor, [each.pk for each in wanted]))


@statement(actor=ASKED_BY)
def _counts(actor: Actor, projects: list[UUID]) -> QuerySet[Endpoint, tuple[UUID, int]]:
    rows = selectors.visible(actor).filter(project__in=projects).order_by()
    return rows.values_list("project").annotate(Count("pk"))


# ----- by REST --------------------------------------------------------------------------------------------


def narrow(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    """Ids and dates alone: a hundred thousand whole rows would be sorted in three times as long."""
    return rows.select_related(None).only("id", "created_at", "deleted_at")


@statement(actor=ASKED_BY, most=WORD)
def newest(actor: Actor, most: int | None) -> QuerySet[Endpoint]:
    return narrow(selectors.in_tenant(actor))[:most]


@statement(actor=ASKED_BY, most=WORD)
def newest_in_project(actor: Actor, project: UUID, most: int | None) -> QuerySet[Endpoint]:
    return narrow(selectors.in_project(actor, project))[:most]


def with_keys(found: Sequence[Endpoint]) -> list[Endpoint]:
    """The same as the REST API tells them, with the First Key and the newest API keys of each as `listed_keys`."""
    ids = [each.pk for each in found]
    by_id: dict[UUID, Any] = {row.pk: row for row in _told(ids)}
    rows = [by_id[pk] for pk in ids if pk in by_id]
    # Of rows that are here: one may have gone since it was found
    keys: list[ApiKey] = newest_keys(list(by_id))
    bring(rows, "project", _projects)
    bring(rows, "model_version", _versions)
    bring([*rows, *keys], "owner", _people)
    for row in rows:
        row.listed_keys = []
    for key in keys:
        by_id[key.endpoint_id].listed_keys.append(key)
    return rows


@statement()
def _told(pks: list[UUID]) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(pk__in=pks).only(*selectors.TOLD)


@statement()
def _projects(pks: list[UUID]) -> QuerySet[Project]:
    return Project.objects.filter(pk__in=pks).only(*selectors.TOLD_OF_PROJECT)


@statement()
def _versions(pks: list[UUID]) -> QuerySet[ModelVersion]:
    return (
        ModelVersion.objects.filter(pk__in=pks).select_related("model__app").only(*selectors.TOLD_OF_VERSION)
    )


@statement()
def _people(pks: list[UUID]) -> QuerySet[User]:
    return User.objects.filter(pk__in=pks).only("username")
