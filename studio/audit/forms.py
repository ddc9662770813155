"""The filters above the Audit page's list."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms

from studio.audit import selectors
from studio.tenants.rules import Actor

MOST = 120  # characters of a name
KINDS = ("endpoint", "project", "model", "node", "tenant", "user", "app", "runtime")


def _typed(label: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "input", "maxlength": MOST, "autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=MOST, widget=widget)


def _dated(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"class": "input", "type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget)


class AuditForm(forms.Form):
    """A value that makes no sense narrows nothing: an address may be old."""

    person = _typed("Person")
    verb = _typed("Verb")
    kind = forms.ChoiceField(label="Kind of thing", required=False)
    thing = _typed("Thing")
    tenant = forms.ChoiceField(label="Tenant", required=False)
    since = _dated("From")
    until = _dated("To")

    def __init__(self, actor: Actor, asked: Mapping[str, Any]) -> None:
        clean = {name: str(asked.get(name, "")).replace("\0", "").strip()[:MOST] for name in self.base_fields}
        super().__init__(clean)
        self._offer("kind", [(kind, kind) for kind in KINDS])
        tenants = selectors.tenants_of(actor).order_by("name").values_list("pk", "name")
        self._offer("tenant", [(str(pk), name) for pk, name in tenants])
        self.is_valid()

    @property
    def filters(self) -> selectors.Filters:
        found = self.cleaned_data
        until = found.get("until")
        return selectors.Filters(
            **{name: found.get(name, "") for name in ("person", "verb", "kind", "thing", "tenant")},
            since=_midnight(found.get("since")),
            until=_midnight(until + timedelta(days=1) if until else None),
        )

    @property
    def query(self) -> str:
        """What an address needs to show the same list."""
        return urlencode({name: self.data[name] for name in self.fields if self.cleaned_data.get(name)})

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "All"), *choices]
        field.widget.attrs["class"] = "input"


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
