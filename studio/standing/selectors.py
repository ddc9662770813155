"""What a look reads: the newest rows of the audit, who sees their things from elsewhere, which sessions are open.

Nothing here asks who may know: whoever is told hears only that there is something to look at.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from endpoints.models import Endpoint
from studio.accounts.models import Session
from studio.accounts.rules import IDLE
from studio.audit.models import Event
from studio.hub.models import Model
from studio.projects.models import Project
from studio.sharing.rules import TENANT, USER
from studio.sharing.selectors import TABLES, Shareable
from studio.standing.rules import Guests, Row, shares_named
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import ALL_TENANTS

MOST_ROWS = 500  # of one look
FACTS = ("pk", "at", "verb", "thing_type", "thing_id", "tenant_id", "concerns")


def rows_above(floor: int) -> list[Row]:
    """The newest first."""
    found = Event.objects.filter(pk__gt=floor).order_by("-pk").values_list(*FACTS)[:MOST_ROWS]
    return [Row(*facts) for facts in found]


def with_shares(rows: Iterable[Row]) -> list[Row]:
    """The rows, those of a share with what it changed. A query if there is one."""
    rows = list(rows)
    shares = [row.id for row in rows if row.verb == "share"]
    changes = dict(Event.objects.filter(pk__in=shares).values_list("pk", "changes")) if shares else {}
    return [_with_share(row, changes[row.id]) if row.id in changes else row for row in rows]


def _with_share(row: Row, changes: Mapping[str, object]) -> Row:
    given, is_open = shares_named(changes)
    return replace(row, given=given, is_open=is_open)


def open_sessions(ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Those of these that still open something."""
    alive = Session.objects.filter(
        id__in=ids, user__is_active=True, expire_date__gt=now, last_seen_at__gt=now - IDLE
    )
    return set(alive.values_list("id", flat=True))


def standing_of(people: Collection[UUID]) -> dict[UUID, tuple[bool, frozenset[UUID]]]:
    """Person → whether they are an OrgAdmin by now, and in which tenants."""
    found = dict(User.objects.filter(pk__in=people).values_list("pk", "is_org_admin"))
    tenants: dict[UUID, set[UUID]] = {person: set() for person in found}
    for person, tenant in Membership.objects.filter(user__in=found).values_list("user_id", "tenant_id"):
        tenants[person].add(tenant)
    return {person: (is_admin, frozenset(tenants[person])) for person, is_admin in found.items()}


def guests_of(rows: Iterable[Row]) -> Guests:
    """Who sees the things of these rows, or saw them until then, from wherever they are. Some queries, all small."""
    rows = list(rows)
    things = {kind: {row.thing for row in rows if row.kind == word} for kind, word in WORDS.items()}
    endpoints = list(
        Endpoint.objects.filter(pk__in=things[Endpoint]).values_list(
            "owner_id", "general_access", "project_id"
        )
    )
    things[Project].update(project for _, _, project in endpoints)
    projects = Project.objects.filter(pk__in=things[Project]).values_list("owner_id", "general_access")
    models = Model.objects.filter(pk__in=things[Model]).values_list("owner_id", "general_access")
    known = [(owner, access) for owner, access, _ in endpoints] + list(projects) + list(models)
    people = {owner for owner, _ in known if owner}
    tenants: set[UUID] = set()
    for kind, (users, groups) in TABLES.items():
        people.update(users.objects.filter(content_object__in=things[kind]).values_list("user_id", flat=True))
        given = groups.objects.filter(content_object__in=things[kind])
        tenants.update(given.values_list("group__tenant", flat=True))
    people.update(User.objects.filter(_named("username", USER, rows)).values_list("pk", flat=True))
    tenants.update(Tenant.objects.filter(_named("name", TENANT, rows)).values_list("pk", flat=True))
    everybody = any(access == ALL_TENANTS for _, access in known)
    return Guests(frozenset(people), frozenset(tenants), everybody)


WORDS: dict[type[Shareable], str] = {Endpoint: "endpoint", Project: "project", Model: "model"}


def _named(field: str, kind: str, rows: Iterable[Row]) -> Q:
    """Whom a change of shares names: who has lost a grant has no row any more."""
    given = {name for row in rows for name in row.given}
    return Q(
        **{f"{field}__in": [name.removeprefix(f"{kind} ") for name in given if name.startswith(f"{kind} ")]}
    )
