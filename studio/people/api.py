"""`/api/users`: people and their roles, for OrgAdmins and TenantAdmins."""

from typing import Any, Literal
from uuid import UUID

from ninja import Router, Schema
from pydantic import Field

from studio.json_api import ApiRequest, Body, moment
from studio.json_docs import changes, looks
from studio.paging import PAGE, page
from studio.people import selectors, services
from studio.people.rules import ROLE_NAMES
from studio.tenants import services as making
from studio.tenants.models import User
from studio.tenants.rules import Facts, require

router = Router(tags=["users"])

RoleName = Literal["member", "TenantAdmin"]
ROLES: dict[str, str] = {name: role for role, name in ROLE_NAMES.items()} | {"none": ""}


class NewUser(Body):
    name: str = Field(examples=["mila"])
    password: str = Field(
        description="For the first sign-in; at least 10 characters, none of the common ones.",
        examples=["correct-horse-battery"],
    )
    tenant: str = Field("", description="Name or id; else the active tenant.", examples=["research"])
    role: RoleName = "member"


class RoleWish(Body):
    tenant: str = Field(description="Name or id of a tenant that you administer.", examples=["research"])
    role: Literal["member", "TenantAdmin", "none"] = Field(description="`none` takes them out of the tenant.")


class RoleChanges(Body):
    """What is to change; what is absent stays."""

    roles: list[RoleWish] = Field([], description="One for each tenant where it is to change.")
    org_admin: bool | None = Field(None, description="For OrgAdmins to say.")


class RoleOut(Schema):
    tenant_id: str
    tenant_name: str
    role: str


class UserOut(Schema):
    id: str
    name: str
    status: str
    org_admin: bool = Field(description="Whether they administer the whole organization.")
    operator: bool = Field(description="Whether they manage nodes, runtimes and models of the platform.")
    roles: list[RoleOut] = Field(description="Those in tenants that you administer.")
    time_created: str
    time_last_sign_in: str | None


class NewPassword(Schema):
    name: str = Field(examples=["mila"])
    password: str = Field(description="The value, shown this once.", examples=["Zk3vXbq0tC9wLr5s"])


class Users(Schema):
    users: list[UserOut]
    next: str | None


@router.get("/users", response=looks(Users), summary="List users")
def list_users(
    request: ApiRequest,
    tenant: str | None = None,
    search: str = "",
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """An OrgAdmin's are all, a TenantAdmin's those of their tenants."""
    everybody = selectors.users(request.auth)
    home = selectors.tenant_named(request.auth, tenant) if tenant else None
    found, following = page(selectors.searched(everybody, search, home), cursor, limit)
    return {"users": [_user(each) for each in found], "next": following}


@router.post("/users", response=changes(UserOut), summary="Create a user")
def create_user(request: ApiRequest, body: NewUser) -> dict[str, Any]:
    """Not repeatable under an `Idempotency-Key`: no digest of a body with a password is kept. A second is a 409."""
    wanted = body.tenant or str(request.auth.tenant)
    made = making.create_user(
        actor=request.auth,
        name=body.name,
        password=body.password,
        tenant=selectors.tenant_named(request.auth, wanted),
        role=ROLES[body.role],
        now=request.now,
    )
    return _named(request, str(made.pk))


@router.get("/users/{user}", response=looks(UserOut), summary="A user")
def user_info(request: ApiRequest, user: str) -> dict[str, Any]:
    return _named(request, user)


@router.patch("/users/{user}", response=changes(UserOut), summary="Change a user's roles")
def change_roles(request: ApiRequest, user: str, body: RoleChanges) -> dict[str, Any]:
    """Add them to tenants, take them out, change what they are there; it holds from their next request on."""
    found = selectors.user_named(request.auth, user)
    roles = {_administered(request, wish.tenant): ROLES[wish.role] for wish in body.roles}
    services.change_roles(
        actor=request.auth, user=found, roles=roles, org_admin=body.org_admin, now=request.now
    )
    return _shown(request, found)


@router.post(
    "/users/{user}/password",
    response=changes(NewPassword),
    summary="Give a user a new password",
)
def reset_password(request: ApiRequest, user: str) -> dict[str, Any]:
    """They are signed out everywhere and set their own with it at the next sign-in."""
    found = selectors.user_named(request.auth, user)
    value = services.reset_password(actor=request.auth, user=found, now=request.now)
    return {"name": found.username, "password": value.reveal()}


@router.post(
    "/users/{user}/deactivate",
    response=changes(UserOut),
    summary="Deactivate a user",
)
def deactivate_user(request: ApiRequest, user: str) -> dict[str, Any]:
    """Their sessions and their platform key end at once; what they own goes on running."""
    found = selectors.user_named(request.auth, user)
    services.deactivate_user(actor=request.auth, user=found, now=request.now)
    return _shown(request, found)


@router.post(
    "/users/{user}/reactivate",
    response=changes(UserOut),
    summary="Let a user in again",
)
def reactivate_user(request: ApiRequest, user: str) -> dict[str, Any]:
    """With their password; their platform key has to be generated anew."""
    found = selectors.user_named(request.auth, user)
    services.reactivate_user(actor=request.auth, user=found, now=request.now)
    return _shown(request, found)


def _administered(request: ApiRequest, tenant: str) -> UUID:
    found = selectors.tenant_named(request.auth, tenant)
    require(request.auth, "user.manage", Facts(tenant=found.pk), thing="tenant")
    return found.pk


def _named(request: ApiRequest, user: str) -> dict[str, Any]:
    return _user(selectors.user_named(request.auth, user))


def _shown(request: ApiRequest, user: User) -> dict[str, Any]:
    """As it is now: also somebody who has just left the last of the tenants that the actor administers."""
    now = selectors.users(request.auth).filter(pk=user.pk).first()
    if now is None:
        user.refresh_from_db()
        user.known = []  # type: ignore[attr-defined]
    return _user(now or user)


def _user(user: User) -> dict[str, Any]:
    known = user.known  # type: ignore[attr-defined]
    return {
        "id": str(user.pk),
        "name": user.username,
        "status": "Active" if user.is_active else "Deactivated",
        "org_admin": user.is_org_admin,
        "operator": user.is_staff,
        "roles": [
            {
                "tenant_id": str(each.tenant_id),
                "tenant_name": each.tenant.name,
                "role": ROLE_NAMES[each.role],
            }
            for each in known
        ],
        "time_created": moment(user.date_joined),
        "time_last_sign_in": moment(user.last_login) if user.last_login else None,
    }
