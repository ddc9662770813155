"""Model cards: Markdown by anybody, shown as HTML that can do nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.hub.cards import as_html

TAGS = {
    "a", "blockquote", "br", "code", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"href", "rel", "title", "class", "role", "aria-label", "tabindex", "data-align", "start"}
BAIT = (
    "<script>", "<img src=x onerror=y>", "](javascript:a)", "[x](", "![i](https://x/", ")", "| a |\n|--:|\n| 1 |",
    "`", "```", "<https://x.example>", "&#106;avascript:", '"', "'", "onload=", "\n", "# ", "* ", "> ", "[r]: data:,x",
)  # fmt: skip


def tags(html: str) -> list[tuple[str, str]]:
    """(name, attributes) of every opening tag."""
    return re.findall(r"<([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*/?>", html)


@given(st.lists(st.one_of(st.sampled_from(BAIT), st.text(max_size=20)), max_size=30).map("".join))
def test_whatever_is_written_nothing_can_be_done_with_it(text):
    html = as_html(text)
    found = tags(html)
    assert {name for name, _ in found} <= TAGS
    assert html.count("<") == len(found) + len(re.findall(r"</[a-z0-9]+>", html))  # no other "<" is left
    for name, attributes in found:
        values = dict(re.findall(r'([a-z-]+)="([^"]*)"', attributes))
        assert set(values) <= ATTRIBUTES
        if name == "a":
            assert values["href"].lower().startswith(("https://", "http://", "mailto:"))
            assert values["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a *b* **c** `d`", "<p>a <em>b</em> <strong>c</strong> <code>d</code></p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("<b>a</b>", "<p>&lt;b&gt;a&lt;/b&gt;</p>"),
        ("[a](javascript:b)", "<p>[a](javascript:b)</p>"),
        (
            "[a]() and [b](https://b.example)",
            '<p>a and <a href="https://b.example" rel="noopener noreferrer nofollow">b</a></p>',
        ),
        ("[a](/sign-out/)", "<p>[a](/sign-out/)</p>"),
        ("## a", "<h3>a</h3>"),
        ("### a", "<h4>a</h4>"),
        ("###### a", "<h6>a</h6>"),
        ("", ""),
    ],
)
def test_what_a_card_becomes(text, html):
    assert as_html(text).strip() == html


def test_the_first_heading_is_left_out_where_it_is_the_models_name():
    assert as_html("# Help\n\nText", "help").strip() == "<p>Text</p>"
    assert as_html("# Other\n\nText", "Help").strip() == "<h3>Other</h3>\n<p>Text</p>"


def test_a_tables_sides_are_no_inline_style():
    html = as_html("| a | b |\n| --: | --- |\n| 1 | 2 |")
    assert '<td data-align="right">1</td>' in html
    assert "style" not in html
