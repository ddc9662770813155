"""Every door of the platform and the right it asks for: the table of `test_matrix.py`.

A new page, operation or command needs a line here, or the suite fails. A line says what the actor must be allowed
(an action of the permission table, "" for whoever is signed in), towards what (a column of `PEOPLE`), and with what
the door is knocked at. What stands in braces is a thing of the world, by its name in `THINGS`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from studio.tenants.rules import Role

ORG_ADMIN, TENANT_ADMIN, OWNER = {Role.ORG_ADMIN}, {Role.TENANT_ADMIN, Role.MEMBER}, {Role.OWNER, Role.MEMBER}
EDITOR, VIEWER, MEMBER = {Role.EDITOR, Role.MEMBER}, {Role.VIEWER, Role.MEMBER}, {Role.MEMBER}
STRANGER, OPERATOR = {Role.STRANGER}, {Role.OPERATOR, Role.STRANGER}
EDITOR_FROM_AWAY, VIEWER_FROM_AWAY = {Role.EDITOR}, {Role.VIEWER}

COLUMNS = ("project", "thing", "tenant", "active", "platform")
# Who they are towards: owen's project; his endpoints and model; his tenant; the tenant they act in; the platform.
PEOPLE: dict[str, tuple[set[Role], ...]] = {
    "olga": (ORG_ADMIN, ORG_ADMIN, ORG_ADMIN, ORG_ADMIN, ORG_ADMIN),
    "tina": (TENANT_ADMIN, TENANT_ADMIN, TENANT_ADMIN, TENANT_ADMIN, STRANGER),
    "theo": (STRANGER, STRANGER, STRANGER, TENANT_ADMIN, STRANGER),  # of another tenant
    "owen": (OWNER, OWNER, MEMBER, MEMBER, STRANGER),
    "eda": (EDITOR, EDITOR, MEMBER, MEMBER, STRANGER),  # of the same tenant, by a grant on project and model
    "vera": (VIEWER, VIEWER, MEMBER, MEMBER, STRANGER),
    "emil": (
        STRANGER,
        EDITOR_FROM_AWAY,
        STRANGER,
        MEMBER,
        STRANGER,
    ),  # by grants on the endpoints and the model
    "viktor": (STRANGER, VIEWER_FROM_AWAY, STRANGER, MEMBER, STRANGER),  # by grants to all of his tenant
    "mila": (MEMBER, MEMBER, MEMBER, MEMBER, STRANGER),
    "oskar": (STRANGER, STRANGER, STRANGER, MEMBER, STRANGER),
    "opal": (OPERATOR, OPERATOR, OPERATOR, OPERATOR, OPERATOR),  # in no tenant
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

# The name of an address → the line. Its arguments are the things that they are called by.
PAGES: dict[str, Line] = {
    "dashboard": Line("platform"),
    "notices": Line("platform", typed={}),
    "notices-mark": Line("platform", answer=302),
    "theme": Line("platform", typed={"theme": "dark"}, look=False),
    "switch-tenant": Line("tenant", "tenant.see", {"tenant": "{tenant}"}, look=False),
    "sign-out": Line("platform", typed={}, look=False),
    "projects": Line("platform"),
    "project-new": Line("active", "project.create", {"name": "new"}),
    "project": Line("project", "project.see"),
    "project-edit": Line("project", "project.edit", {"name": "other"}),
    "project-share": Line("project", "project.share", {"general_access": "tenant_viewer"}),
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
    "endpoint-delete": Line("thing", "endpoint.delete", {}),
    "endpoint-restore": Line("thing", "endpoint.delete", {"endpoint_name": "back"}),
    "key-new": Line("thing", "key.manage", {"description": "another", "token": "{token}"}),
    "key-value": Line("thing", "key.manage"),
    "key-edit": Line("thing", "key.manage", {"description": "other", "updated_at": "{key_updated}"}),
    "key-limits": Line("thing", "key.manage", {"parallel": "2", "updated_at": "{key_updated}"}),
    "key-revoke": Line("thing", "key.manage", {}),
    "models": Line("platform"),
    "model": Line("thing", "model.see"),
    "model-deploy": Line("thing", "model.see"),
    "model-share": Line("thing", "model.manage", {"general_access": "tenant_viewer"}),
    "resources": Line("platform", "resources.see"),
    "node-new": Line(
        "platform", "node.manage", {"name": "n9", "generation": "SN40L", "width": "8"}, answer=200
    ),
    "node-cordon": Line("platform", "node.manage", {}),
    "node-uncordon": Line("platform", "node.manage", {}),
    "node-drain": Line("platform", "node.manage", {}),
    "node-undrain": Line("platform", "node.manage", {}),
    "node-remove": Line("platform", "node.manage", {}),
    "organization": Line("platform", "sharing.manage", {"all_tenants": "on"}, look=False),
}
# Nobody needs to be signed in there.
PUBLIC = {"healthz", "favicon.ico", "sign-in/"}

NEW_NODE = {"name": "n9", "arch": "SN40L", "rdus": 8}
WISH = {"project": "{project}", "model_checkpoint": "{help}", "rdu_arch": "SN40L"}
SHARE = {"general_access": "tenant_viewer"}

# `METHOD path` below /api → the line; `typed` is the body.
OPERATIONS: dict[str, Line] = {
    "GET /tenants": Line("platform"),
    "GET /tenant": Line("active", "tenant.see"),
    "GET /tenants/{tenant}": Line("tenant", "tenant.see"),
    "GET /organization": Line("platform"),
    "PATCH /organization": Line("platform", "sharing.manage", {"all_tenants_allowed": True}),
    "GET /apps": Line("platform"),
    "GET /apps/{app}": Line("platform"),
    "GET /models": Line("platform"),
    "GET /models/{model}": Line("thing", "model.see"),
    "GET /models/{model}/share": Line("thing", "model.manage"),
    "PUT /models/{model}/share": Line("thing", "model.manage", SHARE),
    "GET /projects": Line("platform"),
    "POST /projects": Line("active", "project.create", {"name": "new"}),
    "GET /projects/{project}": Line("project", "project.see"),
    "PATCH /projects/{project}": Line("project", "project.edit", {"name": "other"}),
    "DELETE /projects/{project}": Line("project", "project.delete"),
    "GET /projects/{project}/share": Line("project", "project.share"),
    "PUT /projects/{project}/share": Line("project", "project.share", SHARE),
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
    "GET /endpoints/{endpoint}/instances": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/events": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/watch": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/usage": Line("thing", "endpoint.see"),
    "GET /endpoints/{endpoint}/apikeys": Line("thing", "key.list"),
    "POST /endpoints/{endpoint}/apikeys": Line("thing", "key.manage", {"description": "another"}),
    "GET /endpoints/{endpoint}/apikeys/{apikey}": Line("thing", "key.list"),
    "PATCH /endpoints/{endpoint}/apikeys/{apikey}": Line("thing", "key.manage", {"description": "other"}),
    "POST /endpoints/{endpoint}/apikeys/{apikey}/revoke": Line("thing", "key.manage"),
    "GET /events": Line("platform"),
    "GET /nodes": Line("platform", "resources.see"),
    "POST /nodes": Line("platform", "node.manage", NEW_NODE),
    "POST /nodes/{node}/cordon": Line("platform", "node.manage"),
    "POST /nodes/{node}/uncordon": Line("platform", "node.manage"),
    "POST /nodes/{node}/drain": Line("platform", "node.manage"),
    "POST /nodes/{node}/undrain": Line("platform", "node.manage"),
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
    "organization info": Command("platform"),
    "organization update": Command("platform", "sharing.manage", "--all-tenants"),
    "app list": Command("platform"),
    "model list": Command("platform"),
    "model info": Command("thing", "model.see", "-m {model}"),
    "model share": Command("thing", "model.manage", "-m {model} --general tenant_viewer"),
    "project list": Command("platform"),
    "project create": Command("active", "project.create", "-p new"),
    "project info": Command("project", "project.see", "-p {project}"),
    "project update": Command("project", "project.edit", "-p {project} --name other"),
    "project share": Command("project", "project.share", "-p {project} --general tenant_viewer"),
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
    "endpoint revoke-apikey": Command("thing", "key.manage", "-e {endpoint} --apikey {apikey}"),
    "node list": Command("platform", "resources.see"),
    "node add": Command("platform", "node.manage", "--node n9 --arch SN40L --rdus 8"),
    "node cordon": Command("platform", "node.manage", "--node {node}"),
    "node uncordon": Command("platform", "node.manage", "--node {node}"),
    "node drain": Command("platform", "node.manage", "--node {node}"),
    "node undrain": Command("platform", "node.manage", "--node {node}"),
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
