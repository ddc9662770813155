"""Every door, asked by everybody: each is told what the permission table says. The lines stand in `matrix.py`.

One world for each kind of door; what a request did is undone before the next one comes.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.cookies import SimpleCookie
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.contrib import admin
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apikeys.models import ApiKey
from apikeys.services import add_key
from endpoints import selectors as endpoints
from endpoints.services import delete_endpoint
from scheduler.services import add_node
from snapi.main import main
from studio.accounts.models import Session
from studio.desk.shown import list_of
from studio.hub.models import DeployOption, Model, ModelVersion
from studio.projects.models import Project
from studio.projects.services import create_project
from studio.sharing.rules import Wish
from studio.sharing.services import share
from studio.tenants.models import Membership, Tenant, User
from studio.tenants.rules import PERMISSIONS, STUDIO, Role, Verdict
from studio.tenants.services import create_tenant, join_tenant, new_platform_key
from tests.browser.world import NOW, PARALLEL, PASSWORD, World
from tests.doors.matrix import COLUMNS, COMMANDS, COMMANDS_ALONE, OPERATIONS, PAGES, PEOPLE, PUBLIC, Line
from tests.doors.rest.conftest import described
from tests.doors.test_three_doors import commands

pytestmark = pytest.mark.timeout(600)  # a thousand requests each, on a machine that may be busy
OK = 200
SHORT = ("notices-mark", "standing")  # pages that are none: their answer to a GET stands in their line
Found = dict[tuple[str, str], tuple[object, object]]  # (door, who) → (what was told, what is right)
BACKEND = "studio.accounts.sessions.People"
SAMPLE = ("olga", "owen", "vera", "opal")  # told yes, 403 and 404; what REST tells the others, snapi repeats
MORE = {  # of the people who are not in the world yet: their tenant, and their role there
    "theo": ("research", Membership.Role.TENANT_ADMIN),
    "eda": ("default", Membership.Role.MEMBER),
    "vera": ("default", Membership.Role.MEMBER),
    "emil": ("research", Membership.Role.MEMBER),
    "viktor": ("lab", Membership.Role.MEMBER),
}


# ----- what is right ----------------------------------------------------------------------------------------


def verdict(who: str, on: str, action: str) -> Verdict:
    """By the table alone."""
    if not action:
        return Verdict.YES
    roles: set[Role] = PEOPLE[who][COLUMNS.index(on)]
    said = {PERMISSIONS[action][role] for role in roles}
    return next(each for each in (Verdict.YES, Verdict.NO, Verdict.HIDDEN) if each in said)


def status(who: str, line: Line, done: int) -> int:
    told = verdict(who, line.on, line.action)
    return done if told is Verdict.YES else int(told.value)


everybody = pytest.mark.parametrize(
    "all_knock",
    [False, pytest.param(True, marks=pytest.mark.soak)],
    ids=["the first of each kind", "everybody"],
)


def knocks(who: str, line: Line, all_knock: bool) -> bool:
    """Nobody does; of people who are the same to what the line is about, the first does, or all."""
    return all_knock or not who or who in first_of_each_kind(line.on)


@cache
def first_of_each_kind(on: str) -> frozenset[str]:
    kinds: dict[frozenset[Role], str] = {}
    for name, roles in PEOPLE.items():
        kinds.setdefault(frozenset(roles[COLUMNS.index(on)]), name)
    return frozenset(kinds.values())


# ----- the world --------------------------------------------------------------------------------------------


@pytest.fixture
def things(db: None) -> dict[str, str]:
    """By the names that addresses, bodies and options call them."""
    world = World()
    hello, gone = world.live("hello"), world.live("gone", arch="SN30")
    model = make_model(world)
    make_people(world)
    at_home = [Wish("user", "eda", "editor"), Wish("user", "vera", "viewer")]
    from_away = [Wish("user", "emil", "editor"), Wish("tenant", "lab", "viewer")]
    for thing, wishes in ((world.project, at_home), (hello, from_away), (gone, from_away)):
        give(world, thing, *wishes)
    give(world, model, *at_home, *from_away)
    attic, annex = make_elsewhere(world)
    give(world, attic, *at_home, *from_away)
    owen = world.actor("owen")
    key, _ = add_key(
        actor=owen,
        endpoint=hello,
        facts=endpoints.facts(owen, hello),
        description="shop",
        now=datetime.now(UTC),
    )
    delete_endpoint(actor=owen, endpoint=gone, now=datetime.now(UTC))
    add_node(actor=STUDIO, name="spare", generation="SN40L", width=8, virtual=True, now=NOW)
    hello.refresh_from_db()
    return {
        "tenant": str(world.tenants["default"].pk),
        "annex": str(annex.pk),
        "user": "mila",
        "project": str(world.project.pk),
        "attic": str(attic.pk),
        "endpoint": str(hello.pk),
        "spec_version": str(hello.spec_version),
        "gone": str(gone.pk),
        "key": str(key.pk),
        "apikey": str(key.pk),
        "first": str(ApiKey.objects.get(endpoint=hello, is_first=True).pk),
        "key_updated": key.updated_at.isoformat(),
        "model": str(model.pk),
        "help": str(Model.objects.get(name="Help").pk),
        "app": "Tiny Chat",
        "node": "spare",
        "token": str(uuid4()),
    }


def make_model(world: World) -> Model:
    app = Model.objects.get(name="Help").app
    own = {"owner": world.user("owen"), "tenant": world.tenants["default"]}
    model = Model.objects.create(name="Mine", app=app, publisher="owen", **own)
    ModelVersion.objects.create(model=model, number=1, path="Mine/1")
    DeployOption.objects.create(model=model, generation_id="SN40L", params=[PARALLEL])
    return model


def make_people(world: World) -> None:
    create_tenant(actor=STUDIO, name="lab", now=NOW)
    tenants = {tenant.name: tenant for tenant in Tenant.objects.all()}
    for name, (tenant, role) in MORE.items():
        user = User.objects.create(username=name, default_tenant=tenants[tenant])
        Membership.objects.create(user=user, tenant=tenants[tenant], role=role)
    User.objects.create(username="opal", is_staff=True, is_superuser=True)


def make_elsewhere(world: World) -> tuple[Project, Tenant]:
    """Where an endpoint and a project can be moved to, by whoever may move them: known to those who may not, too."""
    annex = create_tenant(actor=STUDIO, name="annex", now=NOW)
    for name in ("tina", "owen", "eda", "vera"):
        join_tenant(user=world.user(name), tenant=annex, role=Membership.Role.MEMBER)
    home = world.tenants["default"]
    attic = create_project(actor=world.actor("owen"), tenant=home, name="attic", description="", now=NOW)
    return attic, annex


def own(who: str) -> dict[str, str]:
    """The tenant they act in, and a session of theirs that is not the one they ask with."""
    user = User.objects.filter(username=who).first()
    now = datetime.now(UTC)
    session = Session.objects.create(
        digest=f"of {who}", user=user, signed_in_at=now, last_seen_at=now, expire_date=now + timedelta(days=1)
    )
    return {"here": str(user.default_tenant_id) if user else "", "session": str(session.id)}


def give(world: World, thing: Any, *wishes: Wish) -> None:
    share(actor=world.actor("olga"), thing=thing, shared_with=wishes)


def filled(value: Any, things: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value.format_map(things)
    if isinstance(value, Mapping):
        return {name: filled(each, things) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, things) for each in value]
    return value


class undone:
    """What happens inside has not happened."""

    def __enter__(self) -> None:
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def __exit__(self, *error: Any) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(*error)


def differing(found: Found) -> Found:
    return {at: (told, right) for at, (told, right) in found.items() if told != right}


# ----- pages ------------------------------------------------------------------------------------------------


@everybody
def test_every_page_tells_everybody_what_the_table_says(things: dict[str, str], all_knock: bool) -> None:
    routes = {name: pattern for _, name, pattern in leaves() if name}
    found: Found = {}
    for who in [*PEOPLE, ""]:
        client, there = signed_in(who), {**things, **own(who)}
        cookies = client.cookies.output(header="")
        for name, line in PAGES.items():
            if not knocks(who, line, all_knock):
                continue
            at = address(name, routes[name], there)
            for method, done in ways(name, line):
                typed = filled(line.typed or {}, there)
                client.cookies = SimpleCookie(cookies)  # signed in also after somebody signed out
                right = status(who, line, done) if who else 302
                # A notice says no to a form that is sent by a page; it is drawn sooner than a page of its own.
                partly = {"HX-Request": "true"} if method == "post" and right >= 400 else {}
                with undone():
                    answer = getattr(client, method)(at, typed, headers=partly)
                told = answer.status_code
                if not who and not answer.headers.get("Location", "").startswith(("/sign-in/", "/admin/")):
                    told = -told  # to the sign-in, and not past it
                found[f"{method} {name}", who] = (told, right)
    assert differing(found) == {}


def ways(name: str, line: Line) -> Iterator[tuple[str, int]]:
    if line.look:
        yield "get", line.answer if name in SHORT else OK
    if line.typed is not None:
        yield "post", line.answer


def address(name: str, pattern: URLPattern, things: Mapping[str, str]) -> str:
    other = {"endpoint-restore": {"endpoint": "gone"}, "key-rotate": {"key": "first"}}.get(name, {})
    there = {**things, **{each: things[instead] for each, instead in other.items()}}
    return reverse(name, kwargs={each: there[each] for each in pattern.pattern.converters})


def signed_in(who: str) -> Client:
    client = Client()
    if who:
        client.force_login(User.objects.get(username=who), backend=BACKEND)
    return client


# ----- REST -------------------------------------------------------------------------------------------------


@everybody
def test_every_operation_tells_everybody_what_the_table_says(things: dict[str, str], all_knock: bool) -> None:
    found: Found = {}
    for who in [*PEOPLE, ""]:
        client = Client(headers={"Authorization": f"Bearer {key_of(who)}"} if who else {})
        there = {**things, **own(who)}
        for operation, line in OPERATIONS.items():
            if not knocks(who, line, all_knock):
                continue
            method, _, path = operation.partition(" ")
            body = {} if line.typed is None else {"data": filled(line.typed, there)}
            with undone():
                ask = getattr(client, method.lower())
                answer = ask(f"/api{filled(path, there)}", content_type="application/json", **body)
            found[operation, who] = (answer.status_code, status(who, line, OK) if who else 401)
    assert differing(found) == {}


def key_of(who: str) -> str:
    return new_platform_key(actor=STUDIO, user=User.objects.get(username=who), now=NOW).reveal()


# ----- snapi ------------------------------------------------------------------------------------------------


def test_every_command_tells_what_the_table_says(
    things: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """snapi as it is, and the platform as it is; between them no network, so that one transaction holds both."""
    monkeypatch.setenv("SNAPI_CLI_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SNAPI_HOST_NAME", "http://testserver")
    for signal in (request_started, request_finished):
        monkeypatch.setattr(signal, "receivers", [])  # they would close the connection behind each answer
    inside = partial(httpx.Client, transport=httpx.WSGITransport(WSGIHandler()))
    monkeypatch.setattr(httpx, "Client", inside)
    found: Found = {}
    for who in SAMPLE:
        monkeypatch.setenv("SNAPI_ACCESS_KEY", key_of(who))
        there = {**things, **own(who)}
        for words, command in COMMANDS.items():
            arguments = [*words.split(), *filled(command.said, there).split()]
            monkeypatch.setattr(sys, "stdin", StringIO(f"{PASSWORD}\n"))  # which `user create` reads
            monkeypatch.setattr(sys, "argv", ["snapi", *arguments])
            with undone():
                code = main()
            printed = capsys.readouterr()
            told = verdict(who, command.on, command.action)
            right = (0, True) if told is Verdict.YES else (1, True)
            said = told is Verdict.YES or f"Status_code: {told.value}\n" in printed.out
            found[words, who] = ((code, said), right)
    assert differing(found) == {}


# ----- the administration -----------------------------------------------------------------------------------


def test_the_administration_is_for_operators_alone(things: dict[str, str]) -> None:
    """What belongs to tenants is not for an operator who is nothing else. Whoever is none is sent away from every
    address: to a sign-in, or to their own password."""
    found: Found = {}
    opal = signed_in("opal")
    for model, page in admin.site._registry.items():
        at = list_of(model)
        line = Line("platform", "admin.content" if page.of_tenants else "node.manage")
        found[at, "opal"] = (opal.get(at).status_code, status("opal", line, OK))
    for who in ("olga", "owen", ""):
        client = signed_in(who)
        for at in administration():
            told = client.get(at)
            away = told.headers.get("Location", "").startswith(
                ("/admin/login/", "/sign-in/", "/account/password/")
            )
            found[at, who] = ((told.status_code, away), (302, True))
    for who in PEOPLE.keys() - {"opal"}:
        found["/admin/", who] = (signed_in(who).get("/admin/").status_code, 302)
    assert differing(found) == {}


def administration() -> Iterator[str]:
    """Every address of it, of rows that need not exist."""
    open_to_all = {"login", "logout", "jsi18n"}
    for name, routes in get_resolver().namespace_dict["admin"][1].reverse_dict.lists():
        if isinstance(name, str) and name not in open_to_all:
            parameters = routes[0][0][0][1]
            yield reverse(
                f"admin:{name}", args=["endpoints" if each == "app_label" else "1" for each in parameters]
            )


# ----- nothing is missing -----------------------------------------------------------------------------------


def leaves(resolver: Any = None, before: str = "") -> Iterator[tuple[str, str, URLPattern]]:
    """(route, name, pattern) of all addresses but those of the administration and of REST, which have their own."""
    for each in (resolver or get_resolver()).url_patterns:
        route = before + str(each.pattern)
        if route in ("admin/", "api/"):
            continue
        if isinstance(each, URLResolver):
            yield from leaves(each, route)
        else:
            yield route, each.name or "", each


def test_every_page_has_its_line() -> None:
    without = {route for route, name, _ in leaves() if name not in PAGES} - PUBLIC
    assert without == set(), "an address without a line in tests/doors/matrix.py"
    assert {name for _, name, _ in leaves()} >= PAGES.keys()


def test_every_operation_has_its_line() -> None:
    there = {f"{method} {route.removeprefix('api')}" for method, route in described()}
    lined = {
        name.replace("{gone}", "{endpoint}")
        .replace("{first}", "{apikey}")
        .replace("{", "<")
        .replace("}", ">")
        for name in OPERATIONS
    }
    assert there == lined


def test_every_command_has_its_line() -> None:
    assert commands() == COMMANDS.keys() | COMMANDS_ALONE.keys()


def test_every_line_names_a_right_and_whom_it_is_towards() -> None:
    lines = [*PAGES.values(), *OPERATIONS.values(), *COMMANDS.values()]
    assert {line.action for line in lines} <= PERMISSIONS.keys() | {""}
    assert {line.on for line in lines} <= set(COLUMNS)
