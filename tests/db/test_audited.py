"""Every verb that changes something writes down who did it, in which role, from where, and old → new."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from apikeys import services as keys
from endpoints import selectors, services
from endpoints.rules import FORGOTTEN
from endpoints.views.shown import Happening
from scheduler import services as nodes
from studio.audit.forms import KINDS
from studio.audit.models import Event
from studio.hub.models import Model
from studio.hub.services import import_catalogue
from studio.projects import services as projects
from studio.settings import CHECKPOINT_STORE
from studio.tenants import services as tenants
from studio.tenants.rules import STUDIO, Actor
from tests.doors.test_three_doors import ROOT, SERVICES
from tests.doors.test_three_doors import services as verbs

ONLY_LOOKS = {"foresee_edit", "preview_edit", "check_wishes", "shares"}  # change nothing
WITHIN = {"mint_first_key"}  # a part of create_endpoint, which says it
NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@cache
def functions() -> dict[str, ast.FunctionDef]:
    found = {}
    for folder in SERVICES:
        for node in ast.parse((ROOT / folder / "services.py").read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found[f"{folder}.{node.name}"] = node
    return found


def called(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            name = each.func.attr if isinstance(each.func, ast.Attribute) else getattr(each.func, "id", "")
            yield str(name)


def writes(function: ast.FunctionDef, folder: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether it calls `record`, by itself or through a function of the same services or a public one of others."""
    for name in called(function):
        if name == "record":
            return True
        for place, inner in functions().items():
            near = place == f"{folder}.{name}" or (place.endswith(f".{name}") and not name.startswith("_"))
            if near and place not in seen and writes(inner, place.rpartition(".")[0], seen | {place}):
                return True
    return False


@pytest.mark.parametrize("verb", sorted(verbs() - ONLY_LOOKS - WITHIN))
def test_every_verb_of_the_services_writes_the_audit(verb: str) -> None:
    homes = [place for place in functions() if place.endswith(f".{verb}")]
    assert homes
    for place in homes:
        assert writes(functions()[place], place.rpartition(".")[0]), f"{place} writes no audit row"


def verbs_written() -> set[str]:
    """Second of what is handed to `record` and to the functions before it, where it is no kind of a thing."""
    found = set()
    for place in (
        ROOT.glob("*/**/services.py"),
        ROOT.glob("studio/**/repairs.py"),
        [ROOT / "studio/rotation.py"],
    ):
        for path in place:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and len(node.args) > 1 and records(next(called(node))):
                    found |= {each.value for each in ast.walk(node.args[1]) if isinstance(each, ast.Constant)}
    return {verb for verb in found if isinstance(verb, str)} - {*KINDS}


def records(function: str) -> bool:
    return "record" in function or function in {"_say_ended", "_wish"}


def test_every_verb_has_its_words_on_the_pages() -> None:
    written = verbs_written()
    assert len(written) > 30
    assert written - Happening.DEEDS.keys() == set()
    assert {"cordon", "uncordon", "drain", "move", "move here"} < Happening.DEEDS.keys()


class Deeds:
    """Somebody with an address and the id of a request, and what they do to owen's things."""

    def __init__(self, cast: Any) -> None:
        self.cast = cast
        self.endpoint = cast.endpoint(name="hello")
        self.key = cast.first_key(self.endpoint)
        self.facts = selectors.facts(cast.owen, self.endpoint)

    def by(self, name: str) -> Actor:
        return replace(getattr(self.cast, name), address="192.0.2.7", request_id="request-0001")

    def added(self) -> Any:
        return keys.add_key(
            actor=self.cast.owen, endpoint=self.endpoint, facts=self.facts, description="shop", now=NOW
        )[0]


def update_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    edit = services.Edit(description="new", instances=3)
    services.update_endpoint(actor=who, endpoint=deeds.endpoint, edit=edit, now=NOW)
    return {"description": ["", "new"], "instances": [1, 3]}


def stop_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    services.stop_endpoint(actor=who, endpoint=deeds.endpoint, now=NOW)
    return {"desired": ["running", "stopped"]}


def restart_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    before = deeds.endpoint.config_version
    services.restart_endpoint(actor=who, endpoint=deeds.endpoint, now=NOW)
    return {"config_version": [before, before + 1]}


def delete_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    services.delete_endpoint(actor=who, endpoint=deeds.endpoint, now=NOW)
    return {"desired": ["running", "deleted"]}


def restore_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    services.delete_endpoint(actor=deeds.cast.owen, endpoint=deeds.endpoint, now=NOW)
    services.restore_endpoint(actor=who, endpoint=deeds.endpoint, name="again", now=NOW)
    return {"desired": ["deleted", "stopped"], "name": ["hello", "again"]}


def create_endpoint(deeds: Deeds, who: Actor) -> dict[str, Any]:
    spec = services.Spec(name="second", model="Help", arch="SN40L", instances=2)
    services.create_endpoint(actor=who, project=deeds.cast.project, spec=spec, now=NOW)
    return {"instances": 2}


def create_project(deeds: Deeds, who: Actor) -> dict[str, Any]:
    tenant = deeds.cast.tenants["default"]
    projects.create_project(actor=who, tenant=tenant, name="p", description="d", now=NOW)
    return {"description": "d"}


def edit_project(deeds: Deeds, who: Actor) -> dict[str, Any]:
    projects.edit_project(actor=who, project=deeds.cast.project, name="renamed", now=NOW)
    return {"name": ["demo", "renamed"]}


def delete_project(deeds: Deeds, who: Actor) -> dict[str, Any]:
    services.delete_project(actor=who, project=deeds.cast.project, now=NOW)
    return {"deleted": [False, True], "endpoints": [["hello"], []]}


def add_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    keys.add_key(
        actor=who,
        endpoint=deeds.endpoint,
        facts=deeds.facts,
        description="shop",
        limits={"requests_per_minute": 5},
        now=NOW,
    )
    return {"description": "shop", "requests_per_minute": 5}


def edit_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    keys.edit_key(actor=who, key=deeds.added(), facts=deeds.facts, description="other", now=NOW)
    return {"description": ["shop", "other"]}


def limit_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    key = deeds.added()
    keys.limit_key(actor=who, key=key, facts=deeds.facts, limits={"requests_per_minute": 5}, now=NOW)
    return {"requests_per_minute": [None, 5]}


def revoke_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    keys.revoke_key(actor=who, key=deeds.added(), facts=deeds.facts, now=NOW)
    return {"revoked": [False, True]}


def show_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    keys.show_key(actor=who, key=deeds.key, facts=deeds.facts, now=NOW)
    return {"key": str(deeds.key.pk)}


def add_node(deeds: Deeds, who: Actor) -> dict[str, Any]:
    nodes.add_node(actor=who, name="n1", generation="SN40L", width=8, virtual=True, now=NOW)
    return {"generation": "SN40L", "width": 8, "virtual": True}


def cordon_node(deeds: Deeds, who: Actor) -> dict[str, Any]:
    nodes.cordon_node(actor=who, node=deeds.cast.node(), now=NOW)
    return {"intent": ["ready", "cordoned"]}


def uncordon_node(deeds: Deeds, who: Actor) -> dict[str, Any]:
    nodes.uncordon_node(actor=who, node=deeds.cast.node(intent="cordoned"), now=NOW)
    return {"intent": ["cordoned", "ready"]}


def drain_node(deeds: Deeds, who: Actor) -> dict[str, Any]:
    nodes.drain_node(actor=who, node=deeds.cast.node(), now=NOW)
    return {"intent": ["ready", "draining"]}


def remove_node(deeds: Deeds, who: Actor) -> dict[str, Any]:
    nodes.remove_node(actor=who, node=deeds.cast.node(), now=NOW)
    return {"state": ["ready", "removed"], "instances": [0, 0]}


def create_tenant(deeds: Deeds, who: Actor) -> dict[str, Any]:
    tenants.create_tenant(actor=who, name="third", now=NOW)
    return {}


def create_user(deeds: Deeds, who: Actor) -> dict[str, Any]:
    home = deeds.cast.tenants["default"]
    tenants.create_user(actor=who, name="nina", password="correct horse battery", tenant=home, now=NOW)
    return {"tenant": "default", "role": "member"}


def new_platform_key(deeds: Deeds, who: Actor) -> dict[str, Any]:
    user = deeds.cast.users["owen"]
    old = tenants.new_platform_key(actor=STUDIO, user=user, now=NOW).reveal()
    new = tenants.new_platform_key(actor=who, user=user, now=NOW).reveal()
    return {"prefix": [old[:8], new[:8]]}


# deed → who does it, and in which role
OWNER, OPERATOR, ORG_ADMIN = ("owen", "owner"), ("otto", "operator"), ("olga", "OrgAdmin")
DEEDS: dict[Callable[[Deeds, Actor], dict[str, Any]], tuple[str, str]] = {
    **dict.fromkeys([create_endpoint, update_endpoint, stop_endpoint, restart_endpoint], OWNER),
    **dict.fromkeys([delete_endpoint, restore_endpoint, edit_project, delete_project], OWNER),
    **dict.fromkeys([add_key, edit_key, limit_key, revoke_key, show_key, new_platform_key], OWNER),
    **dict.fromkeys([create_project], OWNER),
    **dict.fromkeys([add_node, cordon_node, uncordon_node, drain_node, remove_node], OPERATOR),
    **dict.fromkeys([create_tenant, create_user], ORG_ADMIN),
}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_its_row_says_who_in_which_role_from_where_and_old_to_new(deed, cast: Any) -> None:
    assert deed.__name__ in verbs()
    name, role = DEEDS[deed]
    deeds = Deeds(cast)
    who = deeds.by(name)
    expected = deed(deeds, who)
    row = Event.objects.filter(actor_name=name, request_id="request-0001").latest("id")
    assert (row.actor_id, row.role, row.address) == (who.id, role, "192.0.2.7")
    assert expected.items() <= row.changes.items(), row.changes


def test_what_a_sweep_forgets_it_writes_down_as_studio(cast: Any) -> None:
    endpoint = cast.endpoint(name="hello")
    services.delete_endpoint(actor=cast.owen, endpoint=endpoint, now=NOW)
    assert services.forget_deleted(now=NOW + FORGOTTEN * 2) == 1
    row = Event.objects.get(verb="forget keys")
    assert (row.actor_name, row.actor_id, row.role, row.thing_id) == ("Studio", None, "platform", endpoint.pk)
    assert row.changes == {"values": [1, 0]}
    assert row.tenant_id == cast.project.tenant_id


def test_an_import_writes_down_what_it_changed_and_a_repeat_nothing(db: None) -> None:
    import_catalogue(store=CHECKPOINT_STORE, now=NOW)
    first = Event.objects.filter(verb="import", actor_name="Studio")
    assert set(first.values_list("thing_type", flat=True)) == {"app", "runtime", "model"}
    count = first.count()
    import_catalogue(store=CHECKPOINT_STORE, now=NOW)
    assert Event.objects.count() == count
    model = Model.objects.order_by("name").first()
    assert model is not None
    Model.objects.filter(pk=model.pk).update(description="changed by hand")
    import_catalogue(store=CHECKPOINT_STORE, now=NOW)
    row = Event.objects.latest("id")
    assert (Event.objects.count(), row.thing_id) == (count + 1, model.pk)
    assert row.changes == {"description": ["changed by hand", model.description]}


def test_a_service_that_writes_nothing_would_be_found() -> None:
    silent = ast.parse(f"def quiet(*, actor):\n    Row.objects.update(x='{uuid4()}')").body[0]
    assert isinstance(silent, ast.FunctionDef)
    assert not writes(silent, "endpoints")
