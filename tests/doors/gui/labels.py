"""What a page offers, by what it is: its headings, fields, buttons, columns, facts, entries and sentences."""

import re
from html.parser import HTMLParser

KINDS = {
    "heading": ("h1", "h2", "h3"),
    "control": ("a", "button", "summary"),
    "field": ("label", "legend"),
    "column": ("th",),
    "fact": ("dt",),
    "entry": ("option",),
}
VOID = {"input", "link", "meta", "br", "hr"}


class Labels(HTMLParser):
    """`labels.has("field", "Endpoint name")`. A sentence may be part of a longer one; all others are whole."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, set[str]] = {}
        self.open: list[tuple[str, list[str]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = _plain(" ".join(self.words))

    def has(self, kind: str, label: str) -> bool:
        return label in self.text if kind == "sentence" else label in self.found.get(kind, set())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if name := given.get("aria-label"):
            self._note("named", name)
        if tag == "optgroup":
            self._note("group", given.get("label") or "")
        if tag not in VOID:
            self.open.append((tag, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A picture's parts: nothing to read in them."""

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        for _, words in self.open:
            words.append(data)

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _ in self.open):
            name, words = self.open.pop()
            for kind, tags in KINDS.items():
                if name in tags:
                    self._note(kind, "".join(words))
            if name == tag:
                return

    def _note(self, kind: str, label: str) -> None:
        self.found.setdefault(kind, set()).add(_plain(label).removesuffix(" (optional)"))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
