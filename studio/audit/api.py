"""`/api/audit`, and what was done to projects and models."""

from typing import Any

from ninja import Field, Query, Router, Schema

from endpoints.usage.rules import moment_of
from endpoints.watching import Events, event_out
from studio.audit import selectors
from studio.hub import selectors as hub
from studio.json_api import ApiRequest
from studio.json_docs import looks
from studio.paging import PAGE, page
from studio.projects import selectors as projects

router = Router(tags=["audit"])


class AuditOut(Schema):
    id: int
    time: str
    tenant_id: str | None = Field(description="Nothing for what concerns the platform itself.")
    tenant_name: str | None
    actor_id: str | None = Field(description="Nothing for the platform itself.")
    actor: str = Field(examples=["owen"])
    role: str = Field(
        description="The strongest role that the actor had towards the thing.", examples=["owner"]
    )
    address: str = Field(description="Where the request came from.", examples=["192.0.2.7"])
    request_id: str = Field(description="As in the answer's `X-Request-Id` and in the logs.")
    verb: str = Field(examples=["edit"])
    thing: str = Field(description="endpoint, project, model, node, tenant, user, …")
    thing_id: str
    thing_name: str
    changes: dict[str, Any] = Field(
        description="Field → [old, new], or a plain fact.", examples=[{"instances": [1, 2]}]
    )
    position: int | None = Field(
        description="Its place in its tenant's sealed chain; nothing until it is sealed."
    )


class Audit(Schema):
    entries: list[AuditOut]
    next: str | None


@router.get("/audit", response=looks(Audit), summary="The audit")
def list_audit(
    request: ApiRequest,
    person: str = Query("", description="Who did it: a name or id."),
    verb: str = Query("", examples=["edit"], description="What was done."),
    kind: str = Query("", examples=["endpoint"], description="The kind of thing it was done to."),
    thing: str = Query("", description="The thing it was done to: its name at that time, or its id."),
    tenant: str = Query("", description="A tenant: name or id. Else all whose audit you may read."),
    since: str = Query(
        "", examples=["24h"], description="A moment (ISO 8601), or how long ago: 30m, 24h, 7d."
    ),
    until: str = Query("", description="The same; what happened then is not in it."),
    cursor: str | None = None,
    limit: int = PAGE,
) -> dict[str, Any]:
    """Who did what to which thing, when, from where, old → new; newest first.

    To OrgAdmins everything, to TenantAdmins what happened in the tenants they administer.
    """
    wanted = selectors.Filters(
        person=person,
        verb=verb,
        kind=kind,
        thing=thing,
        tenant=tenant,
        since=moment_of("since", since, request.now) if since else None,
        until=moment_of("until", until, request.now) if until else None,
    )
    rows, following = page(selectors.narrowed(selectors.readable(request.auth), wanted), cursor, limit)
    tenants = selectors.names_of(rows)
    return {"entries": [selectors.told(row, tenants) for row in rows], "next": following}


@router.get("/projects/{project}/events", response=looks(Events), summary="What was done to a project")
def project_events(
    request: ApiRequest, project: str, cursor: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """Who did what, newest first."""
    found = projects.named(request.auth, project)
    rows, following = page(selectors.of_thing(found.pk).order_by("-id"), cursor, limit)
    return {"events": [event_out(row) for row in rows], "next": following}


@router.get("/models/{model}/events", response=looks(Events), summary="What was done to a model")
def model_events(
    request: ApiRequest, model: str, cursor: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """Who did what, newest first."""
    found = hub.model_named(request.auth, model)
    rows, following = page(selectors.of_thing(found.pk).order_by("-id"), cursor, limit)
    return {"events": [event_out(row) for row in rows], "next": following}
