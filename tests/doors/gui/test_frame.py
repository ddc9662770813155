"""Sign-in, the frame around every page, and what holds on all of them."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from tests.browser.world import PASSWORD

INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:")
ELSEWHERE = re.compile(r'(?:src|href|action|hx-[a-z]+)="(?:https?:)?//')


@pytest.fixture
def every_page(world, owen):
    endpoint = world.everything()
    return [
        owen.get("dashboard"),
        owen.get("projects"),
        owen.get("resources"),
        owen.get("notices"),
        owen.get("project-new"),
        owen.get("project", world.project),
        owen.get("endpoint-new", world.project),
        owen.get("endpoint", endpoint),
        owen.get("endpoint", endpoint, tab="instances"),
        owen.get("endpoint", endpoint, tab="events"),
        owen.get("endpoint-edit", endpoint),
        owen.get("project-edit", world.project),
        owen.get("project-delete", world.project),
        owen.get("endpoint-stop", endpoint),
        owen.get("endpoint-restart", endpoint),
        owen.get("endpoint-delete", endpoint),
    ]


def test_the_first_field_is_the_user_name_and_enter_submits(person):
    page = person().get("sign-in")
    fields = re.findall(r"<input[^>]*>", page.html)
    visible = [field for field in fields if 'type="hidden"' not in field]
    assert 'name="username"' in visible[0]
    assert "autofocus" in visible[0]
    assert page.html.count('type="submit"') == 1


def test_a_wrong_password_is_said_and_the_name_stays(person):
    page = person().post("sign-in", username="owen", password="wrong")
    assert "do not belong together" in page.text
    assert page.value("username") == "owen"


def test_signing_in_leads_to_where_one_wanted_to_go(person):
    assert person().get("projects").location == "/sign-in/?next=/projects/"
    answer = person().post("sign-in", username="owen", password=PASSWORD, next="/projects/")
    assert answer.location == "/projects/"


def test_a_part_of_a_page_hears_that_its_person_left(person):
    nobody = person()
    assert nobody.get("dashboard", part=True).status == 302
    answer = nobody.get("sign-in", part=True)
    assert (answer.status, answer.html, list(answer.events)) == (401, "", ["signed-out"])


def test_signing_out(owen):
    assert owen.get("sign-out").status == 405
    assert owen.post("sign-out").location == "/sign-in/"
    assert owen.get("dashboard").status == 302


def test_no_page_has_anything_inline_or_from_elsewhere(every_page):
    for page in every_page:
        assert page.status == 200
        assert INLINE.findall(page.html) == []
        assert ELSEWHERE.findall(page.html) == []
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert "no-store" in page.headers["Cache-Control"]


def test_ids_are_used_once_and_every_field_has_a_label(every_page):
    for page in every_page:
        ids = re.findall(r'\sid="([^"]+)"', page.html)
        assert sorted(ids) == sorted(set(ids))
        fields = re.findall(r'<(?:input|select|textarea)\b[^>]*\sid="([^"]+)"', page.html)
        assert set(fields) <= set(re.findall(r'<label for="([^"]+)"', page.html))


@pytest.mark.parametrize(("name", "shown"), [("owen", False), ("olga", False), ("otto", True)])
def test_only_operators_see_the_administration(person, name, shown):
    assert ("Django admin" in person(name).get("dashboard").text) is shown


def test_olga_switches_the_tenant(person, world):
    olga = person("olga")
    answer = olga.post("switch-tenant", tenant=str(world.tenants["research"].pk))
    assert answer.location == "/"
    assert "Tenant research" in olga.get("dashboard").text


def test_owen_cannot_switch_to_a_tenant_that_is_not_his(owen, world):
    assert owen.post("switch-tenant", tenant=str(world.tenants["research"].pk)).status == 404
    assert "Tenant default" in owen.get("dashboard").text


def test_the_theme_is_kept(owen):
    assert "data-theme" not in owen.get("dashboard").html
    assert owen.post("theme", theme="dark", next="/projects/").location == "/projects/"
    assert '<html lang="en" data-theme="dark">' in owen.get("dashboard").html
    owen.post("theme", theme="neon")
    assert 'data-theme="dark"' in owen.get("dashboard").html


def test_the_theme_leads_to_no_other_site(owen):
    assert owen.post("theme", theme="dark", next="//elsewhere.example/").location == "/"


def test_a_refused_page_says_in_its_breadcrumb_where_one_is(owen, person):
    crumbs = (
        r'aria-label="Breadcrumb"><ol><li><a href="/">Dashboard</a></li><li aria-current="page">(.*?)</li>'
    )
    for page, said in (
        ("/projects/00000000-0000-0000-0000-000000000000/", "Not found"),
        ("/audit/", "Not allowed"),
    ):
        assert re.findall(crumbs, owen.get(page).html) == [said]
        assert f"<h1>{said}</h1>" in owen.get(page).html


def test_every_page_has_a_breadcrumb():
    pages = [each.read_text() for each in (Path(__file__).parents[3] / "templates").rglob("*.html")]
    framed = [text for text in pages if text.startswith('{% extends "base.html" %}')]
    assert len(framed) > 20
    assert [text for text in framed if "{% block crumbs %}" not in text] == []


def test_a_refusal_is_a_page_to_a_browser_and_a_notice_to_htmx(owen):
    nowhere = "/endpoints/00000000-0000-0000-0000-000000000001/"
    page = owen.get(nowhere)
    assert (page.status, "There is no endpoint" in page.text) == (404, True)
    notice = owen.get(nowhere, part=True)
    assert (notice.status, notice.html, notice.events["notice"]["kind"]) == (404, "", "refused")


def test_an_address_that_does_not_exist(owen):
    page = owen.get("/nothing/")
    assert (page.status, "There is no page at this address." in page.text) == (404, True)


def test_a_form_without_a_token_that_holds(world):
    client = Client(enforce_csrf_checks=True)
    address = reverse("project-new")
    assert "Please send it again" in client.post(address, {"name": "x"}).content.decode()
    htmx = {"HX-Request": "true"}
    answer = client.post(address, {"name": "x"}, headers=htmx)
    assert (answer.status_code, "signed-out" in answer["HX-Trigger"]) == (401, True)
    client.force_login(world.user("owen"), backend="studio.accounts.sessions.People")
    answer = client.post(address, {"name": "x"}, headers=htmx)
    assert (answer.status_code, "nothing was done. Send it again" in answer["HX-Trigger"]) == (403, True)
    token = answer.cookies["csrftoken"].value
    assert client.post(address, {"name": "x"}, headers=htmx | {"X-CSRFToken": token})["HX-Redirect"]
