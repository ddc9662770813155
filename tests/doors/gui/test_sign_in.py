"""The door for people: its limits as a page shows them, planted sessions, passwords that an admin chose."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from studio.accounts.rules import PAIR
from studio.tenants.models import User
from tests.browser.world import PASSWORD

OWN = "another-good-one"


def typed(old=PASSWORD, new=OWN, again=OWN):
    return {"old": old, "new": new, "again": again}


@pytest.fixture
def invited(world, person):
    """mila, with the password that tina gave her."""
    User.objects.filter(username="mila").update(password_is_initial=True)
    return person("mila")


def test_too_many_wrong_passwords_are_said_and_what_was_typed_stays(person):
    nobody = person()
    for _ in range(PAIR.free):
        nobody.post("sign-in", username="owen", password="wrong")
    page = nobody.post("sign-in", username="owen", password=PASSWORD)
    assert "Too many wrong tries from here; try again in 2 seconds." in page.text
    assert page.value("username") == "owen"
    assert page.value("password") == ""
    assert re.findall(r'name="(\w+)"[^>]*autofocus', page.html) == ["password"]


def test_a_browser_that_was_signed_in_before_is_not_kept_out_by_others(person):
    owens, strangers = person(), person()
    owens.post("sign-in", username="owen", password=PASSWORD)
    owens.post("sign-out")
    for _ in range(PAIR.free + 1):
        strangers.post("sign-in", username="owen", password="wrong")
    assert strangers.post("sign-in", username="owen", password=PASSWORD).status == 200
    assert owens.post("sign-in", username="owen", password=PASSWORD).location == "/"


def test_a_planted_session_is_not_the_one_that_is_signed_in(world):
    client, stranger = Client(), Client()
    client.cookies["sessionid"] = stranger.cookies["sessionid"] = "planted0planted0planted0planted0"
    client.post(reverse("sign-in"), {"username": "owen", "password": PASSWORD})
    assert client.get("/").status_code == 200
    assert client.cookies["sessionid"].value != stranger.cookies["sessionid"].value
    assert stranger.get("/").status_code == 302


def test_a_session_that_was_there_before_the_sign_in_gets_a_new_key(world):
    client, stranger = Client(), Client()
    session = client.session
    session["planted"] = "yes"
    session.save()
    stranger.cookies["sessionid"] = planted = session.session_key
    client.post(reverse("sign-in"), {"username": "owen", "password": PASSWORD})
    assert client.get("/").status_code == 200
    assert client.cookies["sessionid"].value != planted
    assert stranger.get("/").status_code == 302


def test_signing_in_leads_to_no_other_site(person):
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        assert person().post("sign-in", username="owen", password=PASSWORD, next=elsewhere).location == "/"


def test_the_administration_has_no_door_of_its_own(person):
    for attempt in (
        person().get("/admin/login/"),
        person().post("/admin/login/", username="otto", password="x"),
    ):
        assert attempt.location == "/sign-in/?next=/admin/"
    refused = person("owen").get("/admin/login/")
    assert (refused.status, "Only operators can use the Django admin." in refused.text) == (403, True)
    assert person("otto").get("/admin/").status == 200
    assert person("otto").get("/admin/password_change/").location == "/account/password/"


# ----- the password


def test_whoever_has_an_admins_password_sets_their_own_before_anything_else(invited):
    for address in ("/", "/projects/", "/resources/", "/models/", "/admin/", "/notices/"):
        assert invited.get(address).location == "/account/password/"
    part = invited.get("/projects/", part=True)
    assert part.headers["HX-Redirect"] == "/account/password/"
    assert invited.post("project-new", name="early").location == "/account/password/"
    page = invited.get("password")
    assert "Your password was chosen by an admin." in page.text
    assert "Cancel" not in page.text
    assert "hx-" not in page.text, "what it asked for by itself would lead back to it, without end"
    assert invited.post("password", **typed()).location == "/"
    assert invited.get("/projects/").status == 200


def test_nor_by_rest_with_the_session(invited):
    answer = invited.client.get("/api/projects")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_they_may_sign_out_instead(invited):
    assert invited.post("sign-out").location == "/sign-in/"


def test_a_changed_password_is_the_new_one_and_this_session_goes_on(person):
    owen = person("owen")
    before = owen.client.cookies["sessionid"].value
    assert owen.post("password", **typed()).location == "/account/"
    assert "Your password was changed" in owen.get("dashboard").text
    assert owen.client.cookies["sessionid"].value != before
    assert person().post("sign-in", username="owen", password=PASSWORD).status == 200
    assert person().post("sign-in", username="owen", password=OWN).location == "/"


def test_in_its_box_the_page_hears_of_it(person):
    answer = person("owen").post("password", part=True, **typed())
    assert (answer.status, "dialog-done" in answer.events) == (204, True)


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        (typed(old="wrong"), "old", "This is not your present password."),
        (typed(new="short", again="short"), "new", "This password is too short."),
        (typed(again="different"), "again", "The two new passwords differ."),
        (typed(old=""), "old", "Enter your present password."),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_no_password_comes_back(person, wrong, field, sentence):
    page = person("owen").post("password", **wrong)
    assert page.fault(field).startswith(sentence)
    assert [page.value(name) for name in ("old", "new", "again")] == ["", "", ""]
