"""The small things that pages draw many times: icons, badges, dates. Known to every template.

Tags and not templates to include: an include costs five times as much, and a page has hundreds of them.
"""

from datetime import UTC, datetime
from functools import cache

from django import template
from django.template import Context
from django.template.defaultfilters import slugify
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.projects.models import Project
from studio.projects.selectors import facts
from studio.tenants.rules import may

register = template.Library()


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


@register.simple_tag(takes_context=True)
def project_name(context: Context, project: Project) -> SafeString:
    """A link for whoever may see the project; of one whose endpoint alone is shared with them they know the name."""
    actor = context["request"].actor
    if not may(actor, "project.see", facts(actor, project)):
        return format_html("{}", project.name)
    return format_html('<a href="{}">{}</a>', reverse("project", args=[project.pk]), project.name)


@register.simple_tag
def day(at: datetime) -> SafeString:
    """`02 Jan, 2024`; a hover says the time."""
    return _time(at, "%d %b, %Y")


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """`02 Jan, 03:04:05`; a hover says the year."""
    return _time(at, "%d %b, %H:%M:%S")


def _time(at: datetime, form: str) -> SafeString:
    at = at.astimezone(UTC)
    whole = at.strftime("%d %b, %Y, %H:%M:%S")
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), whole, at.strftime(form)
    )
