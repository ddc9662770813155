"""The pages as each person of the cast meets them, with and without htmx."""

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.browser.world import World


@dataclass
class Seen:
    """What came back: `text` is what a person reads."""

    status: int
    html: str
    headers: Any
    location: str = ""

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", self.html))).strip()

    @property
    def events(self) -> dict[str, Any]:
        return json.loads(self.headers.get("HX-Trigger", "{}"))

    def value(self, name: str) -> str:
        """What the field holds: its typed text, or the label of the chosen entry."""
        tag = re.search(rf'<(input|select|textarea)\b[^>]*name="{re.escape(name)}"[^>]*>', self.html)
        assert tag, f"no field {name}"
        if tag[1] == "input":
            found = re.search(r'value="([^"]*)"', tag[0])
            return unescape(found[1]) if found else ""
        inside = self.html[tag.end() :].partition(f"</{tag[1]}>")[0]
        if tag[1] == "textarea":
            return unescape(inside).strip()
        chosen = re.search(r"<option[^>]*\bselected[^>]*>([^<]*)", inside) or re.search(
            r">([^<]*)</option", inside
        )
        return unescape(chosen[1]) if chosen else ""

    def fault(self, name: str) -> str:
        """The sentence that stands at the field."""
        found = re.search(rf'id="id_{re.escape(name)}_error">(.*?)</p>', self.html, re.S)
        return Seen(200, found[1], {}).text if found else ""


class Person:
    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, door: str, /, *args: object, part: bool = False, **query: str) -> Seen:
        return self._seen(self.client.get(_address(door, *args), query, headers=_headers(part)))

    def post(
        self,
        door: str,
        /,
        *args: object,
        part: bool = False,
        at: str = "/",
        **typed: object,
    ) -> Seen:
        headers = _headers(part, at)
        return self._seen(self.client.post(_address(door, *args), typed, headers=headers))

    def _seen(self, answer: Any) -> Seen:
        return Seen(
            answer.status_code, answer.content.decode(), answer.headers, answer.headers.get("Location", "")
        )


def _address(door: str, *args: object) -> str:
    return door if "/" in door else reverse(door, args=[getattr(each, "pk", each) for each in args])


def _headers(part: bool, at: str = "/") -> dict[str, str]:
    return {"HX-Request": "true", "HX-Current-URL": f"http://testserver{at}"} if part else {}


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def person(world: World) -> Any:
    """`person("owen")` is owen, signed in; `person()` is nobody."""

    def sign_in(name: str = "") -> Person:
        client = Client()
        if name:
            client.force_login(world.user(name), backend="studio.accounts.sessions.People")
        return Person(client)

    return sign_in


@pytest.fixture
def owen(person: Any) -> Person:
    return person("owen")
