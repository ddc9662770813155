"""`…/share` of endpoints, projects and models, and `/api/organization`, which says whether all tenants may be meant."""

from typing import Any, Literal

from ninja import Router, Schema
from pydantic import ConfigDict, Field

from endpoints import selectors as endpoints
from studio.hub import selectors as hub
from studio.json_api import ApiRequest, Body
from studio.json_docs import changes, looks
from studio.projects import selectors as projects
from studio.sharing import services
from studio.sharing.rules import Shares, Wish
from studio.sharing.selectors import Shareable, all_tenants_allowed
from studio.tenants.selectors import organization_name

router = Router(tags=["sharing"])

Access = Literal["private", "tenant_viewer", "tenant_editor", "all_viewer"]
Kind = Literal["user", "tenant"]
RoleName = Literal["viewer", "editor"]

EXAMPLE: dict[str, Any] = {
    "general_access": "private",
    "shared_with": [
        {"type": "tenant", "name": "research", "role": "viewer"},
        {"type": "user", "name": "mila", "role": "editor"},
    ],
}


class GrantIn(Body):
    type: Kind
    name: str = Field(
        examples=["mila"], description="Name or id: of a tenant of yours, or of somebody in one."
    )
    role: RoleName


class SharesIn(Body):
    """The whole state as it shall be; what is absent stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    general_access: Access | None = Field(
        None,
        description="private; everyone in its tenant as Viewer or as Editor; or all tenants as Viewer, "
        "where an OrgAdmin has allowed that.",
    )
    shared_with: list[GrantIn] | None = Field(
        None, description="Every user and tenant with a role; who is not in the list loses theirs."
    )
    version: str = Field("", description="Refused with 409 unless it is still the present one.")


class GrantOut(Schema):
    type: Kind
    id: str
    name: str
    role: RoleName


class SharesOut(Schema):
    general_access: Access = Field(description="Who sees it without a role of their own in it.")
    shared_with: list[GrantOut] = Field(description="Users and tenants that have a role in it.")
    all_tenants_allowed: bool = Field(description="Whether `all_viewer` can be chosen.")
    version: str = Field(description="Another one after each change.")


class OrganizationOut(Schema):
    name: str
    all_tenants_allowed: bool = Field(description="Whether things may be opened to all tenants.")


class OrganizationIn(Body):
    all_tenants_allowed: bool = Field(
        examples=[True], description="Where it is taken back, what was open to all is open to its own tenant."
    )


class OrganizationChanged(OrganizationOut):
    closed: int = Field(description="How many things were open to all tenants and are not any more.")


@router.get("/endpoints/{endpoint}/share", response=looks(SharesOut), summary="How an endpoint is shared")
def endpoint_shares(request: ApiRequest, endpoint: str, project: str | None = None) -> dict[str, Any]:
    return _shares(request, _endpoint(request, endpoint, project))


@router.put("/endpoints/{endpoint}/share", response=changes(SharesOut), summary="Share an endpoint")
def share_endpoint(
    request: ApiRequest, endpoint: str, body: SharesIn, project: str | None = None
) -> dict[str, Any]:
    """With users and tenants as Viewer or Editor; at once, also for who is at work."""
    return _share(request, _endpoint(request, endpoint, project), body)


@router.get("/projects/{project}/share", response=looks(SharesOut), summary="How a project is shared")
def project_shares(request: ApiRequest, project: str) -> dict[str, Any]:
    return _shares(request, projects.named(request.auth, project))


@router.put("/projects/{project}/share", response=changes(SharesOut), summary="Share a project")
def share_project(request: ApiRequest, project: str, body: SharesIn) -> dict[str, Any]:
    """With all that is in it."""
    return _share(request, projects.named(request.auth, project), body)


@router.get("/models/{model}/share", response=looks(SharesOut, 409), summary="How a model is shared")
def model_shares(request: ApiRequest, model: str) -> dict[str, Any]:
    return _shares(request, hub.model_named(request.auth, model))


@router.put("/models/{model}/share", response=changes(SharesOut), summary="Share a model of your own")
def share_model(request: ApiRequest, model: str, body: SharesIn) -> dict[str, Any]:
    return _share(request, hub.model_named(request.auth, model), body)


@router.get("/organization", response=looks(OrganizationOut), summary="What holds for every tenant")
def organization_info(request: ApiRequest) -> dict[str, Any]:
    return {"name": organization_name(), "all_tenants_allowed": all_tenants_allowed()}


@router.patch(
    "/organization", response=changes(OrganizationChanged), summary="Change what holds for every tenant"
)
def change_organization(request: ApiRequest, body: OrganizationIn) -> dict[str, Any]:
    closed = services.allow_all_tenants(actor=request.auth, allowed=body.all_tenants_allowed, now=request.now)
    return organization_info(request) | {"closed": closed}


# ----- translating ----------------------------------------------------------------------------------------


def _endpoint(request: ApiRequest, endpoint: str, project: str | None) -> Shareable:
    where = projects.named(request.auth, project) if project else None
    return endpoints.named(request.auth, endpoint, where)


def _shares(request: ApiRequest, thing: Shareable) -> dict[str, Any]:
    return _told(services.shares(actor=request.auth, thing=thing))


def _share(request: ApiRequest, thing: Shareable, body: SharesIn) -> dict[str, Any]:
    wishes = (
        None
        if body.shared_with is None
        else [Wish(each.type, each.name, each.role) for each in body.shared_with]
    )
    shares = services.share(
        actor=request.auth,
        thing=thing,
        general_access=body.general_access,
        shared_with=wishes,
        seen=body.version,
    )
    return _told(shares)


def _told(shares: Shares) -> dict[str, Any]:
    return {
        "general_access": shares.general_access,
        "shared_with": [
            {"type": grant.kind, "id": str(grant.id), "name": grant.name, "role": grant.role}
            for grant in shares.grants
        ],
        "all_tenants_allowed": all_tenants_allowed(),
        "version": shares.version,
    }
