"""Windows that stay open from test to test: to open one costs Chromium more than most tests do in it."""

from typing import Any

from playwright.sync_api import Browser, BrowserContext


class Windows:
    """`take(...)` is a context as `new_context(...)` makes it; with `give_back()` all of them are as new.

    What pages of ours keep in a browser is cookies, and nothing else.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._free: dict[str, list[BrowserContext]] = {}
        self._taken: list[tuple[str, BrowserContext]] = []

    def take(self, **options: Any) -> BrowserContext:
        kind = repr(sorted(options.items()))
        free = self._free.setdefault(kind, [])
        self._taken.append((kind, free.pop() if free else self._open(options)))
        return self._taken[-1][1]

    def _open(self, options: dict[str, Any]) -> BrowserContext:
        context = self._chromium.new_context(**options)
        context.new_page()  # a window lasts as long as it has a page
        return context

    def give_back(self) -> None:
        while self._taken:
            kind, context = self._taken.pop()
            for page in context.pages[1:]:
                page.close()
            context.set_offline(False)
            context.clear_cookies()
            self._free[kind].append(context)
