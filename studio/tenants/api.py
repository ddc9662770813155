"""`/api/tenants`: the tenants somebody belongs to; for OrgAdmins to create, rename and archive."""

from collections.abc import Callable
from typing import Any

from ninja import Router, Schema
from pydantic import Field

from scheduler import selectors as machines
from studio.json_api import PAGE, ApiRequest, Body, moment, page
from studio.json_docs import changes, creates, looks
from studio.people import selectors as people
from studio.people import services as administering
from studio.repeating import REPEATABLE, may_repeat
from studio.tenants import selectors, services
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor

router = Router(tags=["tenants"])


class TenantName(Body):
    name: str = Field(examples=["research"])


class TenantOut(Schema):
    tenant_id: str
    tenant_name: str
    role: str
    status: str
    time_created: str


class Rdus(Schema):
    """The RDUs of one generation. `widest_free` is the most that is free in a single node."""

    arch: str
    total: int
    available: int
    widest_free: int


class TenantInfo(TenantOut):
    rdus: list[Rdus]


class Tenants(Schema):
    data: list[TenantOut]
    next: str | None


class OneTenant(Schema):
    data: TenantInfo


@router.get("/tenants", response=looks(Tenants), summary="List tenants")
def list_tenants(
    request: ApiRequest, archived: bool = False, cursor: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """Those you can switch to; with `archived`, those that you administer and nobody can switch to any more."""
    shown = selectors.visible(request.auth).order_by("name", "id")
    if archived:
        shown = people.administered(request.auth).filter(archived_at__isnull=False)
    rows, following = page(shown, cursor, limit)
    return {"data": [_tenant(request.auth, row) for row in rows], "next": following}


@router.get("/tenant", response=looks(OneTenant), summary="The active tenant")
def active_tenant(request: ApiRequest) -> dict[str, Any]:
    return {"data": _info(request.auth, selectors.active_tenant(request.auth))}


@router.get("/tenants/{tenant}", response=looks(OneTenant), summary="A tenant")
def tenant_info(request: ApiRequest, tenant: str) -> dict[str, Any]:
    return {"data": _info(request.auth, people.tenant_named(request.auth, tenant))}


@router.post("/tenants", response=creates(OneTenant), summary="Create a tenant", openapi_extra=REPEATABLE)
@may_repeat
def create_tenant(request: ApiRequest, body: TenantName) -> dict[str, Any]:
    made = services.create_tenant(actor=request.auth, name=body.name, now=request.now)
    return {"data": _info(request.auth, made)}


@router.patch("/tenants/{tenant}", response=changes(OneTenant), summary="Rename a tenant")
def rename_tenant(request: ApiRequest, tenant: str, body: TenantName) -> dict[str, Any]:
    found = people.tenant_named(request.auth, tenant)
    now = administering.rename_tenant(actor=request.auth, tenant=found, name=body.name, now=request.now)
    return {"data": _info(request.auth, now)}


@router.post("/tenants/{tenant}/archive", response=changes(OneTenant), summary="Archive a tenant")
def archive_tenant(request: ApiRequest, tenant: str) -> dict[str, Any]:
    """Nobody can switch to it, and nothing new is created in it. What runs goes on."""
    return _deed(request, tenant, administering.archive_tenant)


@router.post("/tenants/{tenant}/unarchive", response=changes(OneTenant), summary="Open a tenant again")
def unarchive_tenant(request: ApiRequest, tenant: str) -> dict[str, Any]:
    return _deed(request, tenant, administering.unarchive_tenant)


def _deed(request: ApiRequest, tenant: str, service: Callable[..., Tenant]) -> dict[str, Any]:
    found = people.tenant_named(request.auth, tenant)
    return {"data": _info(request.auth, service(actor=request.auth, tenant=found, now=request.now))}


def _info(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    return _tenant(actor, tenant) | {"rdus": [_rdus(each) for each in machines.capacities(actor)]}


def _tenant(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant_id": str(tenant.pk),
        "tenant_name": tenant.name,
        "role": _role(actor, tenant),
        "status": "Archived" if tenant.archived_at else "Active",
        "time_created": moment(tenant.created_at),
    }


def _role(actor: Actor, tenant: Tenant) -> str:
    if actor.is_org_admin:
        return "OrgAdmin"
    return "TenantAdmin" if actor.tenants.get(tenant.pk) == "tenant_admin" else "member"


def _rdus(capacity: machines.Capacity) -> dict[str, Any]:
    return {
        "arch": capacity.generation,
        "total": capacity.total,
        "available": capacity.free,
        "widest_free": capacity.widest,
    }
