"""Every door of the platform and the right it asks for: the table of `test_matrix.py`.

A new page, operation or command needs a line here, or the suite fails. A line says what the actor must be allowed
(an action of the permission table, "" for whoever is signed in), towards what (a column of `PEOPLE`), and with what
the door is knocked at. What stands in braces is a thing of the world, by its name in `things` or `own`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from studio.tenants.rules import Role

ORG_ADMIN, TENANT_ADMIN, OWNER = {Role.ORG_ADMIN}, {Role.TENANT_ADMIN, Role.MEMBER}, {Role.OWNER, Role.MEMBER}
EDITOR, VIEWER, MEMBER = {Role.EDITOR, Role.MEMBER}, {Role.VIEWER, Role.MEMBER}, {Role.MEMBER}
STRANGER, OPERATOR = {Role.STRANGER}, {Role.OPERATOR, Role.STRANGER}
EDITOR_FROM_AWAY, VIEWER_FROM_AWAY = {Role.EDITOR}, {Role.VIEWER}

COLUMNS = ("project", "thing", "tenant", "active", "platform", "person")
# Who they are towards: owen's project; his endpoints and model; his tenant; the tenant they act in; the platform; mila,
# of whom people who administer nothing hear what they hear where they stand.
PEOPLE: dict[str, tuple[set[Role], ...]] = {
    "olga": (ORG_ADMIN, ORG_ADMIN, ORG_ADMIN, ORG_ADMIN, ORG_ADMIN, ORG_ADMIN),
    "tina": (TENANT_ADMIN, TENANT_ADMIN, TENANT_ADMIN, TENANT_ADMIN, STRANGER, TENANT_ADMIN),
    # of another tenant
    "theo": (STRANGER, STRANGER, STRANGER, TENANT_ADMIN, STRANGER, STRANGER),
    "owen": (OWNER, OWNER, MEMBER, MEMBER, STRANGER, MEMBER),
    # of the same tenant, by a grant on project and model
    "eda": (EDITOR, EDITOR, MEMBER, MEMBER, STRANGER, MEMBER),
    "vera": (VIEWER, VIEWER, MEMBER, MEMBER, STRANGER, MEMBER),
    # by grants on the endpoints and the model
    "emil": (STRANGER, EDITOR_FROM_AWAY, STRANGER, MEMBER, STRANGER, MEMBER),
    # by grants to all of his tenant
    "viktor": (STRANGER, VIEWER_FROM_AWAY, STRANGER, MEMBER, STRANGER, MEMBER),
    "mila": (MEMBER, MEMBER, MEMBER, MEMBER, STRANGER, MEMBER),
    "oskar": (STRANGER, STRANGER, STRANGER, MEMBER, STRANGER, MEMBER),
    # in no tenant
    "opal": (OPERATOR, OPERATOR, OPERATOR, OPERATOR, OPERATOR, OPERATOR),
}


class Line(NamedTuple):
    """`typed`: what is sent, by pages posted; `answer`: the status of a page that did it; `look`: a GET comes first."""

    on: str
    action: str = ""
    typed: Mapping[str, Any] | None = None
    answer: int = 302
    look: bool = True


EDIT = {
    "description": "better", "model_checkpoint": "{help}", "model_version": "2", "rdu_arch": "SN40L", "instances": "1",
    "spec_version": "{spec_version}",
}  # fmt: skip
CREATE = {
    "endpoint_name": "new", "model_checkpoint": "{help}", "model_version": "2", "rdu_arch": "SN40L", "instances": "1",
}  # fmt: skip

NEW_USER = {"username": "nina", "password": "correct-horse-battery", "tenant": "{here}", "role": "member"}

# The name of an address → the line. Its arguments are the things that they are called by.
PAGES: dict[str, Line] = {
    "dashboard": Line("platform"),
    "notices": Line("platform", typed={}),
    "notices-mark": Line("platform", answer=302),
    "standing": Line("platform", answer=204),  # to a client that takes no streams
    "theme": Line("platform", typed={"theme": "dark"}, look=False),
    "switch-tenant": Line("tenant", "tenant.see", {"tenant": "{tenant}"}, look=False),
    "sign-out": Line("platform", typed={}, look=False),
    "account": Line("platform"),
    "password": Line("platform"),
    "platform-key": Line("platform", "platform_key.own", {}, answer=200),
    "session-end": Line("platform", typed={}, look=False),
    "sessions-end": Line("platform", typed={}),
    "users": Line("active", "user.manage"),
    "user-new": Line("active", "user.manage", NEW_USER),
    "user-edit": Line("person", "user.manage", {}),  # no role is ticked: out of the tenant
    "user-password": Line("person", "user.manage", {}, answer=200),
    "user-deactivate": Line("person", "user.manage", {}),
    "user-reactivate": Line("person", "user.manage", {}, look=False),
    "tenants": Line("active", "user.manage"),
    "tenant-new": Line("active", "tenant.manage", {"name": "new"}),
    "tenant-edit": Line("tenant", "tenant.manage", {"name": "other"}),
    "tenant-quota": Line("tenant", "tenant.manage", {"guaranteed-SN40L": "1"}),
    "tenant-archive": Line("tenant", "tenant.manage", {}),
    "tenant-unarchive": Line("tenant", "tenant.manage", {}, look=False),
    "tenant-values": Line("tenant", "tenant.manage", {"once": "yes"}),
    "audit": Line("active", "audit.tenant"),
    "audit-export": Line("active", "audit.tenant"),
    "projects": Line("platform"),
    "project-new": Line("active", "project.create", {"name": "new"}),
    "project": Line("project", "project.see"),
    "project-edit": Line("project", "project.edit", {"name": "other"}),
    "project-share": Line("project", "project.share", {"general_access": "tenant_viewer"}),
    "project-move": Line("project", "project.delete", {"tenant": "{annex}"}),
    "project-transfer": Line("project", "project.delete", {"owner": "mila"}),
    "project-delete": Line("project", "project.delete", {}),
    "endpoint-new": Line("project", "endpoint.create", CREATE),
    "endpoint-preview": Line("project", "endpoint.create", CREATE, answer=200, look=False),
    "model-select": Line("project", "endpoint.create"),
    "endpoint": Line("thing", "endpoint.see"),
    "endpoint-edit": Line("thing", "endpoint.run", EDIT),
    "endpoint-edit-preview": Line("thing", "endpoint.run", EDIT, answer=200, look=False),
    "endpoint-stop": Line("thing", "endpoint.run", {}),
    "endpoint-restart": Line("thing", "endpoint.run", {}),
    "endpoint-share": Line("thing", "endpoint.delete", {"general_access": "tenant_viewer"}),
    "endpoint-move": Line("thing", "endpoint.delete", {"project": "{attic}"}),
    "endpoint-transfer": Line("thing", "endpoint.delete", {"owner": "mila"}),
    "endpoint-delete": Line("thing", "endpoint.delete", {}),
    "endpoint-restore": Line("thing", "endpoint.delete", {"endpoint_name": "back"}),
    "key-new": Line("thing", "key.manage", {"description": "another", "token": "{token}"}),
    "key-value": Line("thing", "key.manage"),
    "key-edit": Line("thing", "key.manage", {"description": "other", "updated_at": "{key_updated}"}),
    "key-limits": Line("thing", "key.manage", {"parallel": "2", "updated_at": "{key_updated}"}),
    "key-rotate": Line("thing", "key.manage", {"grace": "none"}, answer=200),
    "key-revoke": Line("thing", "key.manage", {}),
    "models": Line("platform"),
    "model": Line("thing", "model.see"),
    "model-deploy": Line("thing", "model.see"),
    "model-share": Line("thing", "model.manage", {"general_access": "tenant_viewer"}),
    "model-transfer": Line("thing", "model.manage", {"owner": "mila"}),
    "resources": Line("platform", "resources.see"),
    "node-new": Line(
        "platform", "node.manage", {"name": "n9", "generation": "SN40L", "width": "8"}, answer=200
    ),
    "node-cordon": Line("platform", "node.manage", {}),
    "node-uncordon": Line("platform", "node.manage", {}),
    "node-drain": Line("platform", "node.manage", {}),
    "node-undrain": Line("platform", "node.manage", {}),
    "node-assign": Line("active", "tenant.manage", {"tenant": "{tenant}"}),
    "node-remove": Line("platform", "node.manage", {}),
    "organization": Line("platform", "sharing.manage", {"all_tenants": "on"}, look=False),
}
# Nobody needs to be signed in there, or it only leads to an address that has its line.
PUBLIC = {
    "healthz",
    "favicon.ico",
    "assets/<slug:version>/<str:name>",
    "sign-in/",
    "admin/login/",
    "admin/password_change/",
}

NEW_NODE = {"name": "n9", "arch": "SN40L", "rdus": 8}
WISH = {"project": "{project}", "model_checkpoint": "{help}", "rdu_arch": "SN40L"}
SHARE = {"general_access": "tenant_viewer"}

# `METHOD path` below /api → the line; `typed` is the body.
OPERATIONS: dict[str, Line] = {
    "GET /tenants": Line("platform"),
    "GET /tenant": Line("active", "tenant.see"),
    "GET /tenants/{tenant}": Line("tenant", "tenant.see"),
    "POST /tenants": Line("active", "tenant.manage", {"name": "new"}),
    "PATCH /tenants/{tenant}": Line("tenant", "tenant.manage", {"name": "other"}),
    "PATCH /tenants/{tenant}/quota": Line("tenant", "tenant.manage", {"arch": "SN40L", "guaranteed": 1}),
    "POST /tenants/{tenant}/archive": Line("tenant", "tenant.manage"),
    "POST /tenants/{tenant}/unarchive": Line("tenant", "tenant.manage"),
    "POST /tenants/{tenant}/values-once": Line("tenant", "tenant.manage", {"once": True}),
    "GET /users": Line("active", "user.manage"),
    "POST /users": Line("active", "user.manage", {"name": "nina", "password": "correct-horse-battery"}),
    "GET /users/{user}": Line("person", "user.manage"),
    "PATCH /users/{user}": Line("person", "user.manage", {"roles": [{"tenant": "{tenant}", "role": "none"}]}),
    "POST /users/{user}/password": Line("person", "user.manage"),
    "POST /users/{user}/deactivate": Line("person", "user.manage"),
    "POST /users/{user}/reactivate": Line("person", "user.manage"),
    "GET /sessions": Line("platform"),
    "DELETE /sessions": Line("platform"),
    "DELETE /sessions/{session}": Line("platform"),
    "GET /platform-key": Line("platform", "platform_key.own"),
    "POST /platform-key": Line("platform", "platform_key.own"),
    "GET /audit": Line("active", "audit.tenant"),
    "GET /organization": Line("platform"),
    "PATCH /organization": Line("platform", "sharing.manage", {"all_tenants_allowed": True}),
    "GET /apps": Line("platform"),
    "GET /apps/{app}": Line("platform"),
    "GET /models": Line("platform"),
    "GET /models/{model}": Line("thing", "model.see"),
    "GET /models/{model}/share": Line("thing", "model.manage"),
    "PUT /models/{model}/share": Line("thing", "model.manage", SHARE),
    "GET /models/{model}/events": Line("thing", "model.see"),
    "POST /models/{model}/transfer": Line("thing", "model.manage", {"owner": "mila"}),
    "GET /projects": Line("platform"),
    "POST /projects": Line("active", "project.create", {"name": "new"}),
    "GET /projects/{project}": Line("project", "project.see"),
    "PATCH /projects/{project}": Line("project", "project.edit", {"name": "other"}),
    "DELETE /projects/{project}": Line("project", "project.delete"),
    "GET /projects/{project}/share": Line("project", "project.share"),
    "PUT /projects/{project}/share": Line("project", "project.share", SHARE),
    "GET /projects/{project}/events": Line("project", "project.see"),
    "POST /projects/{project}/move": Line("project", "project.delete", {"tenant": "{annex}"}),
    "POST /projects/{project}/transfer": Line("project", "project.delete", {"owner": "mila"}),
    "GET /endpoints": Line("platform"),
    "POST /endpoints": Line("project", "endpoint.create", WISH | {"endpoint_name": "new"}),
    "POST /plan": Line("project", "project.see", WISH),
    "GET /endpoints/{endpoint}": Line("thing", "endpoint.see"),
    "PATCH /endpoints/{endpoint}": Line("thing", "endpoint.run", {"description": "better"}),
    "DELETE /endpoints/{endpoint}": Line("thing", "endpoint.delete"),
    "POST /endpoints/{endpoint}/plan": Line("thing", "endpoint.run", {"instances": 2}),
    "POST /endpoints/{endpoint}/stop": Line("thing", "endpoint.run"),
    "POST /endpoints/{endpoint}/restart": Line("thing", "endpoint.run"),
    "POST /endpoints/{gone}/restore": Line("thing", "endpoint.delete"),
    "GET /endpoints/{endpoint}/share": Line("thing", "endpoint.delete"),
    "PUT /endpoints/{endpoint}/share": Line("thing", "endpoint.delete", SHARE),
    "POST /endpoints/{endpoint}/move": Line("thing", "endpoint.delete", {"project": "{attic}"}),
    "POST /endpoints/{endpoint}/transfer": Line("thing", "endpoint.delete", {"owner": "mila"}),
    "GET /endpoints/{endpoint}/instances": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/events": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/watch": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/usage": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/apikeys": Line("thing", "key.list"),
    "POST /endpoints/{endpoint}/apikeys": Line("thing", "key.manage", {"description": "another"}),
    "GET /endpoints/{endpoint}/apikeys/{apikey}": Line("thing", "key.list"),
    "PATCH /endpoints/{endpoint}/apikeys/{apikey}": Line("thing", "key.manage", {"description": "other"}),
    "POST /endpoints/{endpoint}/apikeys/{first}/rotate": Line("thing", "key.manage", {"grace": "none"}),
    "POST /endpoints/{endpoint}/apikeys/{apikey}/revoke": Line("thing", "key.manage"),
    "GET /events": Line("platform"),
    "GET /nodes": Line("platform", "resources.see"),
    "POST /nodes": Line("platform", "node.manage", NEW_NODE),
    "POST /nodes/{node}/cordon": Line("platform", "node.manage"),
    "POST /nodes/{node}/uncordon": Line("platform", "node.manage"),
    "POST /nodes/{node}/drain": Line("platform", "node.manage"),
    "POST /nodes/{node}/undrain": Line("platform", "node.manage"),
    "POST /nodes/{node}/assign": Line("active", "tenant.manage", {"tenant": "{tenant}"}),
    "POST /nodes/{node}/remove": Line("platform", "node.manage"),
}


class Command(NamedTuple):
    """`said`: what stands behind the words of the command."""

    on: str
    action: str = ""
    said: str = ""


COMMANDS: dict[str, Command] = {
    "tenant list": Command("platform"),
    "tenant info": Command("tenant", "tenant.see", "--tenant {tenant}"),
    "tenant create": Command("active", "tenant.manage", "--tenant new"),
    "tenant rename": Command("tenant", "tenant.manage", "--tenant {tenant} --name other"),
    "tenant quota": Command("tenant", "tenant.manage", "--tenant {tenant} --arch SN40L --guaranteed 1"),
    "tenant archive": Command("tenant", "tenant.manage", "--tenant {tenant} --yes"),
    "tenant unarchive": Command("tenant", "tenant.manage", "--tenant {tenant}"),
    "tenant values-once": Command("tenant", "tenant.manage", "--tenant {tenant} --on --yes"),
    "user list": Command("active", "user.manage"),
    "user create": Command("active", "user.manage", "--user nina"),
    "user info": Command("person", "user.manage", "--user {user}"),
    "user role": Command("person", "user.manage", "--user {user} --tenant {tenant} --role none"),
    "user reset-password": Command("person", "user.manage", "--user {user} --yes"),
    "user deactivate": Command("person", "user.manage", "--user {user} --yes"),
    "user reactivate": Command("person", "user.manage", "--user {user}"),
    "session list": Command("platform"),
    "session end": Command("platform", said="--session {session}"),
    "session end-all": Command("platform", said="--yes"),
    "platform-key info": Command("platform", "platform_key.own"),
    "platform-key generate": Command("platform", "platform_key.own", "--yes"),
    "audit": Command("active", "audit.tenant"),
    "organization info": Command("platform"),
    "organization update": Command("platform", "sharing.manage", "--all-tenants"),
    "app list": Command("platform"),
    "model list": Command("platform"),
    "model info": Command("thing", "model.see", "-m {model}"),
    "model share": Command("thing", "model.manage", "-m {model} --general tenant_viewer"),
    "model events": Command("thing", "model.see", "-m {model}"),
    "model transfer": Command("thing", "model.manage", "-m {model} --owner mila"),
    "project list": Command("platform"),
    "project create": Command("active", "project.create", "-p new"),
    "project info": Command("project", "project.see", "-p {project}"),
    "project update": Command("project", "project.edit", "-p {project} --name other"),
    "project share": Command("project", "project.share", "-p {project} --general tenant_viewer"),
    "project events": Command("project", "project.see", "-p {project}"),
    "project move": Command("project", "project.delete", "-p {project} --tenant {annex}"),
    "project transfer": Command("project", "project.delete", "-p {project} --owner mila"),
    "project delete": Command("project", "project.delete", "-p {project} --yes"),
    "endpoint create": Command("project", "endpoint.create", "-p {project} -n new -m Help -a SN40L"),
    "endpoint plan": Command("project", "project.see", "-p {project} -m Help -a SN40L"),
    "endpoint list": Command("project", "project.see", "-p {project}"),
    "endpoint info": Command("thing", "endpoint.see", "-e {endpoint}"),
    "endpoint update": Command("thing", "endpoint.run", "-e {endpoint} -d better"),
    "endpoint stop": Command("thing", "endpoint.run", "-e {endpoint}"),
    "endpoint restart": Command("thing", "endpoint.run", "-e {endpoint}"),
    "endpoint delete": Command("thing", "endpoint.delete", "-e {endpoint}"),
    "endpoint restore": Command("thing", "endpoint.delete", "-e {gone}"),
    "endpoint share": Command("thing", "endpoint.delete", "-e {endpoint} --general tenant_viewer"),
    "endpoint move": Command("thing", "endpoint.delete", "-e {endpoint} --to {attic}"),
    "endpoint transfer": Command("thing", "endpoint.delete", "-e {endpoint} --owner mila"),
    "endpoint instances": Command("thing", "endpoint.see", "-e {endpoint}"),
    "endpoint logs": Command("thing", "endpoint.see", "-e {endpoint}"),
    "endpoint events": Command("thing", "endpoint.see", "-e {endpoint}"),
    "endpoint usage": Command("thing", "endpoint.see", "-e {endpoint}"),
    "endpoint list-apikeys": Command("thing", "key.list", "-e {endpoint}"),
    "endpoint info-apikey": Command("thing", "key.list", "-e {endpoint} --apikey {apikey}"),
    "endpoint add-apikey": Command("thing", "key.manage", "-e {endpoint} --description another"),
    "endpoint edit-apikey": Command(
        "thing", "key.manage", "-e {endpoint} --apikey {apikey} --description other"
    ),
    "endpoint rotate-apikey": Command("thing", "key.manage", "-e {endpoint} --apikey {first}"),
    "endpoint revoke-apikey": Command("thing", "key.manage", "-e {endpoint} --apikey {apikey}"),
    "node list": Command("platform", "resources.see"),
    "node add": Command("platform", "node.manage", "--node n9 --arch SN40L --rdus 8"),
    "node cordon": Command("platform", "node.manage", "--node {node}"),
    "node uncordon": Command("platform", "node.manage", "--node {node}"),
    "node drain": Command("platform", "node.manage", "--node {node}"),
    "node undrain": Command("platform", "node.manage", "--node {node}"),
    "node assign": Command("active", "tenant.manage", "--node {node} --tenant {tenant}"),
    "node remove": Command("platform", "node.manage", "--node {node} --yes"),
}
# These ask nobody, or what another line asks.
COMMANDS_ALONE = {
    "version": "asks nobody",
    "completion": "asks nobody",
    "config set": "asks nobody",
    "endpoint watch": "lasts; it is GET …/watch",
    "endpoint predict": "asks a gateway, with what `endpoint info` says",
}
