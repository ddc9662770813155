"""Fields of forms, drawn here: of Django's own templates each field takes three, and two more for each choice."""

from html import escape
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


class Picker(forms.Select):
    """A drop-down in which some entries are shown but cannot be chosen: a hub has hundreds."""

    choices: Any = ()  # as they are: to look into each for whether it is a group, as Django does, takes long
    closed: frozenset[str] = frozenset()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen, drawn = str(value or ""), ""
        for head, inside in self.choices:
            if isinstance(inside, list):
                group = "".join([self._entry(each, label, chosen) for each, label in inside])
                drawn += f'\n  <optgroup label="{escape(head)}">{group}\n  </optgroup>'
            else:
                drawn += self._entry(head, str(inside), chosen)
        flat = flatatt(self.build_attrs(self.attrs, attrs))
        return format_html('<select name="{}"{}>{}\n</select>', name, flat, mark_safe(drawn))  # noqa: S308 each is escaped

    def _entry(self, value: str, label: str, chosen: str) -> str:
        marks = (" selected" if value == chosen else "") + (" disabled" if value in self.closed else "")
        return f'\n  <option value="{escape(value)}"{marks}>{escape(label)}</option>'


class Line(forms.TextInput):
    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = self.format_value(value)
        own = {"type": self.input_type, "name": name} | ({} if shown is None else {"value": shown})
        return format_html("<input{}>", flatatt(own | self.build_attrs(self.attrs, attrs)))


class Number(Line):
    input_type = "number"


class Lines(forms.Textarea):
    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        flat = flatatt({"name": name} | self.build_attrs(self.attrs, attrs))
        return format_html("<textarea{}>\n{}</textarea>", flat, self.format_value(value) or "")
