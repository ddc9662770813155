"""The stream of an open page: who hears that they should look anew, who does not, and who gets no stream."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import OperationalError
from django.test import AsyncClient

from apikeys.models import ApiKey
from apikeys.services import add_key, revoke_key, rotate_key
from endpoints import selectors
from endpoints.services import delete_endpoint, stop_endpoint
from studio.accounts.models import Session
from studio.accounts.rules import IDLE
from studio.accounts.services import change_password, end_sessions
from studio.people.services import change_roles, deactivate_user
from studio.sharing.rules import TENANT, USER, Wish
from studio.sharing.services import share
from studio.standing import streams
from tests.browser.world import NOW, PASSWORD, World
from tests.doors.gui.conftest import Person
from tests.support.waiting import eventually_async

LOOK = "event: look"
Act = Callable[[], object]
ADDRESS = "/standing/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "ON_ITS_WAY", timedelta(0))  # what made the world is over
    # Between its looks a process gives its connection back, which the transaction of a test would not outlive.
    monkeypatch.setattr(streams, "close_old_connections", lambda: None)
    monkeypatch.setattr(streams, "STREAMS", streams.Streams())
    monkeypatch.setattr("studio.standing.views.STREAMS", streams.STREAMS)


class Page:
    """Somebody's open page at `at`: `words` are those it has heard since the last act."""

    def __init__(self, person: Person, at: str = "/") -> None:
        self.client, self.at = AsyncClient(), at
        self.client.cookies = person.client.cookies
        self.frames: list[str] = []
        self.is_over = False

    async def listen(self) -> None:
        headers = {
            "HX-Request": "true",
            "Unattended": "true",
            "HX-Current-URL": f"http://testserver{self.at}",
        }
        answer: Any = await self.client.get(ADDRESS, headers=headers)
        assert (answer.status_code, answer["Content-Encoding"]) == (200, "identity")
        async for chunk in answer:
            self.frames.append(chunk.decode())
        self.is_over = True

    @property
    def words(self) -> list[str]:
        return [frame.splitlines()[0] for frame in self.frames if not frame.startswith(":")]


def heard(act: Act, *pages: Page) -> list[bool]:
    """Which of the pages are told to look once it is done; each has looks enough to be told."""

    async def all_of_it() -> None:
        tasks = [asyncio.create_task(page.listen()) for page in pages]
        await until(lambda: all(page.frames for page in pages), tasks)
        await looks(3, *pages)
        assert not any(page.words for page in pages), "before anything happened"
        await sync_to_async(act)()
        await looks(3, *pages)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async_to_sync(all_of_it)()
    return [LOOK in page.words for page in pages]


async def until(condition: Callable[[], bool], tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        if task.done():
            task.result()
    await eventually_async(condition, timeout=30, every=0.01)


async def looks(number: int, *pages: Page) -> None:
    """So many whole looks, however long they take; as long as there is a page to look for."""
    before = LOOKS[0]

    def enough() -> bool:
        return LOOKS[0] > before + number or all(page.is_over for page in pages)

    await eventually_async(enough, timeout=30, every=0.01)


LOOKS = [0]


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = streams.Streams._tell

    def telling(self: Any, found: Any) -> None:
        tell(self, found)
        LOOKS[0] += 1

    monkeypatch.setattr(streams.Streams, "_tell", telling)


# Who hears what


def test_a_share_and_its_end_speak_to_the_tenant_and_the_guest_and_to_nobody_else(
    world: World, person: Any
) -> None:
    endpoint = world.endpoint()

    def shared_with(*names: str) -> Act:
        wishes = [Wish(USER, name, "viewer") for name in names]
        return lambda: share(actor=world.actor("olga"), thing=endpoint, shared_with=wishes)

    pages = [Page(person(name)) for name in ("owen", "mila", "oskar", "olga")]
    assert heard(shared_with("mila"), *pages) == [True, True, False, True]
    assert heard(shared_with("oskar"), Page(person("oskar"))) == [True]
    assert heard(shared_with(), Page(person("oskar"))) == [True]
    assert heard(shared_with("mila"), Page(person("oskar"))) == [False], "a guest no more"


def test_a_tenant_that_was_a_guest_hears_of_what_becomes_of_the_thing(world: World, person: Any) -> None:
    endpoint = world.endpoint()
    wish = Wish(TENANT, "research", "viewer")
    assert heard(
        lambda: share(actor=world.actor("olga"), thing=endpoint, shared_with=[wish]), Page(person("oskar"))
    ) == [True]
    delete = lambda: delete_endpoint(actor=world.actor("owen"), endpoint=endpoint, now=NOW)  # noqa: E731
    assert heard(delete, Page(person("oskar"))) == [True]


def test_keys_speak_to_the_window_of_their_endpoint_and_not_to_anothers(world: World, owen: Person) -> None:
    endpoint, other = world.endpoint(), world.endpoint("other")
    facts, actor = selectors.facts(world.actor("owen"), endpoint), world.actor("owen")
    key, _ = add_key(actor=actor, endpoint=endpoint, facts=facts, description="shop", now=NOW)

    def pages() -> list[Page]:
        return [Page(owen, f"/endpoints/{each.pk}/") for each in (endpoint, other)]

    assert heard(lambda: revoke_key(actor=actor, key=key, facts=facts, now=NOW), *pages()) == [True, False]
    first = ApiKey.objects.get(endpoint=endpoint, is_first=True)
    assert heard(lambda: rotate_key(actor=actor, key=first, facts=facts, now=NOW), *pages()) == [True, False]


def test_a_role_speaks_to_its_person_and_from_then_on_so_does_the_new_tenant(
    world: World, person: Any
) -> None:
    page, research = Page(person("mila")), world.tenants["research"]
    project = world.project

    def join_and_see() -> None:
        change_roles(
            actor=world.actor("olga"), user=world.user("mila"), roles={research.pk: "member"}, now=NOW
        )

    assert heard(join_and_see, page, Page(person("owen"))) == [True, False]
    leave = {world.tenants["default"].pk: ""}
    take = lambda: change_roles(actor=world.actor("olga"), user=world.user("mila"), roles=leave, now=NOW)  # noqa: E731
    assert heard(take, Page(person("mila"))) == [True]
    share_it = lambda: share(actor=world.actor("owen"), thing=project, general_access="tenant_viewer")  # noqa: E731
    assert heard(share_it, Page(person("mila"))) == [False], "of a tenant that is hers no more"


def test_what_only_changes_how_things_are_is_said_to_nobody(world: World, owen: Person) -> None:
    endpoint = world.endpoint()
    stop = lambda: stop_endpoint(actor=world.actor("owen"), endpoint=endpoint, now=NOW)  # noqa: E731
    assert heard(stop, Page(owen, f"/endpoints/{endpoint.pk}/")) == [False]


# Whose session ended


def deactivate(world: World) -> None:
    deactivate_user(actor=world.actor("olga"), user=world.user("mila"), now=NOW)


def sign_out_everywhere(world: World) -> None:
    end_sessions(actor=world.actor("mila"))


def set_another_password(world: World) -> None:
    new = "another-horse-battery"
    change_password(
        actor=world.actor("mila"), user=world.user("mila"), old=PASSWORD, new=new, now=datetime.now(UTC)
    )


def end_without_a_word(world: World) -> None:
    """As a sign-out in another tab of the same browser does: no audit row speaks of it."""
    Session.objects.filter(user=world.user("mila")).delete()


def be_idle(world: World) -> None:
    Session.objects.filter(user=world.user("mila")).update(last_seen_at=datetime.now(UTC) - IDLE)


@pytest.mark.parametrize(
    "end", [deactivate, sign_out_everywhere, set_another_password, end_without_a_word, be_idle]
)
def test_whose_session_is_over_hears_it_and_the_stream_ends(
    world: World, person: Any, end: Callable[[World], None]
) -> None:
    page, other = Page(person("mila")), Page(person("owen"))
    assert heard(lambda: end(world), page, other) == [True, False]
    assert (page.is_over, other.is_over) == (True, False)


def test_a_stream_keeps_no_session_alive(world: World, person: Any) -> None:
    page, long_ago = Page(person("mila")), datetime.now(UTC) - timedelta(hours=11)
    Session.objects.update(last_seen_at=long_ago)
    assert heard(lambda: None, page) == [False]
    assert Session.objects.get(user=world.user("mila")).last_seen_at == long_ago


# Who gets none


def test_whoever_is_not_signed_in_gets_none(world: World, person: Any) -> None:
    assert person().get(ADDRESS).location == f"/sign-in/?next={ADDRESS}"
    assert person().get(ADDRESS, part=True).location == f"/sign-in/?next={ADDRESS}"


def test_a_server_that_would_send_it_whole_gives_none(owen: Person) -> None:
    assert owen.get(ADDRESS).status == 204


def test_more_than_a_process_can_have_are_told_that_there_is_none(
    owen: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 0)
    client = AsyncClient()
    client.cookies = owen.client.cookies
    assert async_to_sync(client.get)(ADDRESS).status_code == 204


def test_at_a_stop_all_end_and_none_begins(owen: Person) -> None:
    page = Page(owen)
    heard(streams.STREAMS.close, page)
    assert page.is_over
    assert streams.STREAMS.is_full


# What a process bears


def test_a_look_that_fails_is_made_again(world: World, owen: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LATER_SECONDS", 0.01)
    whole, failures = streams.Look.__call__, [OperationalError("away"), OperationalError("away")]

    def failing(self: Any, *facts: Any) -> Any:
        if failures:
            raise failures.pop()
        return whole(self, *facts)

    monkeypatch.setattr(streams.Look, "__call__", failing)
    endpoint = world.endpoint()
    assert heard(
        lambda: share(actor=world.actor("owen"), thing=endpoint, general_access="tenant_viewer"), Page(owen)
    ) == [True]
    assert not failures


def test_what_happened_while_a_page_was_on_its_way_is_said_at_once(
    world: World, owen: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ON_ITS_WAY", timedelta(minutes=1))
    endpoint = world.endpoint()
    share(actor=world.actor("owen"), thing=endpoint, general_access="tenant_viewer")
    early, late = Page(owen), Page(owen)

    async def one_after_the_other() -> None:
        tasks = [asyncio.create_task(early.listen())]
        await until(lambda: LOOK in early.words, tasks)
        tasks.append(asyncio.create_task(late.listen()))
        await until(lambda: LOOK in late.words, tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async_to_sync(one_after_the_other)()


def test_more_rows_than_are_read_at_once_speak_to_everybody(
    world: World, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.standing.selectors.MOST_ROWS", 2)
    endpoints = [world.endpoint(name) for name in ("one", "two")]

    def stop_all() -> None:
        for endpoint in endpoints:
            stop_endpoint(actor=world.actor("owen"), endpoint=endpoint, now=NOW)

    assert heard(stop_all, Page(person("oskar"))) == [True]
