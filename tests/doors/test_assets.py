"""The styles and scripts of all pages: one file each, of one version, for anybody."""

import re

import pytest
from django.test import Client

from studio import assets
from studio.tenants.models import User
from tests.doors.test_operators import signed_in
from tests.support.cast import Cast

LINKED = re.compile(r'(?:href|src)="(/assets/[^"]+)"')


def test_every_page_gets_its_styles_and_scripts_as_one_file_each(cast: Cast) -> None:
    page = signed_in(cast.users["owen"]).get("/projects/").content.decode()
    assert LINKED.findall(page) == [assets.address("studio.css"), assets.address("studio.js")]
    assert LINKED.findall(Client().get("/sign-in/").content.decode()) == [assets.address("studio.css")]


@pytest.mark.parametrize(("name", "kind"), [("studio.css", "text/css"), ("studio.js", "text/javascript")])
def test_it_holds_every_part_in_order_and_is_kept_for_ever(name: str, kind: str, db: None) -> None:
    answer = Client().get(assets.address(name))
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(kind)
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    text, at = answer.content.decode(), 0
    for source in assets.sources(name):
        found = text.find(source.read_text(), at)
        assert found >= at, source.name
        at = found + len(source.read_text())


def test_another_version_gets_what_there_is_and_keeps_it_not(db: None) -> None:
    older = Client().get("/assets/0123456789abcdef/studio.css")
    assert older.status_code == 200
    assert older.content == Client().get(assets.address("studio.css")).content
    assert older["Cache-Control"] == "no-store"


def test_it_is_nobodys_in_particular(cast: Cast) -> None:
    """No cookie changes it, so caches may keep it; whoever must set a password first sees that page as it should be."""
    User.objects.filter(username="owen").update(password_is_initial=True)
    answer = signed_in(cast.users["owen"]).get(assets.address("studio.css"))
    assert answer.status_code == 200
    assert "Cookie" not in answer.get("Vary", "")
    assert not answer.cookies


@pytest.mark.parametrize("name", ["tokens.css", "studio.py", "studio", "..%2fmanage.py"])
def test_nothing_else_is_there(name: str, db: None) -> None:
    assert Client().get(f"/assets/0123456789abcdef/{name}").status_code == 404


def test_it_is_only_read(db: None) -> None:
    assert Client().post(assets.address("studio.css")).status_code == 405
