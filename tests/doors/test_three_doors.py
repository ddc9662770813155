"""Everything that can be done can be done in the pages, by REST and with snapi; a verb that lacks a door is named."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from django.test import Client
from django.urls import get_resolver

from snapi.main import app

ROOT = Path(__file__).parents[2]
SERVICES = (
    "endpoints",
    "apikeys",
    "scheduler",
    "studio/projects",
    "studio/hub",
    "studio/tenants",
    "studio/accounts",
    "endpoints/usage",
    "studio/sharing",
    "studio/people",
    "endpoints/moves",
)


class Doors(NamedTuple):
    """The name of a page's address, `METHOD path` below /api, and the words after `snapi`."""

    page: str
    rest: str
    snapi: str


# Of services: what changes something.
VERBS = {
    "create_endpoint": Doors("endpoint-new", "POST /endpoints", "endpoint create"),
    "update_endpoint": Doors("endpoint-edit", "PATCH /endpoints/{endpoint}", "endpoint update"),
    "foresee_edit": Doors("endpoint-edit-preview", "POST /endpoints/{endpoint}/plan", "endpoint update"),
    "preview_edit": Doors("endpoint-edit-preview", "POST /endpoints/{endpoint}/plan", "endpoint update"),
    "stop_endpoint": Doors("endpoint-stop", "POST /endpoints/{endpoint}/stop", "endpoint stop"),
    "restart_endpoint": Doors("endpoint-restart", "POST /endpoints/{endpoint}/restart", "endpoint restart"),
    "delete_endpoint": Doors("endpoint-delete", "DELETE /endpoints/{endpoint}", "endpoint delete"),
    "restore_endpoint": Doors("endpoint-restore", "POST /endpoints/{endpoint}/restore", "endpoint restore"),
    "create_project": Doors("project-new", "POST /projects", "project create"),
    "edit_project": Doors("project-edit", "PATCH /projects/{project}", "project update"),
    "delete_project": Doors("project-delete", "DELETE /projects/{project}", "project delete"),
    "add_key": Doors("key-new", "POST /endpoints/{endpoint}/apikeys", "endpoint add-apikey"),
    "edit_key": Doors("key-edit", "PATCH /endpoints/{endpoint}/apikeys/{apikey}", "endpoint edit-apikey"),
    "limit_key": Doors("key-limits", "PATCH /endpoints/{endpoint}/apikeys/{apikey}", "endpoint edit-apikey"),
    "update_key": Doors("key-limits", "PATCH /endpoints/{endpoint}/apikeys/{apikey}", "endpoint edit-apikey"),
    "revoke_key": Doors(
        "key-revoke", "POST /endpoints/{endpoint}/apikeys/{apikey}/revoke", "endpoint revoke-apikey"
    ),
    "show_key": Doors("key-value", "GET /endpoints/{endpoint}/apikeys/{apikey}", "endpoint info-apikey"),
    "show_keys": Doors("endpoint", "GET /endpoints/{endpoint}/apikeys", "endpoint list-apikeys"),
    "add_node": Doors("node-new", "POST /nodes", "node add"),
    "cordon_node": Doors("node-cordon", "POST /nodes/{node}/cordon", "node cordon"),
    "uncordon_node": Doors("node-uncordon", "POST /nodes/{node}/uncordon", "node uncordon"),
    "drain_node": Doors("node-drain", "POST /nodes/{node}/drain", "node drain"),
    "remove_node": Doors("node-remove", "POST /nodes/{node}/remove", "node remove"),
    "share": Doors("endpoint-share", "PUT /endpoints/{endpoint}/share", "endpoint share"),
    "shares": Doors("endpoint-share", "GET /endpoints/{endpoint}/share", "endpoint share"),
    "allow_all_tenants": Doors("organization", "PATCH /organization", "organization update"),
    "rotate_key": Doors(
        "key-rotate", "POST /endpoints/{endpoint}/apikeys/{apikey}/rotate", "endpoint rotate-apikey"
    ),
    "show_values_once": Doors("tenant-values", "POST /tenants/{tenant}/values-once", "tenant values-once"),
    "end_session": Doors("session-end", "DELETE /sessions/{session}", "session end"),
    "new_platform_key": Doors("platform-key", "POST /platform-key", "platform-key generate"),
    "end_sessions": Doors("sessions-end", "DELETE /sessions", "session end-all"),
    "assign_node": Doors("node-assign", "POST /nodes/{node}/assign", "node assign"),
    "move_endpoint": Doors("endpoint-move", "POST /endpoints/{endpoint}/move", "endpoint move"),
    "move_project": Doors("project-move", "POST /projects/{project}/move", "project move"),
    "transfer_endpoint": Doors(
        "endpoint-transfer", "POST /endpoints/{endpoint}/transfer", "endpoint transfer"
    ),
    "transfer_project": Doors("project-transfer", "POST /projects/{project}/transfer", "project transfer"),
    "transfer_model": Doors("model-transfer", "POST /models/{model}/transfer", "model transfer"),
    "create_tenant": Doors("tenant-new", "POST /tenants", "tenant create"),
    "rename_tenant": Doors("tenant-edit", "PATCH /tenants/{tenant}", "tenant rename"),
    "archive_tenant": Doors("tenant-archive", "POST /tenants/{tenant}/archive", "tenant archive"),
    "unarchive_tenant": Doors("tenant-unarchive", "POST /tenants/{tenant}/unarchive", "tenant unarchive"),
    "set_quotas": Doors("tenant-quota", "PATCH /tenants/{tenant}/quota", "tenant quota"),
    "create_user": Doors("user-new", "POST /users", "user create"),
    "change_roles": Doors("user-edit", "PATCH /users/{user}", "user role"),
    "deactivate_user": Doors("user-deactivate", "POST /users/{user}/deactivate", "user deactivate"),
    "reset_password": Doors("user-password", "POST /users/{user}/password", "user reset-password"),
    "reactivate_user": Doors("user-reactivate", "POST /users/{user}/reactivate", "user reactivate"),
}
ALSO = {  # one of the above, of something else
    "undrain_node": Doors("node-undrain", "POST /nodes/{node}/undrain", "node undrain"),
    "share a project": Doors("project-share", "PUT /projects/{project}/share", "project share"),
    "a project's shares": Doors("project-share", "GET /projects/{project}/share", "project share"),
    "share a model": Doors("model-share", "PUT /models/{model}/share", "model share"),
    "a model's shares": Doors("model-share", "GET /models/{model}/share", "model share"),
}
# What is looked at.
LOOKS = {
    "the tenants": Doors("switch-tenant", "GET /tenants", "tenant list"),
    "a tenant": Doors("resources", "GET /tenants/{tenant}", "tenant info"),
    "tenants to manage": Doors("tenants", "GET /tenants", "tenant list"),
    "users": Doors("users", "GET /users", "user list"),
    "a user": Doors("users", "GET /users/{user}", "user info"),
    "the active tenant": Doors("dashboard", "GET /tenant", "tenant info"),
    "the apps": Doors("models", "GET /apps", "app list"),
    "an app": Doors("models", "GET /apps/{app}", "model list"),
    "the models": Doors("models", "GET /models", "model list"),
    "a model": Doors("model", "GET /models/{model}", "model info"),
    "the projects": Doors("projects", "GET /projects", "project list"),
    "a project": Doors("project", "GET /projects/{project}", "project info"),
    "endpoints": Doors("project", "GET /endpoints", "endpoint list"),
    "an endpoint": Doors("endpoint", "GET /endpoints/{endpoint}", "endpoint info"),
    "a plan": Doors("endpoint-preview", "POST /plan", "endpoint plan"),
    "instances": Doors("endpoint", "GET /endpoints/{endpoint}/instances", "endpoint instances"),
    "the last lines": Doors("endpoint", "GET /endpoints/{endpoint}/instances", "endpoint logs"),
    "events": Doors("endpoint", "GET /endpoints/{endpoint}/events", "endpoint events"),
    "all events": Doors("dashboard", "GET /events", "endpoint events"),
    "what becomes of it": Doors("endpoint", "GET /endpoints/{endpoint}/watch", "endpoint watch"),
    "usage": Doors("endpoint", "GET /endpoints/{endpoint}/usage", "endpoint usage"),
    "what was done to a project": Doors("project", "GET /projects/{project}/events", "project events"),
    "what was done to a model": Doors("model", "GET /models/{model}/events", "model events"),
    "the audit": Doors("audit", "GET /audit", "audit"),
    "the audit to keep": Doors("audit-export", "GET /audit", "audit"),
    "nodes": Doors("resources", "GET /nodes", "node list"),
    "the organization": Doors("organization", "GET /organization", "organization info"),
    "one's platform key": Doors("account", "GET /platform-key", "platform-key info"),
    "one's sessions": Doors("account", "GET /sessions", "session list"),
}
# Not a verb of its own, or not yet a person's.
WITHIN = {
    "mint_first_key": "create_endpoint does it",
    "close_project": "delete_project does it",
    "check_wishes": "share does it; the window asks for it before",
    "change_password": "typed in the pages only, where nobody looks on and nothing is logged",
}
# Doors of no service: signing in, what only a picture needs, what only a command line needs.
PAGES_ALONE = {
    "sign-in", "sign-out", "password", "theme", "notices", "notices-mark", "model-deploy", "model-select",
    "standing", "asset",
}  # fmt: skip
SNAPI_ALONE = {"version", "completion", "config set", "endpoint predict"}
EVERY = {**VERBS, **ALSO, **LOOKS}


@cache
def services() -> set[str]:
    """The public functions of services that an actor calls."""
    found = set()
    for folder in SERVICES:
        for node in ast.parse((ROOT / folder / "services.py").read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found |= {node.name for argument in node.args.kwonlyargs if argument.arg == "actor"}
    return found


@cache
def pages() -> set[str]:
    return {str(name) for name in get_resolver().reverse_dict if isinstance(name, str)}


@cache
def operations() -> set[str]:
    document: dict[str, Any] = Client().get("/api/openapi.json").json()
    return {
        f"{method.upper()} {path.removeprefix('/api')}"
        for path, methods in document["paths"].items()
        for method in methods
    }


@cache
def commands() -> set[str]:
    return leaves(typer.main.get_command(app))


def leaves(command: Any, path: tuple[str, ...] = ()) -> set[str]:
    children = getattr(command, "commands", None)
    if children is None:
        return {" ".join(path)}
    return {found for name, child in children.items() for found in leaves(child, (*path, name))}


def test_every_verb_of_the_services_is_in_the_table() -> None:
    assert services() == VERBS.keys() | WITHIN.keys()


@pytest.mark.parametrize("verb", EVERY)
def test_every_verb_has_its_three_doors(verb: str) -> None:
    doors = EVERY[verb]
    assert doors.page in pages()
    assert doors.rest in operations()
    assert doors.snapi in commands()


def test_no_door_leads_nowhere() -> None:
    """What stands at one door stands in the table, so that the others are not forgotten."""
    assert operations() == {doors.rest for doors in EVERY.values()}
    assert commands() == {doors.snapi for doors in EVERY.values()} | SNAPI_ALONE
    assert pages() == {doors.page for doors in EVERY.values()} | PAGES_ALONE


@cache
def calls(folder: str) -> set[str]:
    """What the doors of pages or of REST name of services."""
    files = [path for path in ROOT.glob(f"*/{folder}") if ".venv" not in str(path)]
    files += [*ROOT.glob(f"studio/*/{folder}"), *ROOT.glob(f"endpoints/*/{folder}")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("verb", VERBS)
def test_the_doors_call_the_service(verb: str) -> None:
    """A key is shown and changed by another service at each door."""
    alike = {"edit_key", "limit_key", "update_key"}, {"show_key", "show_keys"}
    names = next((group for group in alike if verb in group), {verb})
    assert names & (calls("views.py") | calls("views/*.py"))
    assert names & calls("api.py")
