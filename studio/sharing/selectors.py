"""Reading what is shared: what the actor has been given, and who has been given a thing.

Most people have been given nothing by name. So it is read once in a request, in one query over the six tables, and
a list is then asked as if there were no grants, or for the few things that were found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import F, Q, QuerySet, UUIDField

from endpoints.models import Endpoint
from studio.hub.models import Model
from studio.projects.models import Project
from studio.sharing.models import (
    EndpointTenantGrant,
    EndpointUserGrant,
    ModelTenantGrant,
    ModelUserGrant,
    ProjectTenantGrant,
    ProjectUserGrant,
)
from studio.sharing.rules import ROLES, TENANT, USER, Grant, Shares
from studio.statements import filled, places
from studio.tenants.models import Organization
from studio.tenants.rules import ALL_TENANTS, Actor, Facts, Role, best_share, roles_of, share_of

Shareable = Project | Endpoint | Model
TABLES: dict[type[Shareable], tuple[Any, Any]] = {
    Project: (ProjectUserGrant, ProjectTenantGrant),
    Endpoint: (EndpointUserGrant, EndpointTenantGrant),
    Model: (ModelUserGrant, ModelTenantGrant),
}
FEW = 500  # things that a query names one by one
MEMO = "granted"
LISTS = "lists"
NEEDS_NO_GRANT = {Role.ORG_ADMIN, Role.TENANT_ADMIN, Role.OWNER}


@dataclass(frozen=True, slots=True)
class Granted:
    """Thing → the best role that the actor or a tenant of theirs has been given on it."""

    roles: dict[type[Shareable], dict[UUID, Role]] = field(
        default_factory=lambda: {kind: {} for kind in TABLES}
    )


def granted(actor: Actor) -> Granted:
    """Read at the first question of a request; an OrgAdmin needs nothing."""
    if MEMO not in actor.memo:
        actor.memo[MEMO] = Granted() if actor.is_org_admin or actor.id is None else _read(actor)
    found: Granted = actor.memo[MEMO]
    return found


def shared_with(actor: Actor, kind: type[Shareable], prefix: str = "", *, role: Role | None = None) -> Q:
    """The condition that a thing (at `prefix`, e.g. "project__") was given to the actor; as this role, if one is named.

    To be put beside others with `|`: where nothing was given it takes nothing from them and adds nothing.
    """
    ids = [thing for thing, given in granted(actor).roles[kind].items() if role in (None, given)]
    if len(ids) <= FEW:
        return Q(**{f"{prefix}pk__in": ids})
    codes = [code for code, given in ROLES.items() if role in (None, given)]
    users, groups = TABLES[kind]
    own = users.objects.filter(user=actor.id, permission__codename__in=codes)
    theirs = groups.objects.filter(group__tenant__in=list(actor.tenants), permission__codename__in=codes)
    return Q(**{f"{prefix}pk__in": own.values("content_object")}) | Q(
        **{f"{prefix}pk__in": theirs.values("content_object")}
    )


def facts_of(
    actor: Actor, tenant: UUID, owners: frozenset[UUID], *things: tuple[type[Shareable], UUID, str]
) -> Facts:
    """`things`: the thing and the project it stands in, each with its General access. The best of all counts."""
    general = share_of(actor, tenant, *(access for _, _, access in things))
    facts = Facts(tenant=tenant, owners=owners, share=general)
    if general is Role.EDITOR or roles_of(actor, facts) & NEEDS_NO_GRANT:
        return facts
    roles = granted(actor).roles
    given = (roles[kind].get(pk) for kind, pk, _ in things)
    return Facts(tenant=tenant, owners=owners, share=best_share(general, *given))


def was_given(actor: Actor, facts: Facts, *things: UUID) -> bool:
    """Whether one of these was given to the actor or a tenant of theirs, who is neither owner nor admin of it."""
    if roles_of(actor, facts) & NEEDS_NO_GRANT:
        return False
    return any(pk in roles for roles in granted(actor).roles.values() for pk in things)


# ----- one thing ------------------------------------------------------------------------------------------


def shares_of(thing: Shareable) -> Shares:
    """Two queries."""
    users, groups = TABLES[type(thing)]
    role = F("permission__codename")
    named = users.objects.filter(content_object=thing).annotate(name=F("user__username"), role=role)
    given = [Grant(USER, *row) for row in named.order_by("name").values_list("user_id", "name", "role")]
    named = groups.objects.filter(content_object=thing).annotate(name=F("group__tenant__name"), role=role)
    rows = named.order_by("name").values_list("group__tenant", "name", "role")
    given = [*(Grant(TENANT, *row) for row in rows), *given]
    return Shares(thing.general_access, tuple(given))


def all_tenants_allowed() -> bool:
    """Whether an OrgAdmin allows that things are open to every tenant."""
    return Organization.objects.filter(all_tenants=True).exists()


def open_to_all(kind: type[Shareable]) -> QuerySet[Any]:
    """Deleted ones too."""
    return kind._default_manager.filter(general_access=ALL_TENANTS)


def open_to_all_counts() -> dict[type[Shareable], int]:
    """How many of each kind are open to all tenants, deleted ones aside."""
    present = {kind: {"deleted_at": None} if kind is not Model else {} for kind in TABLES}
    return {kind: open_to_all(kind).filter(**only).count() for kind, only in present.items()}


# ----- an actor in a kept statement -----------------------------------------------------------------------


class ActorKind:
    """Of an actor the SQL of a selector depends on their standing and on how much they were given, not on who it is."""

    def shape(self, actor: Actor) -> "Shape":
        tenants, given = _lists_of(actor)
        return (
            actor.id is None,
            actor.is_org_admin,
            actor.is_operator,
            None if actor.tenant is None else actor.tenants.get(actor.tenant, ""),
            tuple((role, places(len(found))) for role, found in tenants.items()),
            tuple((kind, role, places(len(found))) for (kind, role), found in given.items()),
        )

    def values(self, actor: Actor, shape: "Shape") -> list[UUID]:
        tenants, given = _lists_of(actor)
        lists = (*tenants.values(), *given.values())
        alone = [each for each in (actor.id, actor.tenant) if each is not None]
        return alone + [one for found in lists for one in filled(found)]

    def stand_in(self, shape: "Shape") -> Actor:
        nobody, is_org_admin, is_operator, own_role, tenants, given = shape
        own = None if own_role is None else uuid4()
        roles = {uuid4(): role for role, many in tenants for _ in range(many - (role == own_role))}
        if own and own_role:
            roles = {own: own_role} | roles
        actor = Actor(
            id=None if nobody else uuid4(), name="", is_org_admin=is_org_admin, is_operator=is_operator, tenants=roles,
            tenant=own,
        )  # fmt: skip
        actor.memo[MEMO] = memo = Granted()
        for kind, role, many in given:
            memo.roles[kind].update({uuid4(): role for _ in range(many)})
        return actor


Shape = tuple[
    bool, bool, bool, str | None, tuple[tuple[str, int], ...], tuple[tuple[type[Shareable], Role, int], ...]
]
ASKED_BY = ActorKind()


def _lists_of(actor: Actor) -> "Lists":
    """Put in order once in a request, as what they were given is read once."""
    if LISTS not in actor.memo:
        actor.memo[LISTS] = _in_tenants(actor), _given_to(actor)
    found: Lists = actor.memo[LISTS]
    return found


Given = dict[tuple[type[Shareable], Role], list[UUID]]
Lists = tuple[dict[str, list[UUID]], Given]


def _in_tenants(actor: Actor) -> dict[str, list[UUID]]:
    """Role → the tenants they have it in, the active one first."""
    found: dict[str, list[UUID]] = {"member": [], "tenant_admin": []}
    for tenant in sorted(actor.tenants, key=lambda each: each != actor.tenant):
        found[actor.tenants[tenant]].append(tenant)
    return found


def _given_to(actor: Actor) -> Given:
    found: Given = {(kind, role): [] for kind in TABLES for role in (Role.VIEWER, Role.EDITOR)}
    for kind, roles in granted(actor).roles.items():
        for thing, role in roles.items():
            found[kind, role].append(thing)
    return found


# ----- below: the one query -------------------------------------------------------------------------------


def _read(actor: Actor) -> Granted:
    found = Granted()
    kinds = list(TABLES)
    people = [actor.id, *actor.tenants]  # nobody's list is empty, also who is in no tenant
    values = [_stored(each) for each in (actor.id, *people)] * len(kinds)
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(people)), values)
        rows: Iterable[tuple[int, Any, str]] = cursor.fetchall()
    for number, thing, code in rows:
        pk = thing if isinstance(thing, UUID) else UUID(thing)
        roles = found.roles[kinds[number]]
        role = best_share(roles.get(pk), ROLES[code])
        assert role is not None, "a grant has a role"
        roles[pk] = role
    return found


@cache
def _statement(people: int) -> str:
    """By hand: the ORM would take longer to write this union down than the database to answer it."""
    parts = []
    places = ", ".join(["%s"] * people)
    for number, (users, groups) in enumerate(TABLES.values()):
        head = f"SELECT {number}, g.content_object_id, p.codename FROM"
        role = "JOIN auth_permission p ON p.id = g.permission_id"
        parts.append(f"{head} {users._meta.db_table} g {role} WHERE g.user_id = %s")
        team = "JOIN tenants_tenant t ON t.group_id = g.group_id"
        parts.append(f"{head} {groups._meta.db_table} g {team} {role} WHERE t.id IN ({places})")
    return " UNION ALL ".join(parts)


def _stored(pk: UUID | None) -> Any:
    """As this database keeps ids."""
    return UUIDField().get_db_prep_value(pk, connection)
