"""`/api/tenants`: the tenants somebody belongs to."""

from typing import Any

from ninja import Router, Schema
from pydantic import Field

from scheduler import selectors as machines
from studio.json_api import PAGE, ApiRequest, moment, page
from studio.json_docs import looks
from studio.tenants import selectors
from studio.tenants.models import Tenant
from studio.tenants.rules import Actor

router = Router(tags=["tenants"])


class TenantOut(Schema):
    tenant_id: str
    tenant_name: str
    role: str
    time_created: str


class Rdus(Schema):
    """The RDUs of one generation. `widest_free` is the most that is free in a single node."""

    arch: str
    total: int
    available: int
    widest_free: int


class TenantInfo(TenantOut):
    rdus: list[Rdus]
    values_once: bool = Field(description="Values of API keys are shown only in the answer that makes them.")


class Tenants(Schema):
    data: list[TenantOut]
    next: str | None


class OneTenant(Schema):
    data: TenantInfo


@router.get("/tenants", response=looks(Tenants), summary="List tenants")
def list_tenants(request: ApiRequest, cursor: str | None = None, limit: int = PAGE) -> dict[str, Any]:
    rows, following = page(selectors.visible(request.auth).order_by("name", "id"), cursor, limit)
    return {"data": [_tenant(request.auth, row) for row in rows], "next": following}


@router.get("/tenant", response=looks(OneTenant), summary="The active tenant")
def active_tenant(request: ApiRequest) -> dict[str, Any]:
    return {"data": _info(request.auth, selectors.active_tenant(request.auth))}


@router.get("/tenants/{tenant}", response=looks(OneTenant), summary="A tenant")
def tenant_info(request: ApiRequest, tenant: str) -> dict[str, Any]:
    return {"data": _info(request.auth, selectors.tenant_named(request.auth, tenant))}


def _info(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    return _tenant(actor, tenant) | {
        "rdus": [_rdus(each) for each in machines.capacities(actor)],
        "values_once": tenant.values_once,
    }


def _tenant(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant_id": str(tenant.pk),
        "tenant_name": tenant.name,
        "role": _role(actor, tenant),
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
