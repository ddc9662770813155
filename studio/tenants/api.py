"""`/api/tenants`: the tenants somebody belongs to; for OrgAdmins to create, rename and archive."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ninja import Router, Schema
from pydantic import Field

from scheduler import quotas
from scheduler import selectors as machines
from scheduler import services as scheduling
from studio.json_api import ApiRequest, Body, moment
from studio.json_docs import changes, creates, looks
from studio.paging import PAGE, page
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
    held: int = Field(description="RDUs that the tenant holds.", examples=[4])
    guaranteed: int = Field(description="RDUs of which the tenant is sure.", examples=[8])
    maximum: int | None = Field(description="The most RDUs it may hold; null: no limit.", examples=[16])


class TenantInfo(TenantOut):
    rdus: list[Rdus]
    values_once: bool = Field(description="Values of API keys are shown only in the answer that makes them.")


class QuotaWish(Body):
    """What is absent stays."""

    arch: str = Field(examples=["SN40L"])
    guaranteed: int | None = Field(None, description="RDUs of which the tenant is sure.", examples=[8])
    maximum: int | None = Field(None, description="The most RDUs it may hold.", examples=[16])
    unlimited: bool = Field(False, description="No maximum.")


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


@router.patch("/tenants/{tenant}/quota", response=changes(OneTenant), summary="Change a tenant's RDU quota")
def change_quota(request: ApiRequest, tenant: str, body: QuotaWish) -> dict[str, Any]:
    """Of one generation. What is held beyond a lower maximum goes on; nothing new is placed until less is held."""
    found = people.tenant_named(request.auth, tenant)
    arch = body.arch.strip().upper()
    rows = {row.generation: row for row in quotas.standings([found.pk])[found.pk]}
    now = rows.get(arch)
    guaranteed, maximum = (now.guaranteed, now.maximum) if now else (0, None)
    guaranteed = guaranteed if body.guaranteed is None else body.guaranteed
    maximum = None if body.unlimited else maximum if body.maximum is None else body.maximum
    scheduling.set_quotas(
        actor=request.auth, tenant=found, wanted={arch: (guaranteed, maximum)}, now=request.now
    )
    return {"data": _info(request.auth, found)}


def _info(actor: Actor, tenant: Tenant) -> dict[str, Any]:
    """The RDUs as they are for this tenant, whichever is the active one."""
    told = {row.generation: row for row in quotas.standings([tenant.pk])[tenant.pk]}
    there = {row.generation: row for row in machines.capacities(replace(actor, tenant=tenant.pk))}
    codes = [*there, *(code for code in told if code not in there)]
    rdus = [_rdus(code, there.get(code), told.get(code)) for code in codes]
    return _tenant(actor, tenant) | {"rdus": rdus, "values_once": tenant.values_once}


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


def _rdus(arch: str, capacity: machines.Capacity | None, standing: quotas.Standing | None) -> dict[str, Any]:
    return {
        "arch": arch,
        "total": capacity.total if capacity else 0,
        "available": capacity.free if capacity else 0,
        "widest_free": capacity.widest if capacity else 0,
        "held": standing.held if standing else 0,
        "guaranteed": standing.guaranteed if standing else 0,
        "maximum": standing.maximum if standing else None,
    }
