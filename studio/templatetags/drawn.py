"""The small things that pages draw many times: icons, badges, dates, addresses. Known to every template.

Tags and not templates to include: an include costs five times as much, and a page has hundreds of them.
"""

import html
from datetime import UTC, datetime
from functools import cache, lru_cache
from uuid import UUID

from django import template
from django.template import Context, defaulttags
from django.template.base import Parser, Token
from django.template.defaultfilters import filesizeformat, slugify
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from studio import assets, htmx
from studio.projects.models import Project
from studio.projects.selectors import facts
from studio.tenants.rules import may

register = template.Library()
register.simple_tag(assets.address, name="asset")


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """A picture of the sprite beside a word that says the same."""
    return format_html('<svg aria-hidden="true"><use href="{}#{}"/></svg>', static("icons/sprite.svg"), name)


@register.simple_tag
@cache
def badge(status: str) -> SafeString:
    """A status with its icon. There are a few dozen of them."""
    name = slugify(status)
    return format_html('<span class="badge" data-status="{}">{}{}</span>', name, icon(name), status)


SPELT = {
    "rdu": "RDU", "rdus": "RDUs", "id": "ID", "api": "API", "ml": "ML", "url": "URL",
    "apikeys": "API keys", "hub": "Model Hub", "hourss": "hours",
    "answered": "kept answer", "answereds": "kept answers",
}  # fmt: skip


@register.filter
def spelt(words: str, place: str = "start") -> str:
    """What Django makes of the name of a class or a field, as the platform writes it: `rdus` becomes `RDUs`.

    `place`: `within` a sentence no word gets a capital of its own. Ready HTML stays as it is.
    """
    if isinstance(words, SafeString) and "<" in words:
        return words
    written = [SPELT.get(word.lower(), word) for word in str(words).split()]
    if place == "start" and written and written[0].islower():
        written[0] = written[0].capitalize()
    return " ".join(written)


register.filter("size", lru_cache(1000)(filesizeformat))  # the same few on each page, and dear to write


@register.simple_tag(takes_context=True)
def project_name(context: Context, project: Project) -> SafeString:
    """A link for whoever may see the project; of one whose endpoint alone is shared with them they know the name."""
    actor = context["request"].actor
    if not may(actor, "project.see", facts(actor, project)):
        return format_html("{}", project.name)
    return format_html('<a href="{}">{}</a>', reverse("project", args=[project.pk]), project.name)


@register.simple_tag
@cache
def constant(name: str) -> SafeString:
    """A template that says the same on every page; its files are looked up once."""
    return mark_safe(render_to_string(name))  # noqa: S308 a template escapes


@register.tag
def url(parser: Parser, token: Token) -> "Address":
    """Django's own tag, many times faster for what is addressed by ids."""
    found = defaulttags.url(parser, token)
    return Address(found.view_name, found.args, found.kwargs, found.asvar)


class Address(defaulttags.URLNode):
    def render(self, context: Context) -> str:
        name = self.view_name.resolve(context)
        ids = [each.resolve(context) for each in self.args]
        if self.kwargs or ":" in name or not all(isinstance(each, UUID) for each in ids):
            return str(super().render(context))
        try:
            found = mark_safe(escape(htmx.address(name, *ids)))  # noqa: S308
        except NoReverseMatch:  # which may be meant so
            return str(super().render(context))
        if not self.asvar:
            return found
        context[self.asvar] = found
        return ""


@register.simple_tag
def kebab(thing: UUID, name: str, kind: str = "", size: str = "", what: str = "") -> SafeString:
    """The button that opens the menu of a thing. A table has one in each row, and in it the entries below."""
    return mark_safe(  # noqa: S308 the rest is ours
        f'<button class="button" type="button" data-kind="{kind or "quiet"}" data-shape="icon"'
        f' data-size="{size or "small"}" id="more-{thing}" popovertarget="menu-{thing}"'
        f' aria-label="Actions for {what}{html.escape(name)}">{icon("kebab")}</button>'
    )


@register.simple_tag
def entry(label: str, name: str, *ids: UUID | str, kind: str = "") -> SafeString:
    """Of a menu: opens a dialog."""
    at = html.escape(htmx.address(name, *ids))
    mark = f' data-kind="{kind}"' if kind else ""
    return mark_safe(  # noqa: S308 labels and kinds are ours
        f'<a href="{at}" hx-get="{at}" hx-target="#dialog" hx-swap="innerHTML"{mark}>{label}</a>'
    )


@register.simple_tag
def deed(label: str, name: str, *ids: UUID | str) -> SafeString:
    """Of a menu: does something at once."""
    at = html.escape(htmx.address(name, *ids))
    return mark_safe(f'<a href="{at}" hx-post="{at}" hx-swap="none">{label}</a>')  # noqa: S308 as above


MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@register.simple_tag
def day(at: datetime) -> SafeString:
    """`02 Jan, 2024`; a hover says the time."""
    at = at.astimezone(UTC)
    return _time(at, f"{at.day:02} {MONTHS[at.month]}, {at.year}")


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """`02 Jan, 03:04:05`; a hover says the year."""
    at = at.astimezone(UTC)
    return _time(at, f"{at.day:02} {MONTHS[at.month]}, {_clock(at)}")


def _time(at: datetime, written: str) -> SafeString:
    whole = f"{at.day:02} {MONTHS[at.month]}, {at.year}, {_clock(at)}"
    return mark_safe(f'<time datetime="{at.isoformat()}" title="{whole} UTC">{written}</time>')  # noqa: S308 numbers and names of months


def _clock(at: datetime) -> str:
    return f"{at.hour:02}:{at.minute:02}:{at.second:02}"
