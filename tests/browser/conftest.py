"""A web server over seeded rows, and people in front of it. What the console says is a failure at the end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.windows import Windows
from tests.browser.world import World

expect.set_options(timeout=15_000)


@dataclass
class Site:
    """`site.page("owen")` is a fresh browser in which owen is signed in."""

    url: str
    world: World
    open_context: Callable[..., BrowserContext]
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def page(self, name: str = "", *, at: str = "", **context: Any) -> Page:
        browser = self.open_context(base_url=self.url, **context)
        browser.set_default_timeout(30_000)  # this machine may have other work
        if name:
            browser.add_cookies([{"name": "sessionid", "value": self._session(name), "url": self.url}])
        page = browser.new_page()
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", self._note)
        if at:
            page.goto(at)
        return page

    def _session(self, name: str) -> str:
        client = Client()
        client.force_login(self.world.user(name), backend="studio.accounts.sessions.People")
        return client.cookies[django_settings.SESSION_COOKIE_NAME].value

    def _hear(self, kind: str, text: str) -> None:
        """But not what a page asked for and was left before the answer came: htmx writes two lines of that."""
        if text.startswith("htmx:sendAbort, "):
            self.console.remove(text.replace("sendAbort", "afterRequest"))
        elif kind in ("error", "warning"):
            self.console.append(text)

    def _note(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.elsewhere.append(request.url)


@pytest.fixture(scope="session")
def kept_windows(chromium: Any) -> Windows:
    return Windows(chromium)


@pytest.fixture
def open_context(kept_windows: Windows) -> Iterator[Callable[..., BrowserContext]]:
    """A window of its own for each call, until the end of the test."""
    yield lambda **options: kept_windows.take(**{"viewport": {"width": 1280, "height": 900}} | options)
    kept_windows.give_back()


@pytest.fixture
def site(
    kept_windows: Windows, open_context: Callable[..., BrowserContext], live_server: Any
) -> Iterator[Site]:
    opened = Site(live_server.url, World(), open_context)
    yield opened
    kept_windows.give_back()
    assert opened.console == []
    assert opened.elsewhere == []
