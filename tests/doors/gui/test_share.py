"""The Share settings window, and what those see with whom something is shared."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from endpoints.models import Endpoint
from endpoints.services import delete_endpoint
from studio.hub.models import Model
from studio.sharing import selectors, services
from studio.sharing.rules import Wish
from studio.tenants.models import Membership, User
from tests.browser.world import NOW, World
from tests.doors.gui.conftest import Person


@pytest.fixture
def hello(world: World) -> Endpoint:
    return world.live("hello")


def grants(thing: Any) -> dict[str, str]:
    return {grant.name: grant.role for grant in selectors.shares_of(thing).grants}


def give(world: World, thing: Any, role: str, *names: str) -> None:
    wishes = [Wish("user", name, role) for name in names]
    services.share(actor=world.actor("olga"), thing=thing, shared_with=wishes)


def state(world: World, thing: Any) -> dict[str, Any]:
    """What the window would send if nothing were touched."""
    shares = selectors.shares_of(thing)
    rows = {f"role.{grant.kind}:{grant.id}": grant.role for grant in shares.grants}
    keys = [f"{grant.kind}:{grant.id}" for grant in shares.grants]
    return {"general_access": shares.general_access, "seen": shares.version, "grantee": keys, **rows}


@pytest.mark.parametrize("part", [True, False])
def test_somebody_is_added_given_another_role_and_removed(
    world: World, owen: Person, hello: Endpoint, part: bool
) -> None:
    typed = {"kind": "user", "name": "mila", "role": "editor"}
    added = owen.post("endpoint-share", hello, part=part, add="add", **state(world, hello) | typed)
    assert "mila User" in added.text
    assert grants(hello) == {}
    key = f"user:{world.user('mila').pk}"
    saved = state(world, hello) | {"grantee": [key], f"role.{key}": "editor"}
    done = owen.post("endpoint-share", hello, part=part, **saved)
    assert done.status == (204 if part else 302)
    assert grants(hello) == {"mila": "editor"}
    owen.post("endpoint-share", hello, part=part, **state(world, hello) | {f"role.{key}": "viewer"})
    assert grants(hello) == {"mila": "viewer"}
    owen.post("endpoint-share", hello, part=part, **state(world, hello) | {f"role.{key}": "none"})
    assert grants(hello) == {}


def test_what_is_typed_and_not_added_is_saved_too(world: World, owen: Person, hello: Endpoint) -> None:
    typed = {"kind": "tenant", "name": "default", "role": "viewer", "general_access": "tenant_viewer"}
    assert owen.post("endpoint-share", hello, **state(world, hello) | typed).status == 302
    assert grants(hello) == {"default": "viewer"}
    hello.refresh_from_db()
    assert hello.general_access == "tenant_viewer"


@pytest.mark.parametrize("add", [{"add": "add"}, {}])
@pytest.mark.parametrize(("kind", "name"), [("user", "oskar"), ("user", "nobody"), ("tenant", "research")])
def test_whom_owen_does_not_know_is_not_there(
    world: World, owen: Person, hello: Endpoint, kind: str, name: str, add: dict[str, str]
) -> None:
    typed = {"kind": kind, "name": name, "role": "viewer"}
    seen = owen.post("endpoint-share", hello, **state(world, hello) | typed | add)
    assert seen.fault("name").startswith(f"There is no {kind} '{name}'")
    assert seen.value("name") == name
    assert grants(hello) == {}


def test_whom_owen_knows_is_offered(owen: Person, person: Any, hello: Endpoint) -> None:
    assert 'value="mila"' in owen.get("endpoint-share", hello).html
    assert 'value="oskar"' not in owen.get("endpoint-share", hello).html
    assert 'value="oskar"' in person("olga").get("endpoint-share", hello).html


def test_names_are_found_as_they_are_typed_however_many_there_are(
    world: World, owen: Person, person: Any, hello: Endpoint
) -> None:
    home = world.tenants["default"]
    crowd = User.objects.bulk_create([User(username=f"a-mil-{number:02}") for number in range(30)])
    Membership.objects.bulk_create([Membership(user=each, tenant=home) for each in crowd])

    def offered(somebody: Person, kind: str, name: str) -> list[str]:
        query = urlencode({"part": "names", "kind": kind, "name": name})
        seen = somebody.get(f"/endpoints/{hello.pk}/share/?{query}", part=True)
        assert seen.status == 200
        return re.findall('value="([^"]+)"', seen.html)

    assert 'value="mila"' not in owen.get("endpoint-share", hello).html, "only the first, before one types"
    found = offered(owen, "user", "MIL")
    assert (found[0], len(found)) == ("mila", 20), "what begins with it comes first"
    assert offered(owen, "tenant", "a") == ["default"]
    assert offered(owen, "user", "oskar") == []
    assert offered(owen, "tenant", "resea") == []
    assert offered(person("olga"), "user", "skar") == ["oskar"]
    assert offered(owen, "user", "%\0_") == []
    assert person("mila").get(f"/endpoints/{hello.pk}/share/?part=names", part=True).status == 404
    typed = {"kind": "user", "name": "mila", "role": "viewer"}
    assert owen.post("endpoint-share", hello, **state(world, hello) | typed).status == 302
    assert grants(hello) == {"mila": "viewer"}


def test_somebody_was_first(world: World, owen: Person, hello: Endpoint) -> None:
    old = state(world, hello)
    give(world, hello, "viewer", "oskar")
    seen = owen.post("endpoint-share", hello, **old | {"general_access": "tenant_editor"})
    assert "otherwise meanwhile: Private; oskar (Viewer)." in seen.text
    assert grants(hello) == {"oskar": "viewer"}
    again = {"seen": selectors.shares_of(hello).version, "general_access": "tenant_editor"}
    assert owen.post("endpoint-share", hello, **again).status == 302
    assert grants(hello) == {}


def test_all_tenants_is_offered_where_it_is_allowed(world: World, owen: Person, hello: Endpoint) -> None:
    assert "All tenants can view" not in owen.get("endpoint-share", hello).text
    services.allow_all_tenants(actor=world.actor("olga"), allowed=True, now=NOW)
    assert "All tenants can view" in owen.get("endpoint-share", hello).text


def test_an_org_admin_alone_allows_it(person: Any, world: World) -> None:
    assert person("tina").post("organization", all_tenants="on").status == 403
    assert "Things may be shared with all tenants" not in person("tina").get("tenants").text
    olga = person("olga")
    assert "Things may be shared with all tenants" in olga.get("tenants").text
    assert olga.post("organization", all_tenants="on").status == 302
    assert selectors.all_tenants_allowed()
    person("olga").post("organization")
    assert not selectors.all_tenants_allowed()


def access(thing: Any) -> str:
    thing.refresh_from_db()
    return str(thing.general_access)


def opened(world: World, *things: Any) -> None:
    services.allow_all_tenants(actor=world.actor("olga"), allowed=True, now=NOW)
    for thing in things:
        services.share(actor=world.actor("olga"), thing=thing, general_access="all_viewer")


@pytest.mark.parametrize("part", [True, False])
def test_what_would_be_narrowed_is_asked_about_first(
    world: World, person: Any, hello: Endpoint, part: bool
) -> None:
    olga, other, gone = person("olga"), world.live("other"), world.live("gone")
    opened(world, world.project, hello, other, gone)
    delete_endpoint(actor=world.actor("olga"), endpoint=gone, now=NOW)
    asked = olga.post("organization", part=part)
    assert asked.status == 200
    assert "What is open to all tenants, 1 project and 2 endpoints , will at once be open to" in asked.text
    assert "To allow it again restores none of this" in asked.text
    assert selectors.all_tenants_allowed(), "it is only a question"
    assert access(hello) == "all_viewer"
    done = olga.post("organization", part=part, sure="yes")
    assert done.status == (204 if part else 302)
    assert not selectors.all_tenants_allowed()
    assert {access(each) for each in (world.project, hello, other, gone)} == {"tenant_viewer"}
    said = done.events["notice"]["text"] if part else olga.get("tenants").text
    assert "3 are now open to everyone in their own tenant." in said
    assert olga.post("organization", part=part).status == done.status, "nothing is left to ask about"


def test_to_allow_it_needs_no_question_and_only_an_org_admin_is_asked(
    world: World, person: Any, hello: Endpoint
) -> None:
    opened(world, hello)
    assert person("olga").post("organization", part=True, all_tenants="on").status == 204
    assert person("tina").post("organization", part=True).status == 403
    olga = person("olga")
    olga.client.defaults["HTTP_HX_TARGET"] = "sharing"
    panel = olga.get("tenants", part=True)
    assert "checked" in panel.html
    assert "Date of creation" not in panel.text


@pytest.mark.parametrize("door", ["endpoint-share", "project-share", "model-share"])
def test_owner_and_admins_share_and_nobody_else(
    world: World, person: Any, hello: Endpoint, door: str
) -> None:
    own = {"owner": world.user("owen"), "tenant": world.tenants["default"]}
    model = Model.objects.create(name="Mine", app=Model.objects.get(name="Help").app, publisher="owen", **own)
    thing = {"endpoint-share": hello, "project-share": world.project, "model-share": model}[door]
    for name in ("olga", "tina", "owen"):
        assert person(name).get(door, thing).status == 200
    for role in ("viewer", "editor"):
        give(world, thing, role, "mila")
        assert person("mila").get(door, thing).status == 403
        assert person("mila").post(door, thing, **state(world, thing)).status == 403
    assert person("oskar").get(door, thing).status == 404
    assert person("otto").get(door, thing).status == 404


def test_the_entry_stands_in_the_menus_of_whoever_may(
    world: World, owen: Person, person: Any, hello: Endpoint
) -> None:
    give(world, world.project, "editor", "mila")
    for who, there in (("owen", True), ("mila", False)):
        for door, thing in (("endpoint", hello), ("project", world.project)):
            assert ("Share settings" in person(who).get(door, thing).text) is there


# ----- whoever it is shared with ----------------------------------------------------------------------------


def test_a_shared_endpoint_alone_is_found_and_tells_no_more_of_its_project_than_the_name(
    world: World, person: Any, hello: Endpoint
) -> None:
    world.placed("secret")
    give(world, hello, "editor", "oskar")
    oskar = person("oskar")
    listed, dashboard, window = oskar.get("projects"), oskar.get("dashboard"), oskar.get("endpoint", hello)
    assert "Shared with me Endpoints of projects that are not shared." in listed.text
    assert "hello Live Shared with me demo" in dashboard.text
    assert "Shared with me" in window.text
    for seen in (listed, dashboard, window):
        assert "hello" in seen.text
        assert "secret" not in seen.text
        assert f"/projects/{world.project.pk}/" not in seen.html
    assert oskar.get("project", world.project).status == 404
    assert oskar.get("endpoint-new", world.project).status == 404
    assert "Reveal" not in window.html


def test_an_editor_edits_and_stops_what_is_shared_with_them(
    world: World, person: Any, hello: Endpoint
) -> None:
    own = {"owner": world.user("owen"), "tenant": world.tenants["default"]}
    Model.objects.filter(name="Help").update(**own)  # not oskar's to see
    give(world, hello, "editor", "oskar")
    oskar = person("oskar")
    window = oskar.get("endpoint-edit", hello)
    assert window.value("model_checkpoint").startswith("Help")
    typed = {
        "description": "better", "model_checkpoint": str(hello.model_version.model_id), "instances": "1",
        "model_version": "2", "rdu_arch": "SN40L", "spec_version": str(hello.spec_version),
    }  # fmt: skip
    assert oskar.post("endpoint-edit", hello, **typed).status == 302
    assert oskar.post("endpoint-stop", hello).status == 302
    assert oskar.post("endpoint-delete", hello).status == 403


def test_a_shared_project_is_in_the_list_and_open(world: World, person: Any, hello: Endpoint) -> None:
    give(world, world.project, "viewer", "oskar")
    oskar = person("oskar")
    assert "demo Shared with me" in oskar.get("projects").text
    assert "hello" in oskar.get("project", world.project).text
    assert "New endpoint" not in oskar.get("project", world.project).text
    assert f"/projects/{world.project.pk}/" in oskar.get("endpoint", hello).html


def test_nothing_of_ones_own_is_marked_as_shared(owen: Person, person: Any, hello: Endpoint) -> None:
    for name in ("owen", "tina", "olga"):
        assert "Shared with me" not in person(name).get("projects").text


def test_who_owns_an_endpoint_in_a_project_that_is_not_theirs_any_more_gets_home(
    world: World, person: Any, hello: Endpoint
) -> None:
    Endpoint.objects.filter(pk=hello.pk).update(owner=world.user("mila"))
    assert person("mila").post("endpoint-delete", hello).location == "/projects/"
    assert f"/projects/{world.project.pk}/" not in person("mila").get("endpoint-restore", hello).html


# ----- what is taken away is gone at once -------------------------------------------------------------------


def test_a_share_that_is_removed_is_gone_at_the_next_look(world: World, person: Any, hello: Endpoint) -> None:
    give(world, hello, "editor", "mila")
    mila = person("mila")
    assert mila.get("endpoint", hello, part=True).status == 200
    give(world, hello, "viewer", "mila")
    assert mila.post("endpoint-stop", hello, part=True).status == 403
    give(world, hello, "viewer")
    gone = mila.get("endpoint", hello, part=True)
    assert gone.status == 404
    assert gone.events["notice"] == {"text": f"There is no endpoint '{hello.pk}'.", "kind": "refused"}


def test_a_role_that_is_lost_is_lost_at_the_next_look(world: World, person: Any, hello: Endpoint) -> None:
    tina, olga = person("tina"), person("olga")
    assert tina.get("endpoint", hello).status == olga.get("endpoint", hello).status == 200
    Membership.objects.filter(user=world.user("tina")).update(role="member")
    boss = world.user("olga")
    boss.is_org_admin = False
    boss.save()
    assert (
        tina.get("endpoint", hello, part=True).status == olga.get("endpoint", hello, part=True).status == 404
    )
