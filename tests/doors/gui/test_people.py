"""Users and Tenant management: who finds them, what they show and offer, and what their boxes do."""

import re

import pytest
from django.urls import reverse

from endpoints.services import stop_endpoint
from studio.tenants.models import Membership, Tenant, User
from tests.browser.world import NOW

ADMINS = ("olga", "tina")
OTHERS = ("owen", "mila", "oskar", "otto")


@pytest.fixture
def olga(person):
    return person("olga")


@pytest.fixture
def tina(person):
    return person("tina")


def tenant(name: str) -> Tenant:
    return Tenant.objects.get(name=name)


def roles_of(name: str) -> dict[str, str]:
    return dict(Membership.objects.filter(user__username=name).values_list("tenant__name", "role"))


# --- who comes in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ADMINS, *OTHERS])
def test_the_menu_leads_there_whom_the_pages_are_for(person, name):
    text = person(name).get("dashboard").text
    shown = name in ADMINS
    assert ("Users" in text, "Tenant management" in text) == (shown, shown)
    for page in ("users", "tenants", "user-new"):
        assert person(name).get(page).status == (200 if shown else 403)


@pytest.mark.parametrize("name", ["tina", *OTHERS])
def test_nobody_but_an_org_admin_does_anything_to_tenants(person, world, name):
    default, expected = world.tenants["default"], 404 if name == "oskar" else 403
    for door in ("tenant-edit", "tenant-quota", "tenant-archive", "tenant-unarchive"):
        assert person(name).post(door, default, name="x").status == expected
    assert person(name).post("tenant-new", name="x").status == 403
    assert (Tenant.objects.count(), tenant("default").archived_at) == (2, None)


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_but_an_admin_does_anything_to_users(person, world, name):
    mila = world.user("mila")
    for door in ("user-edit", "user-password", "user-deactivate", "user-reactivate"):
        assert person(name).post(door, mila).status == 403
    assert person(name).post("user-new", username="x", password="correct-horse-battery").status == 403


def test_a_tenant_admin_finds_the_people_of_the_own_tenants_alone(tina, world):
    text = tina.get("users").text
    assert {name for name in ("olga", "tina", "owen", "mila", "oskar", "otto") if f"{name} " in text} == {
        "olga", "tina", "owen", "mila", "otto",
    }  # fmt: skip
    assert "research" not in text
    for door in ("user-edit", "user-password", "user-deactivate", "user-reactivate"):
        assert tina.post(door, world.user("oskar")).status == 404


# --- tenants --------------------------------------------------------------------------------------------------


def test_tenants_with_what_stands_in_them(olga, tina, world):
    world.live()
    text = olga.get("tenants").text
    assert "Name Users Projects Endpoints" in text
    assert "default Active 5 1 1" in text
    assert "research Active 1 0 0" in text
    assert "Rename RDU quota Values of API keys Archive" in text
    text = tina.get("tenants").text
    assert "default Active 5 1 1" in text
    assert not {"research", "Rename", "Archive", "New tenant"} & set(text.split())


def test_a_tenant_is_made_renamed_archived_and_opened_again(olga, world):
    answer = olga.post("tenant-new", name="science")
    assert answer.location == reverse("tenants")
    assert "Tenant science was created." in olga.get("tenants").text
    science = tenant("science")
    olga.post("tenant-edit", science, name="sciences", part=True)
    assert olga.get("tenant-edit", science).value("name") == "sciences"
    done = olga.post("tenant-archive", science, part=True)
    assert done.events["notice"]["text"] == "Tenant sciences was archived."
    assert "sciences Archived" in olga.get("tenants").text
    assert "Unarchive" in olga.get("tenants").text
    assert "sciences" not in olga.get("dashboard").text, "nobody can switch to it"
    assert olga.post("switch-tenant", tenant=str(science.pk)).status == 404
    olga.post("tenant-unarchive", science)
    assert "sciences" in olga.get("dashboard").text


@pytest.mark.parametrize(("name", "sentence"), [("", "required"), ("a/b", "1 to 63"), ("DEFAULT", "taken")])
@pytest.mark.parametrize("door", ["tenant-new", "tenant-edit"])
def test_a_wrong_name_is_said_at_its_field(olga, world, door, name, sentence):
    where = [world.tenants["research"]] if door == "tenant-edit" else []
    page = olga.post(door, *where, name=name, part=True)
    assert (sentence in page.fault("name"), page.value("name")) == (True, name)


def test_the_confirmation_lists_what_goes_on(olga, world):
    world.everything()
    text = olga.get("tenant-archive", world.tenants["default"]).text
    assert "5 users · 1 project · 5 endpoints, 4 running" in text
    assert "hello Live demo · 4 of 5 instances" in text
    assert "No endpoint runs in it." in olga.get("tenant-archive", world.tenants["research"]).text


def test_the_last_open_tenant_is_not_archived(olga, world):
    olga.post("tenant-archive", world.tenants["research"])
    page = olga.post("tenant-archive", world.tenants["default"], part=True)
    assert "default is the only open tenant" in page.text


def test_the_rdu_quota_is_set_and_shown_with_what_is_held(olga, world):
    world.live(rdus=4)
    default = world.tenants["default"]
    assert "SN40L: 4 held" in olga.get("tenants").text
    assert "SN40L 4 held now" in olga.get("tenant-quota", default).text
    typed = {"guaranteed-SN40L": "3", "maximum-SN40L": "2", "guaranteed-SN30": "", "maximum-SN30": ""}
    page = olga.post("tenant-quota", default, part=True, **typed)
    assert "3 cannot be guaranteed where 2 is the most" in page.fault("guaranteed-SN40L")
    page = olga.post("tenant-quota", default, part=True, **typed | {"maximum-SN40L": "many"})
    assert page.fault("maximum-SN40L") == "Enter a whole number."
    done = olga.post("tenant-quota", default, part=True, **typed | {"maximum-SN40L": "6"})
    assert done.events["notice"]["text"] == "The RDU quota of default was saved."
    assert "SN40L: 4 of 6 held 3 guaranteed" in olga.get("tenants").text
    assert olga.get("tenant-quota", default).value("maximum-SN30") == ""


# --- users ----------------------------------------------------------------------------------------------------


def test_users_with_their_roles(olga):
    text = olga.get("users").text
    assert "olga (you) Active OrgAdmin Member in default" in text
    assert "tina Active TenantAdmin in default" in text
    assert "otto Active Operator Member in default" in text
    assert "oskar Active Member in research" in text


def test_the_table_is_narrowed(olga, world):
    text = olga.get("users", tenant=str(world.tenants["research"].pk)).text
    assert ("oskar Active" in text, "owen Active" in text) == (True, False)
    text = olga.get("users", search="OW").text
    assert ("oskar Active" in text, "owen Active" in text) == (False, True)
    assert "Nobody fits" in olga.get("users", search="xyz").text
    assert olga.get("users", tenant="nonsense").status == 200
    typed = {"HX-Request": "true", "HX-Trigger": "user-filters"}
    found = olga.client.get(reverse("users"), {"search": "OW"}, headers=typed).content.decode()
    assert found.strip().startswith("<section")
    assert "search=OW" in found, "what looks again looks for the same"


def test_more_users_than_a_page(olga, world):
    User.objects.bulk_create(User(username=f"u{number:02}") for number in range(40))
    first = olga.get("users", search="u")
    following = re.search(r'<a href="(\?[^"]+)">Next page', first.html)[1].replace("&amp;", "&")
    second = olga.get(f"/users/{following}")
    assert ("u00" in first.text, "u39" in first.text) == (True, False)
    assert ("u00" in second.text, "u39" in second.text) == (False, True)


def test_a_new_user_signs_in(olga, person, world):
    typed = {"username": "nina", "tenant": str(world.tenants["research"].pk), "role": "tenant_admin"}
    page = olga.post("user-new", **typed, password="short", part=True)
    assert "too short" in page.fault("password")
    assert (page.value("username"), page.value("tenant")) == ("nina", "research")
    olga.post("user-new", **typed, password="correct-horse-battery")
    assert roles_of("nina") == {"research": "tenant_admin"}
    nobody = person()
    nobody.post("sign-in", username="nina", password="correct-horse-battery")
    assert nobody.get("dashboard").location == reverse("password"), "first a password of their own"


def test_roles_are_changed_in_one_box(olga, world):
    mila, names = world.user("mila"), {name: str(each.pk) for name, each in world.tenants.items()}
    assert olga.get("user-edit", mila).value(f"tenant-{names['default']}") == "Member"
    olga.post(
        "user-edit",
        mila,
        **{
            f"tenant-{names['default']}": "",
            f"tenant-{names['research']}": "tenant_admin",
            "org_admin": "on",
        },
    )
    mila.refresh_from_db()
    assert (roles_of("mila"), mila.is_org_admin) == ({"research": "tenant_admin"}, True)


def test_a_tenant_admin_is_offered_members_of_the_own_tenant(tina, world):
    page = tina.get("user-edit", world.user("owen"), part=True)
    assert "OrgAdmin" not in page.text
    assert "research" not in page.text
    assert "TenantAdmin" not in page.text
    field = f"tenant-{world.tenants['default'].pk}"
    forged = tina.post("user-edit", world.user("owen"), part=True, **{field: "tenant_admin"})
    assert "not one of the available choices" in forged.fault(field)
    tina.post("user-edit", world.user("owen"), **{field: "member", "org_admin": "on"})
    assert not world.user("owen").is_org_admin, "a field that is not hers is not read"
    tina.post("user-edit", world.user("owen"), **{field: ""})
    assert roles_of("owen") == {}


def test_a_tenant_admin_is_offered_no_role_that_only_an_org_admin_changes(tina, world):
    mila, default, research = world.user("mila"), world.tenants["default"], world.tenants["research"]
    Membership.objects.filter(user=mila).update(role="tenant_admin")
    door = reverse("user-edit", args=[mila.pk])
    assert door not in tina.get("users").html
    Membership.objects.create(user=world.user("tina"), tenant=research, role="tenant_admin")
    assert door in tina.get("users").html, "for the other tenant"
    page = tina.get("user-edit", mila)
    assert page.text.count("Only an OrgAdmin can make or unmake a TenantAdmin.") == 1
    assert page.html.count(" disabled") == 1
    assert page.value(f"tenant-{default.pk}") == "TenantAdmin"
    done = tina.post("user-edit", mila, part=True, **{f"tenant-{research.pk}": "member"})
    assert done.status == 204
    assert roles_of("mila") == {"default": "tenant_admin", "research": "member"}


def test_the_last_org_admin_stays_one(olga, world):
    field = f"tenant-{world.tenants['default'].pk}"
    page = olga.post("user-edit", world.user("olga"), part=True, **{field: "member"})
    assert "olga is the last OrgAdmin" in page.text


def test_a_user_is_deactivated_and_let_in_again(olga, owen, world):
    world.live()
    text = olga.get("user-deactivate", world.user("owen")).text
    assert (
        "They own 1 endpoint, which runs: it goes on until an admin stops it or gives it to another" in text
    )
    assert owen.get("dashboard").status == 200
    done = olga.post("user-deactivate", world.user("owen"), part=True)
    assert done.events["notice"]["text"] == "User owen was deactivated."
    assert owen.get("dashboard").location.startswith("/sign-in/"), "at the very next click"
    assert "owen Deactivated" in olga.get("users").text
    olga.post("user-reactivate", world.user("owen"))
    assert "owen Active" in olga.get("users").text
    assert owen.get("dashboard").status == 302, "the old session is over for good"


@pytest.mark.parametrize(
    ("owned", "running", "said"),
    [
        (0, 0, "They own no endpoint."),
        (1, 0, "They own 1 endpoint, which does not run; an admin can give it to another owner."),
        (3, 0, "They own 3 endpoints, of which none runs; an admin can give them to another owner."),
        (3, 1, "They own 3 endpoints, of which 1 runs: it goes on until an admin stops it or gives it to"),
        (3, 2, "They own 3 endpoints, of which 2 run: they go on until an admin stops them or gives them to"),
    ],
)
def test_what_a_deactivated_user_leaves_is_counted(olga, world, owned, running, said):
    for number in range(owned):
        endpoint = world.endpoint(f"e{number}")
        if number >= running:
            stop_endpoint(actor=world.actor("owen"), endpoint=endpoint, now=NOW)
    assert said in olga.get("user-deactivate", world.user("owen")).text


@pytest.mark.parametrize("part", [True, False])
def test_a_password_is_reset_and_has_to_be_changed_at_once(tina, person, world, part):
    mila = person("mila")
    box = tina.get("user-password", world.user("mila"), part=part)
    assert "has to set their own at the next sign-in" in box.text
    answer = tina.post("user-password", world.user("mila"), part=part)
    value = re.search(r'id="new-password-value">([^<]+)<', answer.html)[1]
    assert "shown this once" in answer.text
    assert value not in tina.get("users").html
    assert mila.get("dashboard").location.startswith("/sign-in/"), "their sessions are over"
    fresh = person()
    assert fresh.post("sign-in", username="mila", password=value).status == 302
    assert fresh.get("dashboard").location == reverse("password")
    new = {"old": value, "new": "correct-horse-battery", "again": "correct-horse-battery"}
    fresh.post("password", **new)
    assert "tina set a new password for mila" in fresh.get("notices").text


def test_a_refused_reset_says_why(tina, olga, world):
    world.user("mila").memberships.create(tenant=world.tenants["research"])
    page = tina.post("user-password", world.user("mila"), part=True)
    assert page.status == 403
    assert "do not administer" in page.events["notice"]["text"]
    assert olga.post("user-password", world.user("otto"), part=True).status == 403


def test_what_is_not_possible_is_not_offered(olga, tina):
    assert olga.get("users").text.count("Reset password") == 4, "not of herself, nor of an operator"
    assert tina.get("users").text.count("Reset password") == 2, "owen and mila"
    assert olga.get("users").text.count("Deactivate") == 5, "nobody deactivates themselves"
    assert tina.get("users").text.count("Deactivate") == 2, "owen and mila"


# --- role loss ------------------------------------------------------------------------------------------------


def test_a_role_that_is_lost_is_lost_at_the_next_click(olga, tina, world):
    """On an open session, whose tenant stands in a cookie."""
    project = world.project
    assert tina.post("switch-tenant", tenant=str(world.tenants["default"].pk)).status == 302
    assert tina.get("project", project).status == 200
    field = f"tenant-{world.tenants['default'].pk}"
    olga.post("user-edit", world.user("tina"), **{field: "member"})
    assert (tina.get("project", project).status, tina.get("users").status) == (404, 403)
    olga.post("user-edit", world.user("tina"), **{field: ""})
    assert "default" not in tina.get("dashboard").text
