"""Model cards: Markdown by whoever published the model, as HTML that can do nothing.

Raw HTML is escaped, images are left out, links lead only to the web and to mail. What the parser would say
with an inline style, which our Content-Security-Policy forbids, stands in `data-align`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

LINKS = ("https://", "http://", "mailto:")
TOP = 3  # the page and the panel around the text have the two headings above


@lru_cache(maxsize=64)
def as_html(text: str, title: str = "") -> str:
    """The card as safe HTML, without the first heading where that only repeats the `title`."""
    tokens = _MARKDOWN.parse(text)
    if _opens_with(tokens, title):
        tokens = tokens[3:]
    for token in _all(tokens):
        _adapt(token)
    _hide_empty_links(_all(tokens))
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _opens_with(tokens: Sequence[Token], title: str) -> bool:
    heading = bool(tokens) and tokens[0].type == "heading_open"
    return heading and tokens[1].content.strip().casefold() == title.strip().casefold()


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _adapt(token: Token) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, max(TOP, int(token.tag[1]) + 1))}"
    elif token.type in ("th_open", "td_open") and "style" in token.attrs:
        token.attrSet("data-align", str(token.attrs.pop("style")).removeprefix("text-align:"))
    elif token.type == "link_open":
        token.attrSet("rel", "noopener noreferrer nofollow")


def _hide_empty_links(tokens: Iterable[Token]) -> None:
    """`[text]()` is its text: the parser does not ask whether no address at all is one."""
    is_empty = False
    for token in tokens:
        if token.type == "link_open":
            is_empty = not token.attrGet("href")
        if token.type in ("link_open", "link_close"):
            token.hidden = is_empty


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return url.lower().startswith(LINKS)


def _open_table(*_: Any) -> str:
    return '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>\n'


def _close_table(*_: Any) -> str:
    return "</table></div>\n"


def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False}).enable("table").disable("image")
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    return parser


_MARKDOWN = _parser()
