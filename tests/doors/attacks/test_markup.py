"""Stored markup: a platform in which every text that somebody or some machine wrote is an attack. Each page of each
person is rendered and read as a browser would; no element, no attribute and no link of it may come from there."""

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.db import IntegrityError, models, transaction

from endpoints.models import Endpoint
from scheduler.models import Instance, Node
from studio.audit.models import Event
from studio.hub import cards
from studio.hub.models import DeployOption, Model
from tests.doors.attacks import walk
from tests.doors.attacks.conftest import Siege
from tests.doors.attacks.test_forgery import address_of

BREAKOUT = (
    """x'"></title></textarea></script></style>--><evil-tag evil-on=1 onerror=1>{{7331|add:1}}{%evil%}"""
)
SHORT = "'\"><evil>"  # where no more fits
EXECUTED = "7332"
# What is a word of the platform's own and not somebody's text; and values that have a form of their own.
OURS = {
    "action", "agent", "app_label", "cause", "code", "codename", "desired", "device_env", "digest", "drain_mode",
    "effect", "general_access", "health_path", "intent", "kind", "metrics_path", "model", "password", "prefix", "role",
    "session_key", "state", "status", "task", "thing_type", "token_env", "token_file_env", "warmup_path",
}  # fmt: skip
CARD = f"""# {BREAKOUT}

[link](javascript:evil) [link](data:text/html,evil) <a href="javascript:evil">x</a> ![x](x" onerror="evil)
[x]: javascript:evil
[ref][x] <javascript:evil> [t](https://a.example "{SHORT} onclick=evil") `{BREAKOUT}`

| a{BREAKOUT} | b |
| :--- | ---: |
| {BREAKOUT} | [x](vbscript:evil) |

<evil-tag onclick=evil>

```evil" onload="evil
{BREAKOUT}
```
"""


def poison_event(endpoint: Endpoint) -> None:
    """An audit row is never changed, so a new one is written."""
    Event.objects.create(
        actor_name=BREAKOUT, role=SHORT, address=SHORT, request_id=SHORT, verb=SHORT, thing_type="endpoint",
        thing_id=endpoint.pk, thing_name=BREAKOUT[:120], tenant_id=endpoint.project.tenant_id,
        concerns=endpoint.owner_id, changes={"description": [BREAKOUT, BREAKOUT]},
    )  # fmt: skip


def poison(model: Any) -> None:
    """Every text of every row of this kind; what the database itself forbids stays as it is."""
    for column in model._meta.get_fields():
        name = getattr(column, "attname", "")
        if not isinstance(column, models.CharField | models.TextField) or name in OURS or column.choices:
            continue
        if column.primary_key or isinstance(column, models.JSONField):
            continue
        for number, pk in enumerate(model._default_manager.values_list("pk", flat=True)):
            most = column.max_length or 500
            text = BREAKOUT if most >= len(BREAKOUT) + 3 else f"{SHORT}{BREAKOUT}"
            if column.unique or "name" in name or name == "path":
                text = f"{number:02}{text}"
            try:
                with transaction.atomic():
                    model._default_manager.filter(pk=pk).update(**{name: text[:most]})
            except IntegrityError:
                continue


@pytest.fixture
def poisoned(siege: Siege) -> Siege:
    for model in apps.get_models():
        ours = model.__module__.split(".")[0] in ("studio", "endpoints", "apikeys", "scheduler")
        if ours and model._meta.app_label != "audit":
            poison(model)
    poison_event(Endpoint.objects.select_related("project").get(pk=siege.theirs["endpoint"]))
    Model.objects.update(card=CARD, dataset={"info": BREAKOUT, "url": "javascript:evil"}, aliases=[BREAKOUT])
    Node.objects.update(refusal=BREAKOUT, intruder=SHORT)
    failed = {"code": "crashed", "sentence": BREAKOUT}
    Instance.objects.filter(state="failed").update(reason=failed, log_tail=[BREAKOUT, f"\x1b[31m{BREAKOUT}"])
    progress = {"phase": BREAKOUT, "done": 1, "total": 2}
    Instance.objects.filter(state__in=["starting", "placed"]).update(progress=progress)
    param = {"name": "model_parallel_rdus", "label": BREAKOUT, "description": BREAKOUT, "type": "text"}
    DeployOption.objects.update(
        params=[{**param, "default": 1}, {**param, "name": SHORT, "default": BREAKOUT}]
    )
    Endpoint.objects.update(parameters={"model_parallel_rdus": BREAKOUT, SHORT: BREAKOUT})
    return siege


class Reader(HTMLParser):
    """What a browser would make of a page. `wrong`: what must not be in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.said = ""
        self.scripts: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script" and not any(name == "src" for name, _ in attrs)
        if "evil" in tag or tag in ("iframe", "object", "embed", "base", "style"):
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            self._look_at(tag, name, value or "")

    def _look_at(self, tag: str, name: str, value: str) -> None:
        self.said += value
        if (
            "evil" in name
            or (name.startswith("on") and len(name) > 2)
            or name.startswith("hx-on")
            or name == "style"
        ):
            self.wrong.append(f"<{tag} {name}>")
        if name in ("href", "src", "action", "formaction", "hx-get", "hx-post", "data-copy-from"):
            place = urlsplit(value.strip())
            if place.scheme not in ("", "http", "https", "mailto") or (place.netloc and tag != "a"):
                self.wrong.append(f"<{tag} {name}={value[:60]}>")
        if name in ("hx-vals", "hx-headers"):
            json.loads(value)
        if name in ("hx-trigger", "hx-target", "hx-swap", "hx-sync") and "evil" in value:
            self.wrong.append(f"<{tag} {name}={value[:60]}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.said += data
        if self._in_script and data.strip():
            self.scripts.append(data)


def read(html: str, at: str) -> str:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.wrong == [], at
    assert EXECUTED not in html, at
    assert all("evil" not in script for script in reader.scripts), at
    return reader.said


LABELS = {each.label for each in apps.get_app_configs()}
TABS = ("", "?tab=instances", "?tab=usage", "?tab=events", "?part=keys", "?part=live")


@pytest.mark.parametrize("person", ["owen", "olga", "otto"])
def test_no_text_becomes_markup(poisoned: Siege, person: str) -> None:
    browser, said = poisoned.browser(person), ""
    broken = str(Instance.objects.filter(state="failed").values_list("endpoint", flat=True)[0])
    for address in walk.addresses():
        if address.is_api or address.is_admin is not (person == "otto"):
            continue
        tabs = TABS if address.name == "endpoint" else ("",)
        for words in tabs:
            for things in (
                ({}, {"endpoint": broken}) if address.slots == ["endpoint"] and person == "owen" else ({},)
            ):
                at = address.filled({slot: thing(poisoned, address, slot) for slot in address.slots} | things)
                headers = {"HX-Request": "true"} if words.startswith("?part") else {}
                answer = browser.get(at + words, headers=headers)
                assert answer.status_code < 500, at
                if answer.headers.get("Content-Type", "").startswith("text/html"):
                    said += read(walk.text_of(answer), at + words)
    assert said.count("evil-tag") > 40  # the texts were there to be read


def thing(siege: Siege, address: walk.Address, slot: str) -> str:
    """A thing for the slot; in the administration a row of the kind that the page is about."""
    if address.is_admin and slot == "object_id":
        app, name = address.route.split("/")[1:3]
        rows = (
            apps.get_model(app, name)._default_manager.values_list("pk", flat=True) if app in LABELS else []
        )
        return str(next(iter(rows), 0))
    if slot == "node":
        return str(Node.objects.values_list("name", flat=True)[0]).replace("/", "%2F")
    return siege.theirs.get(slot, "0")


def test_no_notice_and_no_form_that_comes_back_makes_markup_of_a_text(poisoned: Siege) -> None:
    """What is said of a deed with a name in it, in a header and after a redirect, and what was typed wrong."""
    for person in ("owen", "olga"):
        browser, typed = (
            poisoned.browser(person),
            {"name": BREAKOUT, "endpoint_name": BREAKOUT, "description": BREAKOUT},
        )
        for address in walk.doors():
            if person == "olga" and address.route.startswith(("projects/", "endpoints/", "models/")):
                continue  # as owen's
            at = address_of(address, poisoned)
            for headers in ({"HX-Request": "true", "HX-Current-URL": "http://testserver/"}, {}):
                with transaction.atomic():
                    answer = browser.post(
                        at, typed | {"search": BREAKOUT, "instances": BREAKOUT}, headers=headers
                    )
                    assert answer.status_code < 500, at
                    json.loads(answer.headers.get("HX-Trigger", "{}"))
                    read(walk.text_of(answer), at)
                    if answer.status_code == 302:
                        read(walk.text_of(browser.get("/notices/")), at)
                    transaction.set_rollback(True)
            if "?" not in at:
                asked = {
                    "search": BREAKOUT,
                    "cursor": BREAKOUT,
                    "next": BREAKOUT,
                    "use": BREAKOUT,
                    "range": BREAKOUT,
                }
                answer = browser.get(at, asked)
                if answer["Content-Type"].startswith("text/html"):
                    read(walk.text_of(answer), at)


def test_a_card_can_do_nothing() -> None:
    said = read(cards.as_html(CARD, "title"), "card")
    assert "evil-tag" in said


def test_the_rest_api_answers_in_json_that_no_browser_takes_for_a_page(poisoned: Siege) -> None:
    owen = poisoned.browser("owen")
    for operation in walk.operations():
        if operation.method == "GET" and not operation.path.endswith("/watch"):
            answer = owen.get(operation.filled(poisoned.theirs))
            assert answer.status_code < 500, operation
            assert answer.headers["Content-Type"].startswith("application/json"), operation
            assert answer.headers["X-Content-Type-Options"] == "nosniff", operation
