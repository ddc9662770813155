"""Every door of web as it stands today: addresses from the resolver, operations from the OpenAPI document, forms
from the pages themselves. A new page or operation is walked without being named here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any

from asgiref.sync import async_to_sync
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

PART = re.compile(r"<(?:\w+:)?(\w+)>")
TOKENS = re.compile(r'(csrfmiddlewaretoken" value="|X-CSRFToken": "|name="token" value=")[\w-]+')
COUNTED_ANYWAY = {"last_login", "last_used_at", "notices_read_at"}  # what looking at things changes
ASIDE = {"contenttypes.contenttype", "auth.permission", "repeats.answered"}  # and sessions


# ----- addresses ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """`route` as in the resolver, with `<names>` of what has to be filled in."""

    route: str
    name: str

    @property
    def slots(self) -> list[str]:
        return PART.findall(self.route)

    @property
    def is_api(self) -> bool:
        return self.route.startswith("api/")

    @property
    def is_admin(self) -> bool:
        return self.route.startswith("admin/")

    def filled(self, things: Mapping[str, str]) -> str:
        return "/" + PART.sub(lambda slot: things[slot[1]], self.route)


@cache
def addresses() -> list[Address]:
    return list(_below("", get_resolver().url_patterns))


def _below(prefix: str, patterns: list[Any]) -> Iterator[Address]:
    for each in patterns:
        if not isinstance(each.pattern, RoutePattern):  # the administration's own catch-all
            continue
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _below(route, each.url_patterns)
        elif isinstance(each, URLPattern):
            yield Address(route, each.name or "")


def pages() -> list[Address]:
    """What people look at: all but the REST API and the administration."""
    return [each for each in addresses() if not each.is_api and not each.is_admin]


def doors() -> list[Address]:
    """Those of them to which forms may be sent one after the other: none ends the session of who sends them."""
    return [each for each in pages() if not re.search(r"sign-|session|password|people|user", each.route)]


# ----- operations -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """Of the REST API. `body`: its schema, with references followed; None where it takes none."""

    method: str
    path: str
    query: tuple[str, ...]
    body: Any = field(hash=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def slots(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def filled(self, things: Mapping[str, str]) -> str:
        return re.sub(r"{(\w+)}", lambda slot: things[slot[1]], self.path)

    @property
    def fields(self) -> dict[str, Any]:
        return self.body.get("properties", {}) if self.body else {}

    def least_body(self, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """What it cannot do without; `known` says how some fields are filled."""
        if self.body is None:
            return None
        names = self.body.get("required", [])
        return {name: known.get(name, _example(self.fields[name])) for name in names}


@cache
def operations() -> list[Operation]:
    document = Client().get("/api/openapi.json").json()
    return [
        Operation(
            method.upper(),
            path,
            tuple(each["name"] for each in told.get("parameters", ()) if each["in"] == "query"),
            _body(told, document),
        )
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


def writes() -> list[Operation]:
    return [each for each in operations() if each.method != "GET"]


def _body(told: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "requestBody" not in told:
        return None
    return _whole(told["requestBody"]["content"]["application/json"]["schema"], document)


def _whole(schema: Any, document: Mapping[str, Any]) -> Any:
    """The schema with its references followed; of several kinds the first that is an object, else the first."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        else:
            kinds = [_whole(each, document) for each in schema["anyOf"]]
            schema = next((each for each in kinds if "properties" in each), kinds[0])
    inner = {name: _whole(each, document) for name, each in schema.get("properties", {}).items()}
    return {**schema, "properties": inner} if inner else schema


def _example(schema: Mapping[str, Any]) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    return {"integer": 1, "boolean": False, "object": {}, "array": []}.get(schema.get("type", ""), "x")


# ----- what comes back ------------------------------------------------------------------------------------


async def _all_of(answer: Any) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


def text_of(answer: Any) -> str:
    if not answer.streaming:
        content = answer.content
    elif answer.is_async:
        content = async_to_sync(_all_of)(answer)
    else:
        content = b"".join(answer.streaming_content)
    return content.decode(errors="replace")


def told(answer: Any, *said: str) -> tuple[int, str, str]:
    """Status, where to, and body, without what was `said` in the question and without what differs each time."""
    place, body = answer.headers.get("Location", ""), TOKENS.sub(r"\1", text_of(answer))
    for word in said:
        place, body = place.replace(word, "…"), body.replace(word, "…")
    return answer.status_code, place, body


@dataclass
class Form:
    """A form of a page, with what its fields hold."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select, self._area = "", ""
        self._is_chosen = self._required = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), found.get("method", "get").lower()))
        if not self.forms:
            return
        fields, name = self.forms[-1].fields, found.get("name", "")
        if tag == "select":
            self._select, self._is_chosen, self._required = name, False, "required" in found
        elif tag == "option" and self._select:
            if "selected" in found or not (self._is_chosen or fields.get(self._select)):
                fields[self._select] = found.get("value", "")
                self._is_chosen = "selected" in found and not (self._required and not found.get("value"))
        elif tag == "textarea":
            self._area, fields[name] = name, ""
        elif tag == "input" and name and (found.get("type") != "checkbox" or "checked" in found):
            fields[name] = found.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


def forms_in(html: str) -> list[Form]:
    parser = _Forms()
    parser.feed(html)
    return [form for form in parser.forms if form.method == "post"]


# ----- rows -----------------------------------------------------------------------------------------------


def rows_now() -> dict[str, dict[str, dict[str, Any]]]:
    """Every row of ours: kind → primary key → columns, without what looking at things changes."""
    return {
        model._meta.label_lower: {
            str(row[model._meta.pk.attname]): {
                name: _plain(value) for name, value in row.items() if name not in COUNTED_ANYWAY
            }
            for row in model._default_manager.values()
        }
        for model in apps.get_models()
        if model._meta.label_lower not in ASIDE and model._meta.model_name != "session"
    }


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def changes(before: Any, after: Any) -> list[str]:
    """Which rows are new, gone or different."""
    found = []
    for kind in {*before, *after}:
        old, new = before.get(kind, {}), after.get(kind, {})
        found += [f"{kind} {pk}" for pk in {*old, *new} if old.get(pk) != new.get(pk)]
    return sorted(found)
