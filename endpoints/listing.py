"""The rows of a list as the REST API tells them: what many of them share is read and made once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

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
    keys: list[ApiKey] = newest_keys(ids)
    by_id: dict[UUID, Any] = {row.pk: row for row in _told(ids)}
    rows = [by_id[pk] for pk in ids if pk in by_id]
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
