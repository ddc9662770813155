"""Making tenants and people, and the key each person has for snapi and the REST API."""

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet

from studio import keyring, seal
from studio.accounts import services as accounts
from studio.audit.services import record
from studio.errors import Conflict, Forbidden, NotSignedIn
from studio.people.rules import ROLE_NAMES, Person, check_roles
from studio.statements import statement
from studio.tenants import selectors
from studio.tenants.models import Membership, Organization, PlatformKey, Tenant, User
from studio.tenants.rules import STUDIO, Actor, Facts, clean_name, leading_role, require
from studio.unit import unit_of_work

USED_EVERY = timedelta(minutes=1)  # `last_used_at` is written no more often


@unit_of_work
def ensure_organization(*, name: str) -> Organization:
    """The one organization, made when there is none yet."""
    return Organization.objects.first() or Organization.objects.create(name=name)


@unit_of_work
def create_tenant(*, actor: Actor, name: str, now: datetime) -> Tenant:
    facts = Facts(tenant=actor.tenant)  # of where they stand: whoever is in a tenant hears who can
    require(actor, "tenant.manage", facts, thing="tenant")
    name = clean_name("name", name)
    if Tenant.objects.filter(name__iexact=name).exists():
        raise Conflict(f"There is a tenant {name!r} already.", {"name": "This name is taken."})
    tenant = Tenant.objects.create(organization=ensure_organization(name="Studio"), name=name, created_at=now)
    record(actor, "create", "tenant", tenant.pk, name, tenant=tenant.pk, role=leading_role(actor, facts))
    return tenant


def join_tenant(*, user: User, tenant: Tenant, role: str) -> None:
    """Every membership is written here, and given up below. No rules and no audit: the caller's."""
    Membership.objects.update_or_create(user=user, tenant=tenant, defaults={"role": role})
    if user.default_tenant_id is None:
        user.default_tenant = tenant
        user.save(update_fields=["default_tenant"])


def leave_tenant(*, user: User, tenant: Tenant) -> None:
    Membership.objects.filter(user=user, tenant=tenant).delete()
    if user.default_tenant_id == tenant.pk:
        left = Membership.objects.filter(user=user).order_by("tenant__name").first()
        user.default_tenant = left.tenant if left else None
        user.save(update_fields=["default_tenant"])


@unit_of_work
def create_user(
    *,
    actor: Actor,
    name: str,
    password: str,
    tenant: Tenant,
    role: str = Membership.Role.MEMBER,
    now: datetime,
) -> User:
    """A person in a tenant. Raises `Invalid` for a weak password, `Conflict` for a taken name.

    Whoever gets a password from an admin sets their own at the first sign-in.
    """
    facts = Facts(tenant=tenant.pk)
    require(actor, "user.manage", facts, thing="tenant")
    check_roles(actor, Person(name), Person(name, {tenant.pk: role}))
    selectors.check_open(tenant)
    name = clean_name("username", name)
    if User.objects.filter(username__iexact=name).exists():
        raise Conflict(f"There is a user {name!r} already.", {"username": "This name is taken."})
    user = User(username=name, default_tenant=tenant, date_joined=now)
    accounts.check_password(user, password)
    user.set_password(password)
    user.password_is_initial = actor.id is not None
    user.save()
    join_tenant(user=user, tenant=tenant, role=role)
    changes: dict[str, object] = {"tenant": tenant.name, "role": ROLE_NAMES[role]}
    standing = leading_role(actor, facts)
    record(actor, "create", "user", user.pk, name, tenant=tenant.pk, role=standing, changes=changes)
    return user


@unit_of_work
def create_first_admin(*, name: str, password: str, operator: bool, now: datetime) -> User:
    """The first OrgAdmin, made from the command line; tenant `default` comes with them."""
    organization = ensure_organization(name="Studio")
    tenant, is_new = Tenant.objects.get_or_create(
        name="default", defaults={"organization": organization, "created_at": now}
    )
    if is_new:
        record(STUDIO, "create", "tenant", tenant.pk, tenant.name, tenant=tenant.pk, role="platform")
    user = create_user(actor=STUDIO, name=name, password=password, tenant=tenant, now=now)
    return set_powers(user=user, org_admin=True, operator=operator)


@unit_of_work
def set_powers(*, user: User, org_admin: bool, operator: bool) -> User:
    """OrgAdmin and operator, given by the platform itself (first run, command line)."""
    changes = {"OrgAdmin": [user.is_org_admin, org_admin], "operator": [user.is_staff, operator]}
    user.is_org_admin, user.is_staff, user.is_superuser = org_admin, operator, operator
    user.save(update_fields=["is_org_admin", "is_staff", "is_superuser"])
    record(STUDIO, "powers", "user", user.pk, user.username, tenant=None, role="platform", changes=changes)
    return user


@unit_of_work
def new_platform_key(*, actor: Actor, user: User, now: datetime) -> seal.Secret:
    """A new key for the management API; the old one stops working at once. The value is shown this once.

    Everybody's own: nobody gets another's, and the platform itself (command line) gives one to whoever asks it to.
    """
    facts = Facts(None, owners=frozenset([user.pk]))
    require(actor, "platform_key.own", facts)
    if actor.id not in (None, user.pk):
        raise Forbidden("A platform API key is for its own user to generate.")
    value = str(uuid.uuid4())
    digest, pepper = keyring.new_digest(value)
    had = PlatformKey.objects.filter(user=user).values_list("prefix", flat=True).first()
    PlatformKey.objects.update_or_create(
        user=user,
        defaults={
            "digest": digest,
            "pepper": pepper,
            "prefix": value[:8],
            "created_at": now,
            "last_used_at": None,
        },
    )
    role = leading_role(actor, facts)
    changes = {"prefix": [had, value[:8]]}
    record(actor, "platform key", "user", user.pk, user.username, tenant=None, role=role, changes=changes)
    return seal.Secret(value)


def read_notices(*, user: User, now: datetime) -> None:
    """The person has seen their notices up to now. No audit row: it concerns nobody else."""
    User.objects.filter(pk=user.pk, notices_read_at__lt=now).update(notices_read_at=now)


def authenticate_key(
    value: str, *, wanted_tenant: str, address: str, request_id: str, now: datetime
) -> Actor:
    """The actor behind a platform key. Raises `NotSignedIn` for a key that is not one."""
    rows = _key_with_memberships(keyring.digests(value))
    if not rows:
        raise NotSignedIn("This platform API key is not valid; generate a new one in the user menu.")
    key = rows[0]
    if key.last_used_at is None or now - key.last_used_at > USED_EVERY:
        PlatformKey.objects.filter(pk=key.pk).update(last_used_at=now)
    _digest_anew(key, value)
    standing = [(row.tenant, row.role, row.archived_at) for row in rows if row.tenant]
    actor = selectors.actor_with(key.user, standing, wanted_tenant, address=address, request_id=request_id)
    if wanted_tenant:
        selectors.tenant_named(actor, wanted_tenant)
    return actor


def is_platform_key(value: str) -> bool:
    """Of somebody who may use it."""
    return PlatformKey.objects.filter(digest__in=keyring.digests(value), user__is_active=True).exists()


def _digest_anew(key: PlatformKey, value: str) -> None:
    """By the newest pepper, now that the value is at hand: nobody keeps it."""
    digest, pepper = keyring.new_digest(value)
    if key.pepper != pepper:
        still = PlatformKey.objects.filter(pk=key.pk, digest=key.digest)
        still.update(digest=digest, pepper=pepper)


@statement()
def _key_with_memberships(digests: list[bytes]) -> QuerySet[Any]:
    """The key with its person, once for each membership (or once): every request asks for it."""
    keys = PlatformKey.objects.filter(digest__in=digests, user__is_active=True).select_related("user")
    told = keys.only(
        "digest", "pepper", "last_used_at",
        "user__username", "user__is_org_admin", "user__is_staff", "user__default_tenant",
    )  # fmt: skip
    return told.annotate(
        tenant=F("user__memberships__tenant"),
        role=F("user__memberships__role"),
        archived_at=F("user__memberships__tenant__archived_at"),
    )


def random_password() -> str:
    return secrets.token_urlsafe(12)
